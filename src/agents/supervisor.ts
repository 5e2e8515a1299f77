/**
 * The supervisor of one run: `node supervisor.js <runDir> [--wait]`. It alone owns the child from spawn to exit record: budget,
 * silence, output limit, lease, stop sequence and sweep. A worker may die, hang or be upgraded: the run does not notice,
 * and no agent is ever left to itself.
 * One file, Node builtins only, loaded whole before it spawns, so that an upgrade which replaces dist/ under a run of an
 * hour changes nothing. It talks only through the run directory (record.ts) and signals.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type {
  ChildRecord,
  ExitRecord,
  LaunchRecord,
  RUN_FILES,
  RUN_FORMAT,
  StopCause,
  SupervisorRecord,
} from './record.ts';

/** Repeated here because this file imports no values; the types make a difference an error. */
const FORMAT: typeof RUN_FORMAT = 1;
const FILES: typeof RUN_FILES = {
  launch: 'launch.json',
  supervisor: 'supervisor.json',
  child: 'child.json',
  events: 'events.jsonl',
  stderr: 'stderr.log',
  log: 'supervisor.log',
  lease: 'lease',
  quietOk: 'quiet-ok',
  stop: 'stop',
  exitReserve: 'exit.tmp',
  exit: 'exit.json',
};

/** A supervisor that comes later than this after its launch record starts nothing: readers call the run lost at 90 s. */
export const LAUNCH_WINDOW_MS = 60_000;
const EXIT_RECORD_BYTES = 4096;
/** The reason must fit into the exit record, however it is escaped. */
const REASON_CHARS = 400;
/** How often it looks around at most; a stop request also wakes it, by SIGCONT. */
const LOOK_MS = 500;
const RECORD_RETRY_MS = 1000;
/** A sweep gives up on what cannot be killed (uninterruptible sleep) after this. */
const SWEEP_LIMIT_MS = 5000;
const MARKER_PREFIX = 'STAGEWRIGHT_RUN_';

// ---------------------------------------------------------------------------------------------------- process table

/** What /proc says of a process. */
export interface ProcessStat {
  pid: number;
  /** One letter; `Z` and `X` are dead, though kill(pid, 0) still answers. */
  state: string;
  group: number;
  startTicks: number;
}

/** Null: no such process, or no /proc on this platform. */
export function readProcess(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The command name may hold spaces and parentheses: fields are counted from its last ')'.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, state: fields[0] ?? 'X', group: Number(fields[2]), startTicks: Number(fields[19]) };
}

export function isDead(state: string): boolean {
  return state === 'Z' || state === 'X' || state === 'x';
}

/** Identity of this boot; null where there is no /proc. */
export function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return null;
  }
}

/** Name of the environment variable that marks everything a run starts. */
export function markerName(runId: string): string {
  return MARKER_PREFIX + runId.replaceAll(/\W/g, '_');
}

function listPids(): number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 1 && pid !== process.pid);
  } catch {
    return [];
  }
}

/** Living processes, not this one, whose environment has one of these marker names. */
export function findMarked(names: ReadonlySet<string>): ProcessStat[] {
  return listPids()
    .filter((pid) => hasMarker(pid, names))
    .flatMap((pid) => readProcess(pid) ?? [])
    .filter(({ state }) => !isDead(state));
}

function hasMarker(pid: number, names: ReadonlySet<string>): boolean {
  let environment: string;
  try {
    environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return false;
  }
  if (!environment.includes(MARKER_PREFIX)) return false;
  return environment.split('\0').some((entry) => names.has(entry.slice(0, entry.indexOf('='))));
}

/**
 * SIGKILL to everything that has one of the markers, until nothing is left (at most 5 s): what is forked while one pass
 * runs is found by the next. Returns how many processes it ended. Without /proc it does nothing.
 */
export async function endMarked(names: ReadonlySet<string>): Promise<number> {
  return endAll(() => findMarked(names));
}

/** The same for a process group whose leader was started as `leader`; never a group that reuses the number. */
export async function endGroup(leader: { pid: number; startTicks: number | null }): Promise<number> {
  if (leader.startTicks === null) {
    sendSignal(-leader.pid, 'SIGKILL');
    return 0;
  }
  return endAll(() => findGroup(leader));
}

