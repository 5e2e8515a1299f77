/**
 * The disk is full while a run ends: on a small file system of the home's own, filled up by the test. The exit record
 * goes into blocks that were reserved at the launch; what was paid for is kept, and everything else waits for space.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Action } from '../../src/agents/scripted/scenario.ts';
import { agentPid, eventually, exitRecord, isAlive } from '../support/processes.ts';
import { sharedTemporal } from '../support/temporal.ts';
import { createWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

const ONLY_DEVELOPMENT = {
  skipStages: ['analysis', 'architecture', 'review', 'testing', 'deploy-staging', 'deploy'],
};
/** Holds the sample project three times over, and is full in no time. */
const DISK = '48m';
const MIB = 1024 * 1024;

describe('the disk is full while a run ends', () => {
  let world: World;
  let scratch: string;
  /** Made by the test when the agent may end; not on the small disk. */
  let flag: string;
  afterEach(async () => {
    // Lazily: whatever still holds it open keeps it until it is ended by `close`.
    execFileSync('umount', ['-l', world.home]);
    await world.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** Starts an item whose agent leaves 2 MiB of work in its tree and then waits; returns once it does. */
  async function startItem(): Promise<{ id: string; runDir: string; pid: number }> {
    scratch = mkdtempSync(path.join(os.tmpdir(), 'stagewright-full-'));
    flag = path.join(scratch, 'end');
    const ready = path.join(scratch, 'ready');
    const work: Action[] = [
      { run: ['sh', '-c', 'head -c 2097152 /dev/urandom > "feature-$0.bin"', '{item}'] },
      { run: ['sh', '-c', 'mkdir "$1" 2>/dev/null; while ! test -e "$0"; do sleep 0.05; done', flag, ready] },
    ];
    world = await createWorld({
      address: sharedTemporal().address,
      project: ONLY_DEVELOPMENT,
      script: { developer: [{ do: work, result: 'developed' }] },
    });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', world.home]);
    await world.startWorker();
    const id = await world.submit('full disk');
    const runDir = await eventually('an agent', () => world.runDirs(id).find((dir) => agentPid(dir) !== null));
    await eventually('its work', () => existsSync(ready));
    return { id, runDir, pid: agentPid(runDir) ?? 0 };
  }

  it('too little for the work: nothing is lost, nothing is paid twice, and it goes on with space', async () => {
    const { id, runDir, pid } = await startItem();
    const free = fillDisk(world.home, 256 * 1024);
    mkdirSync(flag);
    await eventually('the exit record', () => existsSync(path.join(runDir, 'exit.json')));
    expect(exitRecord(runDir)).toMatchObject({ childPid: pid, exit: 0, cause: null });
    // Saving is tried again and again meanwhile, and no run is launched in its stead.
    await sleep(3_000);
    const waiting = await world.status(id);
    expect(waiting).toMatchObject({ stage: 'development', state: 'running' });
    expect(waiting.runs.map((run) => run.outcome)).toEqual(['succeeded']);
    free();
    const done = await world.until(id, 'done', (status) => status.stage === 'done', 90_000);
    expect(done.runs).toHaveLength(1);
    expect(world.runDirs(id)).toEqual([runDir]);
    expect(done).toMatchObject({ developerAttempts: 1, relaunches: 0, permanentTries: 0 });
    const kept = world.git(['ls-tree', '-r', '-l', done.head ?? ''], world.forge);
    expect(kept).toMatch(new RegExp(`2097152\\s+feature-${id}\\.bin`));
  });

  it('not a byte left: the exit record is written all the same, and the run is never launched again', async () => {
    const { id, runDir, pid } = await startItem();
    const free = fillDisk(world.home, 0);
    expect(isAlive(pid)).toBe(true);
    mkdirSync(flag);
    await eventually('the exit record', () => existsSync(path.join(runDir, 'exit.json')));
    const exit = exitRecord(runDir);
    expect(exit).toMatchObject({ childPid: pid, cause: null });
    expect(isAlive(pid)).toBe(false);
    await sleep(2_000);
    free();
    const done = await world.until(id, 'done', (status) => status.stage === 'done', 90_000);
    // One directory per run id, one launch in it: what ended is read, never repeated.
    expect(new Set(done.runs.map((run) => run.runId)).size).toBe(done.runs.length);
    expect(exitRecord(runDir)).toEqual(exit);
    expect(done).toMatchObject({ developerAttempts: 1, permanentTries: 0 });
    // An agent that could not say its last words is no failure of its own: its session goes on, once, and uses no try.
    expect(done.runs.at(-1)?.outcome).toBe('succeeded');
    expect(done.runs[0]).toMatchObject({ exit: exit.exit });
    expect(done.runs.length).toBeLessThanOrEqual(exit.exit === 0 ? 1 : 2);
  });
});

/** Fills the file system of `directory` but for `spareBytes`; the returned function frees it again. */
function fillDisk(directory: string, spareBytes: number): () => void {
  const file = path.join(directory, 'filler');
  const fd = openSync(file, 'w');
  let written = 0;
  for (let size = MIB; size >= 1; size = Math.floor(size / 4)) {
    try {
      for (;;) written += writeSync(fd, Buffer.alloc(size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  if (spareBytes > 0) ftruncateSync(fd, written - spareBytes);
  closeSync(fd);
  return () => rmSync(file);
}
