/** What tests ask of real processes. A zombie is dead: its state letter says so, `kill(pid, 0)` does not. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExitRecord } from '../../src/agents/record.ts';

export function isAlive(pid: number): boolean {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0];
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

function readPid(file: string): number | null {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { pid?: number }).pid ?? null;
  } catch {
    return null;
  }
}

export function agentPid(runDir: string): number | null {
  return readPid(path.join(runDir, 'child.json'));
}

export function supervisorPid(runDir: string): number | null {
  return readPid(path.join(runDir, 'supervisor.json'));
}

/** The agents of a home that are alive now. */
export function livingAgents(home: string): number[] {
  const runs = path.join(home, 'runs');
  if (!existsSync(runs)) return [];
  return readdirSync(runs)
    .flatMap((item) => readdirSync(path.join(runs, item)).map((run) => path.join(runs, item, run)))
    .filter((runDir) => !existsSync(path.join(runDir, 'exit.json')))
    .flatMap((runDir) => {
      const pid = agentPid(runDir);
      return pid !== null && isAlive(pid) ? [pid] : [];
    });
}

export function exitRecord(runDir: string): ExitRecord {
  return JSON.parse(readFileSync(path.join(runDir, 'exit.json'), 'utf8')) as ExitRecord;
}

/** Waits for something of the outside world. Throws on timeout. */
export async function eventually<T>(
  what: string,
  look: () => T | null | undefined | false,
  timeoutMs = 30_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`it did not come to: ${what}`);
    await sleep(25);
  }
}