async function endAll(find: () => ProcessStat[]): Promise<number> {
  const ended = new Set<string>();
  const deadline = performance.now() + SWEEP_LIMIT_MS;
  // Nothing found at the first look is the rule. After a kill, two clean looks: a fork may hide from one.
  for (let clean = 0; clean < 2 && performance.now() < deadline; ) {
    const found = find();
    if (found.length === 0 && ended.size === 0) break;
    clean = found.length === 0 ? clean + 1 : 0;
    for (const { pid, startTicks } of found) {
      if (readProcess(pid)?.startTicks !== startTicks) continue;
      sendSignal(pid, 'SIGKILL');
      ended.add(`${pid} ${startTicks}`);
    }
    await sleep(5);
  }
  return ended.size;
}

/** Living members of the group; empty if its number now belongs to somebody else. */
export function findGroup(leader: { pid: number; startTicks: number | null }): ProcessStat[] {
  const members = listPids()
    .flatMap((pid) => readProcess(pid) ?? [])
    .filter(({ group }) => group === leader.pid);
  const reused = members.some(({ pid, startTicks }) => pid === leader.pid && startTicks !== leader.startTicks);
  return reused ? [] : members.filter(({ state }) => !isDead(state));
}

/** True if it reached anybody. Never to init, never to everybody. A negative pid means the group. */
function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  if (!Number.isInteger(pid) || Math.abs(pid) <= 1) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

// ------------------------------------------------------------------------------------------------------------ files

/** Creates a file complete from its first instant. False: it was there. */
export function createExclusive(file: string, content: string, options: { sync?: boolean } = {}): boolean {
  const temporary = `${file}.${process.pid}.${Math.random().toString(36).slice(2, 10)}`;
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    writeAll(fd, Buffer.from(content));
    if (options.sync === true) fsyncSync(fd);
    linkSync(temporary, file);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    closeSync(fd);
    unlinkSync(temporary);
  }
  if (options.sync === true) syncDirectory(path.dirname(file));
  return true;
}

/** Makes names in a directory durable. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, content: Buffer): void {
  for (let written = 0; written < content.length; ) {
    written += writeSync(fd, content, written, content.length - written, written);
  }
}

/** A small regular file as text; null if it is missing, something else, or too large. Follows no link, waits for no pipe. */
export function readSmallFile(file: string, maxBytes: number): string | null {
  let fd: number;
  try {
    // Mostly there is none; an exception costs ten times the look.
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return null;
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size > maxBytes) return null;
    const buffer = Buffer.alloc(stats.size);
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, stats.size, 0));
  } catch {
    return null;
  } finally {
    closeSync(fd);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';
}

// ------------------------------------------------------------------------------------------------------ supervision

/** What a run is supervised with and what has become of it so far. */
interface Run {
  runDir: string;
  runId: string;
  directory: Stats;
  startedAtMs: number;
  recordFd: number;
  shutdown: boolean;
  child: ChildProcess | null;
  childPid: number | null;
  startTicks: number | null;
  outFd: number;
  errFd: number;
  ended: { code: number | null; signal: NodeJS.Signals | null } | null;
  signals: string[];
  strays: number;
  stopReason: string | null;
}

/** Ends the present pause early: the child ended, or somebody asks us to go. */
let wake: () => void = () => undefined;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = (): void => {
      clearTimeout(timer);
      resolve();
    };
  });
}

/**
 * Time as this process saw it pass: the monotonic clock, of which a gap between two looks (SIGSTOP, a sleeping laptop)
 * counts for `gapCapMs` at most. Wall clocks, and gaps taken at their word, kill healthy runs on wake.
 */
function createClock(gapCapMs: number): () => number {
  let last = performance.now();
  let seenMs = 0;
  return () => {
    const now = performance.now();
    seenMs += Math.min(now - last, gapCapMs);
    last = now;
    return seenMs;
  };
}

