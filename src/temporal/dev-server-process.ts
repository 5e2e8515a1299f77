/**
 * One process of the dev server: starting it, telling whether it serves, ending it. It runs in a session of its own, so
 * that a terminal's Ctrl-C reaches our process alone, which then stops it last: a server that dies first leaves the
 * worker's shutdown hanging.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { StagewrightError } from '../errors.ts';
import { DEFAULT_NAMESPACE, FAST_RECONNECT } from './connection.ts';
import { type DevServerArguments, devServerArguments } from './dev-server-args.ts';
import { endServer, SERVER_MARKER } from './dev-server-record.ts';
import { listensOn, LOOPBACK } from './ports.ts';
import { checkLiveness, identifyProcess, type ProcessIdentity } from './process-identity.ts';

/** A healthy start takes 0.2 s; a big file on a starved machine takes longer; past it, something is wrong. */
const SERVING_TIMEOUT_MS = 30_000;
const SERVING_POLL_MS = 25;
const CALL_TIMEOUT_MS = 1_000;
/** A log beyond this is set aside at the next start. */
const LOG_LIMIT_BYTES = 10_000_000;
const LOG_TAIL_BYTES = 2_000;

export interface ServerExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** It ended because `stop` or `kill` was called. */
  asked: boolean;
}

export interface ServerProcess {
  address: string;
  uiUrl: string | null;
  pid: number;
  /** null if it could not be started at all. */
  identity: ProcessIdentity | null;
  exited: Promise<ServerExit>;
  stop(): Promise<void>;
  kill(): void;
  /** What it has written since this start, at most the last 2 KB. */
  readLogTail(): string;
}

export interface SpawnOptions extends DevServerArguments {
  binary: { path: string; version: string };
  logFile: string;
}

/** Starts the process and does not wait. A binary that cannot be started shows as `identity: null`. */
export function spawnDevServer(options: SpawnOptions): ServerProcess {
  const log = openLog(options.logFile);
  const child = spawn(options.binary.path, devServerArguments(options), {
    detached: true,
    stdio: ['ignore', log.descriptor, log.descriptor],
    env: { ...withoutTemporalSettings(process.env), [SERVER_MARKER]: options.dbFile },
  });
  closeSync(log.descriptor);
  const identity = child.pid === undefined ? null : identifyProcess(child.pid);
  let asked = false;
  // Best effort for a process that ends without stopping us; a SIGKILL is met by the next start on the file.
  const endWithParent = (): void => void child.kill('SIGTERM');
  process.once('exit', endWithParent);
  const exited = new Promise<ServerExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal, asked }));
    child.once('error', () => resolve({ code: null, signal: null, asked }));
  }).finally(() => process.off('exit', endWithParent));
  return {
    address: `${LOOPBACK}:${options.port}`,
    uiUrl: options.uiPort === null ? null : `http://${LOOPBACK}:${options.uiPort}`,
    pid: child.pid ?? 0,
    identity,
    exited,
    async stop() {
      asked = true;
      if (identity !== null) await endServer(identity);
      await exited;
    },
    kill() {
      asked = true;
      child.kill('SIGKILL');
    },
    readLogTail: () => readTail(options.logFile, log.offset),
  };
}

/**
 * Returns when this very process serves its namespace. Throws StagewrightError `temporal_port_taken` or
 * `temporal_start_failed`. `madeWith`: CLI version that last served the file, for the message.
 */
export async function waitUntilServing(server: ServerProcess, madeWith: string | null): Promise<void> {
  const startedAtMs = performance.now();
  const connection = Connection.lazy({ address: server.address, channelArgs: FAST_RECONNECT, interceptors: [] });
  try {
    while (!(await servesNamespace(connection))) {
      if (server.identity === null || checkLiveness(server.identity) === 'gone')
        throw startFailed(server, 'ended', madeWith);
      if (performance.now() - startedAtMs > SERVING_TIMEOUT_MS) throw startFailed(server, 'did not answer', madeWith);
      await sleep(SERVING_POLL_MS);
    }
  } finally {
    await connection.close();
  }
  // Somebody answers there; if it is not our process, ours has lost the port to another server.
  const port = Number(server.address.split(':')[1]);
  if (listensOn(server.pid, port) === false) throw portTaken(server.address);
}

async function servesNamespace(connection: Connection): Promise<boolean> {
  try {
    await connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, () =>
      connection.workflowService.describeNamespace({ namespace: DEFAULT_NAMESPACE }),
    );
    return true;
  } catch {
    return false;
  }
}

function startFailed(server: ServerProcess, how: string, madeWith: string | null): StagewrightError {
  const tail = server.readLogTail();
  if (/address already in use/.test(tail)) return portTaken(server.address);
  const older =
    madeWith === null ? '' : ` The database file was last served by CLI ${madeWith}; another release may not read it.`;
  const log = tail === '' ? 'It wrote nothing.' : `The end of its log:\n${tail}`;
  return new StagewrightError('temporal_start_failed', `The Temporal dev server ${how}.${older} ${log}`, {
    exit: 'unreachable',
    mend: 'Read the log above; a database file that cannot be opened may be moved away (its history goes with it).',
  });
}

function portTaken(address: string): StagewrightError {
  return new StagewrightError('temporal_port_taken', `Another program already uses ${address} or the Web UI port.`, {
    mend: 'Stop it, choose other ports, or leave them out to have free ones chosen.',
  });
}

/** TEMPORAL_ADDRESS and its like are meant for clients; they must not bend the server's own set-up. */
function withoutTemporalSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}

function openLog(file: string): { descriptor: number; offset: number } {
  mkdirSync(path.dirname(file), { recursive: true });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const aside = size > LOG_LIMIT_BYTES;
  if (aside) renameSync(file, `${file}.1`);
  return { descriptor: openSync(file, 'a', 0o600), offset: aside ? 0 : size };
}

function readTail(file: string, offset: number): string {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const from = Math.max(offset, size - LOG_TAIL_BYTES);
  if (size <= from) return '';
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(size - from);
    return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, from)).trim();
  } finally {
    closeSync(descriptor);
  }
}
