import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { DevServer } from '../../src/temporal/dev-server.ts';
import { agentPid, eventually, exitRecord, isAlive } from '../support/processes.ts';
import { startOwnServer } from '../support/temporal.ts';
import { createWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

const ONLY_DEVELOPMENT = {
  skipStages: ['analysis', 'architecture', 'review', 'testing', 'deploy-staging', 'deploy'],
};

describe('the Temporal server goes away', () => {
  let world: World;
  let server: DevServer;
  let directory: string;
  afterEach(async () => {
    await world.close();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function open(runMs: number): Promise<void> {
    directory = mkdtempSync(path.join(os.tmpdir(), 'stagewright-outage-'));
    server = await startOwnServer(directory);
    world = await createWorld({
      address: server.address,
      namespace: 'default',
      project: ONLY_DEVELOPMENT,
      limits: { lease: '5m' },
      script: { developer: [{ sleepMs: runMs, write: { 'feature-{item}.txt': 'work\n' }, result: 'done' }] },
    });
  }

  it.each([
    ['quickly', 500, 5_000],
    ['after a minute', 60_000, 20_000],
  ])(
    'SIGKILL, and started again on its file %s: the same item goes on, the agent is not disturbed',
    async (_name, awayMs, runMs) => {
      await open(runMs);
      await world.startWorker();
      const id = await world.submit('outage');
      const runDir = await eventually('an agent', () => world.runDirs(id).find((dir) => agentPid(dir) !== null));
      const pid = agentPid(runDir) ?? 0;
      const port = Number(server.address.split(':')[1]);
      server.kill();
      await server.exited;
      await sleep(awayMs);
      expect(isAlive(pid) || exitRecord(runDir).cause === null).toBe(true);
      server = await startOwnServer(directory, { port });
      const status = await world.until(id, 'done', (found) => found.stage === 'done', 90_000);
      expect(status.runs.map((run) => run.outcome)).toEqual(['succeeded']);
      expect(status.stages.find((stage) => stage.stage === 'development')?.entries).toBe(1);
      expect(exitRecord(runDir)).toMatchObject({ childPid: pid, cause: null, signals: [] });
    },
    200_000,
  );

  it('server and worker asleep together for longer than the heartbeat timeout: the agent is not ended', async () => {
    await open(12_000);
    const worker = await world.startWorker();
    const id = await world.submit('laptop');
    const runDir = await eventually('an agent', () => world.runDirs(id).find((dir) => agentPid(dir) !== null));
    process.kill(server.pid, 'SIGSTOP');
    process.kill(worker.pid, 'SIGSTOP');
    await sleep(8_000);
    process.kill(server.pid, 'SIGCONT');
    process.kill(worker.pid, 'SIGCONT');
    const status = await world.until(id, 'done', (found) => found.stage === 'done', 90_000);
    expect(status.runs.map((run) => run.outcome)).toEqual(['succeeded']);
    expect(exitRecord(runDir)).toMatchObject({ cause: null, signals: [] });
  });
});
