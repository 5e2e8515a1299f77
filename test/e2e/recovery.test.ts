import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentPid, eventually, exitRecord, isAlive, livingAgents, supervisorPid } from '../support/processes.ts';
import { sharedTemporal } from '../support/temporal.ts';
import { createWorld } from '../support/world.ts';
import type { World, WorldOptions } from '../support/world.ts';

/** Development alone: what these tests break is the run, whatever the stage. */
const ONLY_DEVELOPMENT = {
  skipStages: ['analysis', 'architecture', 'review', 'testing', 'deploy-staging', 'deploy'],
};
const RUN_MS = 6_000;
const slowDeveloper = {
  developer: [{ sleepMs: RUN_MS, write: { 'feature-{item}.txt': 'work of {session}\n' }, result: 'done' }],
};

describe('a run outlives what started it', () => {
  let world: World;
  afterEach(() => world.close());

  async function open(options: Partial<WorldOptions> = {}): Promise<void> {
    world = await createWorld({
      address: sharedTemporal().address,
      script: slowDeveloper,
      project: ONLY_DEVELOPMENT,
      ...options,
    });
  }

  async function runOf(id: string): Promise<string> {
    return await eventually('an agent at work', () => world.runDirs(id).find((runDir) => agentPid(runDir) !== null));
  }

  it('SIGKILL of the worker, five items waiting: the same agent goes on, is attached to first, and is paid once', async () => {
    await open();
    const worker = await world.startWorker();
    const ids: string[] = [];
    for (let n = 0; n < 6; n += 1) ids.push(await world.submit(`item ${n}`));
    const first = await eventually('a first agent', () =>
      ids.find((id) => world.runDirs(id).some((runDir) => agentPid(runDir) !== null)),
    );
    const runDir = await runOf(first);
    const pid = agentPid(runDir);
    let most = 0;
    const counting = setInterval(() => {
      most = Math.max(most, livingAgents(world.home).length);
    }, 20);
    await worker.kill('SIGKILL');
    expect(isAlive(pid ?? 0)).toBe(true);
    await world.startWorker();
    const status = await world.until(first, 'done', (found) => found.stage === 'done');
    expect(status.runs).toHaveLength(1);
    expect(status.runs[0]).toMatchObject({ outcome: 'succeeded', exit: 0 });
    expect(status.relaunches).toBe(0);
    expect(status.stages.find((stage) => stage.stage === 'development')?.entries).toBe(1);
    expect(exitRecord(runDir)).toMatchObject({ childPid: pid, cause: null, signals: [] });
    expect(world.runDirs(first)).toHaveLength(1);
    // Attached to that run first: nobody else had started before it ended.
    const others = ids.filter((id) => id !== first).flatMap((id) => world.runDirs(id));
    for (const other of others) expect(startOf(other)).toBeGreaterThanOrEqual(exitRecord(runDir).endedAtMs);
    world.setScript({ developer: [{ write: { 'feature-{item}.txt': 'quick\n' }, result: 'done' }] });
    for (const id of ids) await world.until(id, 'done', (found) => found.stage === 'done', 90_000);
    clearInterval(counting);
    expect(most).toBe(1);
  });

  it('SIGKILL of worker and supervisor: the old agent tree is dead, the session is resumed, the developer count is the same', async () => {
    await open();
    const worker = await world.startWorker();
    const id = await world.submit('lost run');
    const runDir = await runOf(id);
    await sleep(500);
    const pid = agentPid(runDir) ?? 0;
    await worker.kill('SIGKILL');
    process.kill(supervisorPid(runDir) ?? 0, 'SIGKILL');
    expect(isAlive(pid)).toBe(true);
    await world.startWorker();
    await eventually('the old agent is dead', () => !isAlive(pid));
    const status = await world.until(id, 'done', (found) => found.stage === 'done');
    expect(status.developerAttempts).toBe(1);
    expect(status.runs.map((run) => run.outcome)).toEqual(['lost', 'succeeded']);
    const [, resumed] = world.runDirs(id);
    expect(launchOf(resumed ?? '').argv).toContain('--resume');
    expect(launchOf(resumed ?? '').sessionId).toBe(launchOf(runDir).sessionId);
  });

  it('no worker for longer than the lease: the supervisor ends the agent by itself', async () => {
    await open({ limits: { lease: '2s' } });
    const worker = await world.startWorker();
    const id = await world.submit('left alone');
    const runDir = await runOf(id);
    const pid = agentPid(runDir) ?? 0;
    await worker.kill('SIGKILL');
    await eventually('the agent is ended', () => !isAlive(pid), 20_000);
    await eventually('the exit record', () => exitRecordOrNull(runDir));
    expect(exitRecord(runDir)).toMatchObject({ cause: 'lease', exit: -9 });
    world.setScript({ developer: [{ write: { 'feature-{item}.txt': 'again\n' }, result: 'done' }] });
    await world.startWorker();
    const status = await world.until(id, 'done', (found) => found.stage === 'done');
    // `lost` where the worker came so late that the workflow had given the host up meanwhile.
    expect(status.runs.map((run) => run.outcome)).toEqual([expect.stringMatching(/lease|lost/), 'succeeded']);
    expect(status.developerAttempts).toBe(1);
  });

  it('a second worker beside a living first disturbs nothing', async () => {
    await open();
    await world.startWorker();
    const id = await world.submit('two workers');
    const runDir = await runOf(id);
    const pid = agentPid(runDir);
    await world.startWorker();
    await sleep(1_000);
    for (const living of livingAgents(world.home)) expect(living).toBe(pid);
    const status = await world.until(id, 'done', (found) => found.stage === 'done');
    expect(status.runs).toHaveLength(1);
    expect(exitRecord(runDir)).toMatchObject({ childPid: pid, cause: null });
  });

  it('a worker that sleeps past the heartbeat timeout and wakes does not end the agent', async () => {
    await open();
    const worker = await world.startWorker();
    const id = await world.submit('sleeping laptop');
    const runDir = await runOf(id);
    const pid = agentPid(runDir) ?? 0;
    process.kill(worker.pid, 'SIGSTOP');
    await sleep(8_000);
    process.kill(worker.pid, 'SIGCONT');
    const status = await world.until(id, 'done', (found) => found.stage === 'done');
    expect(status.runs.map((run) => run.outcome)).toEqual(['succeeded']);
    expect(exitRecord(runDir)).toMatchObject({ childPid: pid, cause: null, signals: [] });
  });

  it('cancel while no worker is up: the agent is stopped when one comes, the item ends cancelled and is never relaunched', async () => {
    await open();
    const worker = await world.startWorker();
    const id = await world.submit('not wanted');
    const runDir = await runOf(id);
    const pid = agentPid(runDir) ?? 0;
    await worker.kill('SIGKILL');
    await world.client.workflow.getHandle(id).signal('cancel', { reason: 'not wanted', id: 'c1' });
    expect(isAlive(pid)).toBe(true);
    await world.startWorker();
    const result: unknown = await world.client.workflow.getHandle(id).result();
    expect(result).toMatchObject({ stage: 'cancelled', merged: null });
    expect(isAlive(pid)).toBe(false);
    expect(world.runDirs(id)).toHaveLength(1);
    expect(exitRecord(runDir)).toMatchObject({ cause: 'stop', exit: -9 });
    expect(await world.boardState(id)).toBe('cancelled');
  });
});

interface Launch {
  argv: string[];
  sessionId: string;
}

function launchOf(runDir: string): Launch {
  return JSON.parse(readFileSync(path.join(runDir, 'launch.json'), 'utf8')) as Launch;
}

function startOf(runDir: string): number {
  return (JSON.parse(readFileSync(path.join(runDir, 'supervisor.json'), 'utf8')) as { startedAtMs: number })
    .startedAtMs;
}

function exitRecordOrNull(runDir: string): object | null {
  return existsSync(path.join(runDir, 'exit.json')) ? exitRecord(runDir) : null;
}
