/**
 * What else the machine was doing, and what processes have used of it. A latency measured on a busy machine says little;
 * so every figure is printed with the load beside it. Linux only, like the benches.
 */
import { readFileSync, readdirSync } from 'node:fs';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Load {
  /** Runnable processes, mean over the last minute. */
  average: number;
  /** Share of the cores' time that was in use over half a second just now. */
  busyShare: number;
  cores: number;
}

/** Linux counts CPU time in hundredths of a second wherever Node runs. */
const TICK_MS = 10;
const SAMPLE_MS = 500;

export async function readLoad(): Promise<Load> {
  const before = readCores();
  await sleep(SAMPLE_MS);
  const after = readCores();
  const all = after.all - before.all;
  return {
    average: os.loadavg()[0] ?? 0,
    busyShare: all === 0 ? 0 : 1 - (after.idle - before.idle) / all,
    cores: os.availableParallelism(),
  };
}

function readCores(): { all: number; idle: number } {
  const fields = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/).slice(1).map(Number);
  const [, , , idle = 0, waiting = 0] = fields;
  return { all: fields.slice(0, 8).reduce((total, ticks) => total + ticks, 0), idle: idle + waiting };
}

export interface CpuTime {
  /** User and system time of the process itself, milliseconds. */
  ownMs: number;
  /** Of all that it has started, ended or alive, and of what those have. */
  childrenMs: number;
}

/** Throws where the process is gone: its time would be missing from the sum. */
export function readCpu(pid: number): CpuTime {
  const processes = readProcesses();
  const own = processes.find((process) => process.pid === pid);
  if (own === undefined) throw new Error(`process ${pid} is gone`);
  let childrenMs = own.endedMs;
  const parents = new Set([pid]);
  // A child has a higher place in the list only by chance: looked through until nothing is new.
  for (let found = true; found; ) {
    found = false;
    for (const { pid: child, parent, ownMs, endedMs } of processes) {
      if (parents.has(child) || !parents.has(parent)) continue;
      parents.add(child);
      childrenMs += ownMs + endedMs;
      found = true;
    }
  }
  return { ownMs: own.ownMs, childrenMs };
}

interface ProcessTime {
  pid: number;
  parent: number;
  ownMs: number;
  /** Of its children that have ended and were waited for, and of theirs. */
  endedMs: number;
}

function readProcesses(): ProcessTime[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    let text: string;
    try {
      text = readFileSync(`/proc/${name}/stat`, 'latin1');
    } catch {
      return [];
    }
    // The command name may hold spaces and parentheses: fields are counted from its last ')'.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
    return [
      {
        pid: Number(name),
        parent: fields[1] ?? 0,
        ownMs: (user + system) * TICK_MS,
        endedMs: (childUser + childSystem) * TICK_MS,
      },
    ];
  });
}

export function cpuBetween(before: CpuTime, after: CpuTime): CpuTime {
  return { ownMs: after.ownMs - before.ownMs, childrenMs: after.childrenMs - before.childrenMs };
}