async function supervise(runDir: string): Promise<void> {
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => undefined);
  process.on('SIGCONT', () => wake());
  const launch = readLaunch(runDir);
  if (!claimRun(runDir, launch)) return;
  // Late (this process was held up for long): readers may have given the run up already, so it must not start now.
  if (Date.now() - statSync(path.join(runDir, FILES.launch)).mtimeMs > LAUNCH_WINDOW_MS) return;

  const run: Run = {
    runDir,
    runId: launch?.runId ?? path.basename(runDir),
    directory: statSync(runDir),
    startedAtMs: Date.now(),
    recordFd: reserveRecord(runDir),
    shutdown: false,
    child: null,
    childPid: null,
    startTicks: null,
    outFd: -1,
    errFd: -1,
    ended: null,
    signals: [],
    strays: 0,
    stopReason: null,
  };
  process.on('SIGTERM', () => {
    run.shutdown = true;
    wake();
  });
  process.on('uncaughtException', (error) => void abandon(run, error));

  try {
    await superviseChild(run, launch);
  } catch (error) {
    await abandon(run, error);
  }
}

async function superviseChild(run: Run, launch: LaunchRecord | null): Promise<void> {
  if (launch === null) return keepRecord(run, null, 'BAD_LAUNCH_RECORD');
  const forbidden = askedToStop(run);
  if (forbidden !== null) return keepRecord(run, forbidden, null);
  const launchError = await spawnChild(run, launch);
  if (launchError !== null) return keepRecord(run, null, launchError);

  const cause = await watchChild(run, launch);
  const leader = { pid: run.childPid ?? 0, startTicks: run.startTicks };
  if (cause !== null) await stopChild(run, launch, cause, leader);
  run.strays += await endGroup(leader);
  run.strays += await endMarked(new Set([markerName(run.runId)]));
  await keepRecord(run, cause, null);
}

function readLaunch(runDir: string): LaunchRecord | null {
  try {
    const launch: LaunchRecord = JSON.parse(readFileSync(path.join(runDir, FILES.launch), 'utf8'));
    const numbers = [launch.silenceMs, launch.outputLimitBytes, launch.leaseMs, launch.interruptMs, launch.graceMs];
    const sound =
      launch.format === FORMAT &&
      launch.argv.length > 0 &&
      launch.budgetMs > 0 &&
      numbers.every((number) => Number.isFinite(number) && number >= 0);
    return sound ? launch : null;
  } catch {
    return null;
  }
}

function claimRun(runDir: string, launch: LaunchRecord | null): boolean {
  const record: SupervisorRecord = {
    format: FORMAT,
    pid: process.pid,
    startTicks: readProcess(process.pid)?.startTicks ?? null,
    bootId: readBootId(),
    hostId: launch?.meta?.['hostId'] ?? null,
    startedAtMs: Date.now(),
  };
  return createExclusive(path.join(runDir, FILES.supervisor), `${JSON.stringify(record)}\n`);
}

/** Returns the launch error, or null once the child is at work. */
async function spawnChild(run: Run, launch: LaunchRecord): Promise<string | null> {
  const [binary, ...rest] = launch.argv;
  if (statSync(launch.cwd, { throwIfNoEntry: false })?.isDirectory() !== true) return 'CWD_ENOENT';
  let inFd: number;
  try {
    inFd = openSync(launch.stdinPath ?? '/dev/null', 'r');
  } catch (error) {
    return `STDIN_${codeOf(error)}`;
  }
  run.outFd = openSync(path.join(run.runDir, FILES.events), 'a', 0o600);
  run.errFd = launch.kind === 'command' ? run.outFd : openSync(path.join(run.runDir, FILES.stderr), 'a', 0o600);
  try {
    const child = spawn(binary ?? '', rest, {
      cwd: launch.cwd,
      env: { ...launch.env, [markerName(run.runId)]: '1' },
      detached: true,
      stdio: [inFd, run.outFd, run.errFd],
    });
    run.child = child;
    const failed = new Promise<string>((resolve) => child.once('error', (error) => resolve(codeOf(error))));
    child.once('exit', (code, signal) => {
      run.ended = { code, signal };
      wake();
    });
    if (child.pid === undefined) return await failed;
    run.childPid = child.pid;
    run.startTicks = readProcess(child.pid)?.startTicks ?? null;
  } catch (error) {
    return codeOf(error);
  } finally {
    closeSync(inFd);
  }
  const record: ChildRecord = { format: FORMAT, pid: run.childPid, startTicks: run.startTicks };
  try {
    createExclusive(path.join(run.runDir, FILES.child), `${JSON.stringify(record)}\n`);
  } catch {
    // The child works without it; only the launcher waits a little longer.
  }
  return null;
}

