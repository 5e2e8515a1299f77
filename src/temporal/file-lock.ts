/**
 * A lock between processes, as files `<base>.1`, `<base>.2` …: the highest number is the lock, and taking it means
 * creating the next number exclusively. A dead holder is passed over in the same way, so two processes that both find it
 * dead cannot both win (the flaw of "delete the stale file, then create it"), and a kill -9 leaves nothing to clean up.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';
import { checkLiveness, identifyProcess, type ProcessIdentity } from './process-identity.ts';

/** How often a holder says that it lives, for observers who cannot look its process up (another container). */
const HEARTBEAT_MS = 5_000;
/** Six missed heartbeats: a holder nobody can look up is taken for dead. */
const SILENT_HOLDER_MS = 30_000;
const POLL_MS = 100;

export interface FileLock {
  /** Gives the lock up; a second call does nothing. */
  release(): void;
}

/** Who holds a lock; `pid` is null while the holder is still writing its name. */
export interface LockHolder {
  pid: number | null;
}

/** Takes the lock if nobody living holds it; else says who does. Never waits. */
export function tryFileLock(base: string): FileLock | LockHolder {
  mkdirSync(path.dirname(base), { recursive: true });
  for (;;) {
    const current = newestGeneration(base);
    const holder = current === 0 ? null : readHolder(`${base}.${current}`);
    if (holder !== null) return holder;
    const mine = current + 1;
    if (!createExclusively(`${base}.${mine}`)) continue;
    // A listing older than two generations may have named a number that was used and swept since.
    if (newestGeneration(base) === mine) return holdLock(base, mine);
    rmSync(`${base}.${mine}`, { force: true });
  }
}

/**
 * Waits for the lock. `onWait` is called about once a second with the holder and the time waited so far.
 * Returns the holder instead when `timeoutMs` (default: for ever) has passed.
 */
export async function waitForFileLock(
  base: string,
  options: { timeoutMs?: number; onWait?: (holder: LockHolder, waitedMs: number) => void } = {},
): Promise<FileLock | LockHolder> {
  const startedAtMs = performance.now();
  let told = 0;
  for (;;) {
    const answer = tryFileLock(base);
    if (isLock(answer)) return answer;
    const waitedMs = performance.now() - startedAtMs;
    if (waitedMs >= (options.timeoutMs ?? Number.POSITIVE_INFINITY)) return answer;
    if (waitedMs >= told * 1_000) {
      options.onWait?.(answer, waitedMs);
      told += 1;
    }
    await sleep(POLL_MS);
  }
}

export function isLock(answer: FileLock | LockHolder): answer is FileLock {
  return 'release' in answer;
}

function holdLock(base: string, generation: number): FileLock {
  const file = `${base}.${generation}`;
  for (const older of generations(base)) if (older < generation) rmSync(`${base}.${older}`, { force: true });
  const heartbeat = setInterval(() => touch(file), HEARTBEAT_MS);
  heartbeat.unref();
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      clearInterval(heartbeat);
      // Kept, not removed: the highest number must never be given out twice.
      try {
        writeFileSync(file, JSON.stringify({ free: true }));
      } catch {
        // The directory is gone, and the lock with it.
      }
    },
  };
}

/** The living holder named in a lock file; null if it is free or its holder is dead. */
function readHolder(file: string): LockHolder | null {
  let record: ProcessIdentity | { free: true } | null;
  let ageMs: number;
  try {
    ageMs = Date.now() - statSync(file).mtimeMs;
    record = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    ageMs = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    // Half-written: its writer is at it this moment, or was killed at it.
    return ageMs > SILENT_HOLDER_MS ? null : { pid: null };
  }
  if (record === null || !isIdentity(record)) return null;
  const liveness = checkLiveness(record);
  const lives = liveness === 'alive' || (liveness === 'unknown' && ageMs <= SILENT_HOLDER_MS);
  return lives ? { pid: record.pid } : null;
}

function isIdentity(record: ProcessIdentity | { free: true }): record is ProcessIdentity {
  return 'pid' in record;
}

function createExclusively(file: string): boolean {
  try {
    const descriptor = openSync(file, 'wx');
    try {
      writeFileSync(descriptor, JSON.stringify(identifyProcess(process.pid)));
    } finally {
      closeSync(descriptor);
    }
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function newestGeneration(base: string): number {
  return Math.max(0, ...generations(base));
}

function generations(base: string): number[] {
  const prefix = `${path.basename(base)}.`;
  return readdirSync(path.dirname(base))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)));
}

function touch(file: string): void {
  try {
    utimesSync(file, new Date(), new Date());
  } catch {
    // Swept with its directory: there is nothing left to hold.
  }
}
