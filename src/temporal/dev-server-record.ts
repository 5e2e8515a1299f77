/**
 * What is known of a database file's server while nobody may be there to ask: the record beside the file, and the
 * processes that serve it. Two servers on one SQLite file corrupt each other's picture of it; a server that outlived its
 * killed parent must be found and ended before the next one starts.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkLiveness, identifyProcess, type ProcessIdentity } from './process-identity.ts';

/** In the environment of every server we start: tells ours from one that a person started by hand on the same file. */
export const SERVER_MARKER = 'STAGEWRIGHT_TEMPORAL_DB';

/** A healthy server takes about 2 s to stop. */
const STOP_PATIENCE_MS = 10_000;

export interface DevServerRecord {
  /** `host:port` of the frontend. */
  address: string;
  uiUrl: string | null;
  cliVersion: string;
  process: ProcessIdentity;
}

export function recordPath(dbFile: string): string {
  return `${dbFile}.server.json`;
}

export function writeDevServerRecord(dbFile: string, record: DevServerRecord): void {
  const temporary = `${recordPath(dbFile)}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(temporary, recordPath(dbFile));
}

export function removeDevServerRecord(dbFile: string): void {
  rmSync(recordPath(dbFile), { force: true });
}

/**
 * The last server of that file and whether it still runs, for commands that look for the server of a running instance;
 * null if the last one was stopped in order, or never was.
 */
export function readDevServerRecord(dbFile: string): (DevServerRecord & { alive: boolean }) | null {
  try {
    const record: DevServerRecord = JSON.parse(readFileSync(recordPath(dbFile), 'utf8'));
    return { ...record, alive: checkLiveness(record.process) === 'alive' };
  } catch {
    return null;
  }
}

/** A living server of that file. */
export interface LeftoverServer {
  identity: ProcessIdentity;
  /** Started by Stagewright, not by a person. */
  ours: boolean;
}

/** Every living `temporal server start-dev` of that file, as far as this machine can tell. `dbFile`: canonical path. */
export function findServersOf(dbFile: string): LeftoverServer[] {
  if (process.platform !== 'linux') return findRecordedServer(dbFile);
  const found: LeftoverServer[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const argv = readNulls(`/proc/${pid}/cmdline`);
    const file = argv[argv.indexOf('--db-filename') + 1];
    if (!argv.includes('start-dev') || file !== dbFile) continue;
    const identity = identifyProcess(pid);
    if (identity === null) continue;
    found.push({ identity, ours: readNulls(`/proc/${pid}/environ`).includes(`${SERVER_MARKER}=${dbFile}`) });
  }
  return found;
}

/** SIGTERM, then SIGKILL; returns once it is gone. */
export async function endServer(identity: ProcessIdentity): Promise<void> {
  const startedAtMs = performance.now();
  signalProcess(identity, 'SIGTERM');
  while (checkLiveness(identity) === 'alive') {
    if (performance.now() - startedAtMs > STOP_PATIENCE_MS) signalProcess(identity, 'SIGKILL');
    await sleep(25);
  }
}

function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (checkLiveness(identity) !== 'alive') return;
  try {
    process.kill(identity.pid, signal);
  } catch {
    // It ended between the look and the signal.
  }
}

/** Without /proc only the recorded pid can be looked at, and `ps` says whether it still is that server. */
function findRecordedServer(dbFile: string): LeftoverServer[] {
  const record = readDevServerRecord(dbFile);
  if (record === null || !record.alive) return [];
  try {
    const command = execFileSync('ps', ['-o', 'command=', '-p', String(record.process.pid)], { encoding: 'utf8' });
    return command.includes(dbFile) ? [{ identity: record.process, ours: true }] : [];
  } catch {
    return [];
  }
}

function readNulls(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\0');
  } catch {
    return [];
  }
}