/** Waits for the child's own end (null) or a cause to end it. A look costs four stats; it never looks at content. */
async function watchChild(run: Run, launch: LaunchRecord): Promise<StopCause> {
  const shortestMs = Math.min(...[launch.budgetMs, launch.silenceMs, launch.leaseMs].filter((limit) => limit > 0));
  const tickMs = Math.min(Math.max(shortestMs / 20, 25), LOOK_MS);
  const readClock = createClock(Math.min(Math.max(shortestMs / 4, 2 * tickMs), 2000));
  const counterMs = Math.min(tickMs * 4, shortestMs / 10);
  let eventBytes = 0;
  let lastEventMs = 0;
  let lastLeaseMs = 0;
  let lastCounterMs = -Infinity;
  let lease = readCounter(run, FILES.lease);
  let quietOk = readCounter(run, FILES.quietOk);

  for (;;) {
    await pause(tickMs);
    if (run.ended !== null) return null;
    const nowMs = readClock();
    const outBytes = fstatSync(run.outFd).size;
    const errBytes = run.errFd === run.outFd ? 0 : fstatSync(run.errFd).size;
    if (outBytes !== eventBytes) lastEventMs = nowMs;
    eventBytes = outBytes;
    if (nowMs - lastCounterMs >= counterMs) {
      lastCounterMs = nowMs;
      const nextLease = readCounter(run, FILES.lease);
      const nextQuietOk = readCounter(run, FILES.quietOk);
      if (nextLease !== null && nextLease !== lease) lastLeaseMs = nowMs;
      if (nextQuietOk !== null && nextQuietOk !== quietOk) lastEventMs = nowMs;
      lease = nextLease ?? lease;
      quietOk = nextQuietOk ?? quietOk;
    }
    let cause: StopCause = askedToStop(run);
    if (cause === null && outBytes + errBytes > launch.outputLimitBytes && launch.outputLimitBytes > 0)
      cause = 'output';
    if (cause === null && nowMs >= launch.budgetMs) cause = 'budget';
    if (cause === null && launch.silenceMs > 0 && nowMs - lastEventMs >= launch.silenceMs) cause = 'silence';
    if (cause === null && launch.leaseMs > 0 && nowMs - lastLeaseMs >= launch.leaseMs) cause = 'lease';
    // Ended by itself, only not reaped yet: its own exit stands.
    const state = cause === null ? null : readProcess(run.childPid ?? 0)?.state;
    if (cause !== null && (typeof state !== 'string' || !isDead(state))) return cause;
  }
}

function askedToStop(run: Run): 'directory' | 'shutdown' | 'stop' | null {
  if (isDirectoryGone(run)) return 'directory';
  if (run.shutdown) return 'shutdown';
  const file = path.join(run.runDir, FILES.stop);
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return null;
  run.stopReason =
    readSmallFile(file, 64 * 1024)
      ?.trim()
      .slice(0, REASON_CHARS) || null;
  return 'stop';
}

function isDirectoryGone(run: Run): boolean {
  try {
    const now = statSync(run.runDir, { throwIfNoEntry: false });
    return now === undefined || now.ino !== run.directory.ino || now.dev !== run.directory.dev;
  } catch {
    return false;
  }
}

function readCounter(run: Run, file: string): string | null {
  return readSmallFile(path.join(run.runDir, file), 256);
}

/** SIGINT to the child → SIGTERM to its group → SIGKILL to its group, each only to what is still alive. */
async function stopChild(
  run: Run,
  launch: LaunchRecord,
  cause: StopCause,
  leader: { pid: number; startTicks: number | null },
): Promise<void> {
  const isAlive = (): boolean => run.ended === null || isGroupAlive(leader);
  const send = (pid: number, signal: NodeJS.Signals): void => {
    if (sendSignal(pid, signal)) run.signals.push(signal);
  };
  // With its directory gone, a child has nowhere to write a result: no use in waiting for one.
  if (launch.interruptMs > 0 && cause !== 'directory') {
    send(leader.pid, 'SIGINT');
    await waitWhile(() => run.ended === null, launch.interruptMs);
  }
  if (isAlive()) {
    send(-leader.pid, 'SIGTERM');
    await waitWhile(isAlive, launch.graceMs);
  }
  if (isAlive()) {
    send(-leader.pid, 'SIGKILL');
    await waitWhile(isAlive, SWEEP_LIMIT_MS);
  }
}

