import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Script } from '../../src/agents/scripted/scenario.ts';
import { agentPid, eventually, exitRecord, isAlive } from '../support/processes.ts';
import { sharedTemporal } from '../support/temporal.ts';
import { createWorld } from '../support/world.ts';
import type { World, WorkerProcess } from '../support/world.ts';

const ONLY_DEVELOPMENT = {
  skipStages: ['analysis', 'architecture', 'review', 'testing', 'deploy-staging', 'deploy'],
};
const GOOD = { write: { 'feature-{item}.txt': 'good\n' }, result: 'done' };

describe('a run that will not end by itself is ended whole, recorded, and tried again by the rules', () => {
  let world: World;
  let worker: WorkerProcess;

  beforeAll(async () => {
    world = await createWorld({
      address: sharedTemporal().address,
      project: ONLY_DEVELOPMENT,
      limits: { concurrentRuns: 4, outputLimit: 100 * 1024 * 1024, silence: '3s' },
      config: { roles: { developer: { budget: '2s' } } },
    });
    worker = await world.startWorker();
  });
  afterAll(() => world.close());

  async function play(developer: NonNullable<Script['developer']>): Promise<string> {
    return await world.submit('break it', { script: { developer } });
  }

  it('past its budget: a first try is ended and recorded as -9, the second is the last one', async () => {
    const id = await play([{ sleepMs: 60_000 }]);
    const status = await world.until(id, 'attention', (found) => found.state === 'attention');
    expect(status.runs.map((run) => [run.outcome, run.exit])).toEqual([
      ['budget', -9],
      ['budget', -9],
    ]);
    expect(status.waiting?.reason).toMatch(/2 tries are used up/);
    expect(status.developerAttempts).toBe(1);
    for (const runDir of world.runDirs(id)) {
      // The agent answered SIGINT with its last result: nothing stronger was sent, and the cost is known.
      expect(exitRecord(runDir)).toMatchObject({ cause: 'budget', signals: ['SIGINT'], realExit: 0 });
    }
    expect(status.runs[0]?.usage).not.toBeNull();
  });

  it('one that ignores SIGINT and SIGTERM is killed after the grace', async () => {
    const id = await play([{ ignoreSigint: true, ignoreSigterm: true, hang: true }]);
    await world.until(id, 'attention', (found) => found.state === 'attention');
    expect(exitRecord(world.runDirs(id)[0] ?? '')).toMatchObject({
      cause: 'budget',
      signals: ['SIGINT', 'SIGTERM', 'SIGKILL'],
      signal: 'SIGKILL',
    });
  });

  it('one that forks a grandchild into a session of its own leaves nothing behind', async () => {
    const pidFile = path.join(world.home, 'grandchild.pid');
    const id = await play([
      { do: [{ fork: { sleepMs: 600_000, setsid: true, ignoreSigterm: true, pidFile } }], sleepMs: 60_000 },
      GOOD,
    ]);
    const grandchild = Number(
      await eventually('a grandchild', () => existsSync(pidFile) && readFileSync(pidFile, 'utf8')),
    );
    expect(isAlive(grandchild)).toBe(true);
    await eventually('the grandchild is dead', () => !isAlive(grandchild), 20_000);
    await world.until(id, 'attention or done', (found) => found.state === 'attention' || found.stage === 'done');
    expect(exitRecord(world.runDirs(id)[0] ?? '').strays).toBeGreaterThan(0);
  });

  it('a silent one is stalled and stopped', async () => {
    const id = await play([{ hang: true, once: true }, GOOD]);
    const status = await world.until(id, 'done', (found) => found.stage === 'done');
    // The budget of two seconds comes before the silence of three: both are ends that the supervisor made.
    expect(status.runs.map((run) => run.outcome)).toEqual(['budget', 'succeeded']);
  });

  it('200 MB of output are stopped at the limit of 100 MB, with the worker flat', async () => {
    const before = rssMb(worker.pid);
    const id = await play([
      { do: [{ flood: { mb: 150 } }, { sleepMs: 20_000 }, { flood: { mb: 50 } }], result: 'flooded' },
    ]);
    let most = before;
    const watching = setInterval(() => {
      most = Math.max(most, rssMb(worker.pid));
    }, 50);
    const status = await world.until(id, 'attention', (found) => found.state === 'attention', 90_000);
    clearInterval(watching);
    expect(status.runs[0]?.outcome).toBe('output');
    expect(exitRecord(world.runDirs(id)[0] ?? '').cause).toBe('output');
    expect(most - before).toBeLessThan(250);
  });

  it('an endless line passes below the limit, with the worker flat', async () => {
    const before = rssMb(worker.pid);
    const id = await play([{ flood: { mb: 80, endlessLine: true }, ...GOOD }]);
    let most = before;
    const watching = setInterval(() => {
      most = Math.max(most, rssMb(worker.pid));
    }, 50);
    const status = await world.until(
      id,
      'an end',
      (found) => found.stage === 'done' || found.state === 'attention',
      90_000,
    );
    clearInterval(watching);
    expect(status.runs[0]?.outcome).toBe('succeeded');
    expect(statSync(path.join(world.runDirs(id)[0] ?? '', 'events.jsonl')).size).toBeGreaterThan(80 * 1024 * 1024);
    expect(most - before).toBeLessThan(250);
  });

  it('success is never taken on faith: no result, empty result and empty log are failures', async () => {
    for (const end of ['no-result', 'empty', 'empty-log', 'error'] as const) {
      const id = await play([{ ...GOOD, end }]);
      const status = await world.until(id, 'attention', (found) => found.state === 'attention');
      expect(status.runs.map((run) => run.outcome)).toEqual(['failed', 'failed']);
      expect(agentPid(world.runDirs(id)[0] ?? '')).not.toBeNull();
    }
  });

  it('a transient failure is waited for and does not use the tries', async () => {
    const busy = {
      apiError: { text: 'API Error: Repeated 529 Overloaded errors.', status: 529, type: 'overloaded_error' },
    };
    const id = await play([busy, busy, GOOD].map((step) => ({ ...step, once: true })));
    const status = await world.until(id, 'done', (found) => found.stage === 'done');
    expect(status.runs.map((run) => run.outcome)).toEqual(['failed', 'failed', 'succeeded']);
  });
});

function rssMb(pid: number): number {
  const status = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '';
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}
