/**
 * Reads a run along: a spectator without effects on a living run besides its lease, so that a second attempt beside a living
 * first does no harm, and an aborted one leaves the run as it is. Memory stays flat whatever the child writes.
 */
import { constants, type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { type ExitRecord, type LaunchRecord, RUN_FILES } from '../record.ts';
import { bumpCounter } from './counter.ts';
import { startSupervisor } from './launch.ts';
import { createLineSplitter } from './lines.ts';
import { readExitRecord, readLaunchRecord, readSupervisorRecord } from './records.ts';
import { isSupervisorAlive, readRunState } from './state.ts';
import { endTree } from './sweep.ts';

export interface AttachOptions {
  /** Abort detaches: reading stops, nothing is touched, the promise rejects with `signal.reason`. */
  signal: AbortSignal;
  /** One line of events.jsonl without its newline; of a line over 4 MiB only the first 64 KiB. */
  onLine(line: string): void;
  /** Asked each time the lease is due; false lets it run out. */
  renew(): boolean;
  /** Asked as often: true where silence is healthy (an open tool call within its own limit). */
  quietOk?(): boolean;
  /** How often the log is looked at, default 250 ms. The end of a run is noticed at once, whatever this says. */
  pollMs?: number;
  fromByte?: number;
}

export type AttachEnd = { kind: 'ended'; exit: ExitRecord } | { kind: 'lost' };

const CHUNK_BYTES = 256 * 1024;
const SUPERVISOR_LOOK_MS = 2000;
const RENEW_LIMIT_MS = 5000;
const ignore = (): void => undefined;
/** Without a watcher (out of inotify watches) the exit record is polled. */
const UNWATCHED_POLL_MS = 25;

/**
 * Reads the run's events to their end. `lost`: no exit record, and no supervisor that could still write one; what was left
 * of its tree has been ended, and what there is of the log has been passed on. Rejects only on abort or with what `onLine` threw.
 */
export async function attachRun(runDir: string, options: AttachOptions): Promise<AttachEnd> {
  const { signal } = options;
  signal.throwIfAborted();
  const bell = createBell(runDir, signal);
  const log = createLog(path.join(runDir, RUN_FILES.events), options.fromByte ?? 0);
  const splitter = createLineSplitter((line) => options.onLine(line));
  const launch = readLaunchRecord(runDir);
  const runId = launch.read === 'ok' ? launch.record.runId : path.basename(runDir);
  const renewMs = launch.read === 'ok' ? renewEveryMs(launch.record) : RENEW_LIMIT_MS;
  let renewedMs = -Infinity;
  let lookedMs = performance.now();
  let end: AttachEnd | null = null;
  let endByte = Infinity;

  try {
    for (;;) {
      signal.throwIfAborted();
      const nowMs = performance.now();
      if (end === null) {
        end = readEnd(runDir);
        if (end === null && nowMs - lookedMs >= SUPERVISOR_LOOK_MS) {
          lookedMs = nowMs;
          end = look(runDir);
          if (end?.kind === 'lost') await endTree(runId, runDir);
        }
        // Whoever escaped the sweep may write for ever: what counts was written before the end.
        if (end !== null) endByte = await log.size();
        else if (nowMs - renewedMs >= renewMs) {
          renewedMs = nowMs;
          if (options.renew()) bumpCounter(path.join(runDir, RUN_FILES.lease));
          if (options.quietOk?.() === true) bumpCounter(path.join(runDir, RUN_FILES.quietOk));
        }
      }
      const chunk = await log.read(endByte);
      signal.throwIfAborted();
      if (chunk !== null) {
        splitter.push(chunk);
      } else if (end !== null) {
        splitter.end();
        return end;
      } else {
        await bell.wait(bell.isWatching() ? (options.pollMs ?? 250) : UNWATCHED_POLL_MS);
      }
    }
  } finally {
    bell.close();
    await log.close();
  }
}

function readEnd(runDir: string): AttachEnd | null {
  const exit = readExitRecord(runDir);
  return exit.read === 'ok' ? { kind: 'ended', exit: exit.record } : null;
}

/** Does not need the launch record: as long as its supervisor lives, a run with damaged files is still attended. */
function look(runDir: string): AttachEnd | null {
  const supervisor = readSupervisorRecord(runDir);
  if (supervisor.read === 'ok' && isSupervisorAlive(supervisor.record)) return null;
  const found = readRunState(runDir);
  switch (found.state) {
    case 'ended':
      return { kind: 'ended', exit: found.exit };
    case 'running':
      return null;
    case 'launching':
      // The launcher died between its record and the start.
      startSupervisor(runDir, found.launch.runId);
      return null;
    default:
      return { kind: 'lost' };
  }
}

function renewEveryMs(launch: LaunchRecord): number {
  const limits = [launch.leaseMs / 10, launch.silenceMs / 4].filter((limit) => limit > 0);
  return Math.min(...limits, RENEW_LIMIT_MS);
}

interface Log {
  /** The next bytes before `endByte`, in a buffer that is reused; null: none now. */
  read(endByte: number): Promise<Buffer | null>;
  size(): Promise<number>;
  close(): Promise<void>;
}

function createLog(file: string, fromByte: number): Log {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let handle: FileHandle | null = null;
  let position = fromByte;

  async function openLog(): Promise<FileHandle | null> {
    if (handle !== null) return handle;
    try {
      // No link, no pipe that an agent may have put there.
      const opened = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      if ((await opened.stat()).isFile()) handle = opened;
      else await opened.close();
    } catch {
      handle = null;
    }
    return handle;
  }

  return {
    async read(endByte) {
      const wanted = Math.min(CHUNK_BYTES, endByte - position);
      const opened = wanted > 0 ? await openLog() : null;
      if (opened === null) return null;
      const { bytesRead } = await opened.read(buffer, 0, wanted, position);
      position += bytesRead;
      return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
    },
    async size() {
      return (await (await openLog())?.stat())?.size ?? 0;
    },
    async close() {
      await handle?.close();
    },
  };
}

interface Bell {
  /** Resolves after `ms`, or at once when exit.json appears or the signal aborts. */
  wait(ms: number): Promise<void>;
  isWatching(): boolean;
  close(): void;
}

function createBell(runDir: string, signal: AbortSignal): Bell {
  let ring = ignore;
  // An end that is announced between a look and the wait must not be slept over.
  let rung = false;
  let watcher: FSWatcher | null = null;
  const onRing = (): void => {
    rung = true;
    ring();
  };
  const stopWatching = (): void => {
    watcher?.close();
    watcher = null;
  };
  try {
    watcher = watch(runDir, { persistent: false }, (_event, name) => {
      if (name === RUN_FILES.exit) onRing();
    });
    watcher.once('error', stopWatching);
  } catch {
    watcher = null;
  }
  signal.addEventListener('abort', onRing);

  return {
    wait: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(finish, rung ? 0 : ms);
        function finish(): void {
          clearTimeout(timer);
          rung = false;
          ring = ignore;
          resolve();
        }
        ring = finish;
      }),
    isWatching: () => watcher !== null,
    close() {
      stopWatching();
      signal.removeEventListener('abort', onRing);
    },
  };
}