function isGroupAlive(leader: { pid: number; startTicks: number | null }): boolean {
  // Zombies answer too, so that a yes is looked at closely; a no is cheap.
  if (!sendSignal(-leader.pid, 0)) return false;
  return leader.startTicks === null || findGroup(leader).length > 0;
}

async function waitWhile(condition: () => boolean, limitMs: number): Promise<void> {
  const readClock = createClock(1000);
  while (condition()) {
    const leftMs = limitMs - readClock();
    if (leftMs <= 0) return;
    await pause(Math.min(leftMs, 50));
  }
}

// ------------------------------------------------------------------------------------------------------ exit record

/** Takes the record's disk blocks while there are some: a full disk later cannot lose it. */
function reserveRecord(runDir: string): number {
  const fd = openSync(path.join(runDir, FILES.exitReserve), 'w+', 0o600);
  writeAll(fd, Buffer.alloc(EXIT_RECORD_BYTES, ' '));
  fsyncSync(fd);
  return fd;
}

/** Tries each second until the record is there; only a directory that is gone ends that. */
async function keepRecord(run: Run, cause: StopCause, launchError: string | null): Promise<void> {
  const record: ExitRecord = {
    format: FORMAT,
    runId: run.runId,
    exit: cause === null ? (run.ended?.code ?? null) : -9,
    realExit: run.ended?.code ?? null,
    signal: run.ended?.signal ?? null,
    cause,
    stopReason: cause === 'stop' ? run.stopReason : null,
    launchError,
    childPid: run.childPid,
    startedAtMs: run.startedAtMs,
    endedAtMs: Date.now(),
    strays: run.strays,
    signals: run.signals,
  };
  while (!isDirectoryGone(run)) {
    try {
      return writeRecord(run, record);
    } catch {
      await sleep(RECORD_RETRY_MS);
    }
  }
}

function writeRecord(run: Run, record: ExitRecord): void {
  const reserve = path.join(run.runDir, FILES.exitReserve);
  if (statSync(reserve, { throwIfNoEntry: false })?.ino !== fstatSync(run.recordFd).ino) {
    run.recordFd = openSync(reserve, 'w+', 0o600);
  }
  writeAll(run.recordFd, Buffer.from(`${JSON.stringify(record).padEnd(EXIT_RECORD_BYTES - 1)}\n`));
  fsyncSync(run.recordFd);
  renameSync(reserve, path.join(run.runDir, FILES.exit));
  syncDirectory(run.runDir);
}

/** A fault in here: nobody would watch the child any more, so it goes too; the run reads as lost. */
async function abandon(run: Run, error: unknown): Promise<void> {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  if (run.childPid !== null) await endGroup({ pid: run.childPid, startTicks: run.startTicks });
  await endMarked(new Set([markerName(run.runId)]));
  process.exit(1);
}

const script = process.argv[1];
const runDirArgument = process.argv[2];
if (script !== undefined && runDirArgument !== undefined && isThisFile(script)) {
  const told = process.argv[3] === '--wait' ? waitForWord() : Promise.resolve(true);
  void told
    .then((isTold) => (isTold ? supervise(path.resolve(runDirArgument)) : undefined))
    .then(() => process.exit(0));
}

/**
 * Started ahead of its run, it has done nothing at all until its launcher says so on stdin; false where that went away
 * without a word.
 */
async function waitForWord(): Promise<boolean> {
  const { stdin } = process;
  return await new Promise((resolve) => {
    stdin.once('data', () => {
      stdin.destroy();
      resolve(true);
    });
    stdin.once('close', () => resolve(false));
    stdin.once('error', () => resolve(false));
  });
}

function isThisFile(file: string): boolean {
  try {
    return realpathSync(file) === fileURLToPath(import.meta.url);
  } catch {
    return false;
  }
}
