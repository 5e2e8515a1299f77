/**
 * The state of a run, from its directory alone: a restarted worker, `logs`, `/queue` and a person with `ls` see the same.
 * Damaged directories are values, so that one bad record never stops a recovery.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import { RUN_FILES, type RunState, type SupervisorRecord } from '../record.ts';
import { isDead, LAUNCH_WINDOW_MS, readBootId, readProcess } from '../supervisor.ts';
import { readExitRecord, readLaunchRecord, readSupervisorRecord } from './records.ts';

/** Longer than a supervisor that is late still dares to start, so that a run called lost never comes to life. */
const LAUNCH_BELIEF_MS = LAUNCH_WINDOW_MS + 30_000;

/** Cheap (a few small reads), never throws. */
export function readRunState(runDir: string): RunState {
  const early = readEnd(runDir);
  if (early !== null) return early;
  const launch = readLaunchRecord(runDir);
  const supervisor = readSupervisorRecord(runDir);
  // Unreadable ≠ gone: a record of an unknown format may belong to a newer version at work.
  if (launch.read === 'invalid') return { state: 'corrupt', reason: launch.reason };
  if (launch.read === 'missing') {
    return supervisor.read === 'missing' ? { state: 'absent' } : { state: 'corrupt', reason: 'launch.json is missing' };
  }
  if (supervisor.read === 'invalid' && supervisor.reason.includes('unknown format')) {
    return { state: 'corrupt', reason: supervisor.reason };
  }
  if (supervisor.read === 'ok' && isSupervisorAlive(supervisor.record)) {
    return { state: 'running', launch: launch.record, supervisor: supervisor.record };
  }
  if (supervisor.read === 'missing' && launchAgeMs(runDir) < LAUNCH_BELIEF_MS) {
    // It may have come and gone since the first look.
    return readEnd(runDir) ?? { state: 'launching', launch: launch.record };
  }
  // Written between the two looks: the supervisor leaves right after its record.
  const late = readEnd(runDir);
  if (late !== null) return late;
  return {
    state: 'lost',
    launch: launch.record,
    supervisor: supervisor.read === 'ok' ? supervisor.record : null,
  };
}

/** This very process still lives: number, start and boot agree, and it is no zombie. */
export function isSupervisorAlive(record: SupervisorRecord): boolean {
  if (record.pid <= 1) return false;
  if (record.startTicks === null) return answersToSignal(record.pid);
  if (record.bootId !== readBootId()) return false;
  const found = readProcess(record.pid);
  return found !== null && !isDead(found.state) && found.startTicks === record.startTicks;
}

function readEnd(runDir: string): RunState | null {
  const exit = readExitRecord(runDir);
  if (exit.read === 'missing') return null;
  if (exit.read === 'invalid') return { state: 'corrupt', reason: exit.reason };
  const launch = readLaunchRecord(runDir);
  return { state: 'ended', launch: launch.read === 'ok' ? launch.record : null, exit: exit.record };
}

function launchAgeMs(runDir: string): number {
  try {
    return Date.now() - statSync(path.join(runDir, RUN_FILES.launch)).mtimeMs;
  } catch {
    return Infinity;
  }
}

/** Where there is no /proc. */
function answersToSignal(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
