/**
 * Tells one process from another that later got the same pid, and a dead one from a living one. A bare `kill(pid, 0)`
 * answers "alive" for zombies and for strangers with a recycled pid; a lock or a pid file believed on that word would
 * either be held for ever or get a stranger killed.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../errors.ts';

export interface ProcessIdentity {
  pid: number;
  /** Start in clock ticks since boot; null where there is no /proc. */
  startTicks: number | null;
  bootId: string | null;
  /** Which pid namespace the pid is counted in: containers reuse small pids. */
  pidNamespace: string | null;
}

/** `unknown`: the identity comes from another machine, boot or pid namespace and cannot be looked up from here. */
export type Liveness = 'alive' | 'gone' | 'unknown';

/** Identity of a living process of this pid namespace; null if there is none. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const stat = readStat(pid);
  if (stat === 'gone') return null;
  const startTicks = stat === 'no-proc' ? null : stat.startTicks;
  if (startTicks === null && !answersSignal(pid)) return null;
  return { pid, startTicks, bootId: readBootId(), pidNamespace: readPidNamespace() };
}

/** Whether that very process (not merely its pid) still runs. A zombie is gone. */
export function checkLiveness(identity: ProcessIdentity): Liveness {
  if (identity.bootId !== readBootId() || identity.pidNamespace !== readPidNamespace()) return 'unknown';
  const stat = readStat(identity.pid);
  if (stat === 'gone') return 'gone';
  if (stat === 'no-proc') return answersSignal(identity.pid) ? 'alive' : 'gone';
  return stat.startTicks === identity.startTicks ? 'alive' : 'gone';
}

function readStat(pid: number): { startTicks: number } | 'gone' | 'no-proc' {
  if (process.platform !== 'linux') return 'no-proc';
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name is in parentheses and may itself hold blanks and parentheses.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return 'gone';
    return { startTicks: Number(fields[19]) };
  } catch {
    return 'gone';
  }
}

function answersSignal(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}

function readPidNamespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}
