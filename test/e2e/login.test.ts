import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LaunchGateStatus } from '../../src/domain/protocol.ts';
import { sharedTemporal } from '../support/temporal.ts';
import { createWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

const ONLY_DEVELOPMENT = {
  skipStages: ['analysis', 'architecture', 'review', 'testing', 'deploy-staging', 'deploy'],
};
const LOGGED_OUT = {
  once: true,
  apiError: {
    text: 'Failed to authenticate. API Error: 401 OAuth token has expired.',
    status: 401,
    type: 'authentication_error',
    assistantError: 'authentication_failed',
  },
};
const GOOD = { write: { 'feature-{item}.txt': 'good\n' }, result: 'done' };

describe('an agent that is logged out', () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld({ address: sharedTemporal().address, project: ONLY_DEVELOPMENT });
    await world.startWorker();
  });
  afterAll(() => world.close());

  it('holds every launch of its login, says so, spends no tries, and goes on when a person says retry', async () => {
    const id = await world.submit('logged out', { script: { developer: [LOGGED_OUT, GOOD] } });
    const held = await world.until(
      id,
      'held',
      (status) => status.waiting?.kind === 'slot' && /login|logged/i.test(status.waiting.reason),
    );
    expect(held.state).toBe('queued');
    expect(held.permanentTries).toBe(0);
    expect(held.runs[0]).toMatchObject({ outcome: 'failed' });
    const other = await world.submit('behind it', { script: { developer: [GOOD] } });
    await sleep(3_000);
    expect(world.runDirs(id)).toHaveLength(1);
    expect(world.runDirs(other)).toHaveLength(0);
    const gate = await world.client.workflow.getHandle('launch-gate:scripted').query<LaunchGateStatus>('status');
    expect(gate.state).toBe('held');
    expect((await world.decide(id, 'retry', {})).result).toBe('applied');
    const done = await world.until(id, 'done', (status) => status.stage === 'done');
    expect(done.runs.filter((run) => run.outcome === 'failed')).toHaveLength(1);
    expect(done.developerAttempts).toBe(1);
    await world.until(other, 'done', (status) => status.stage === 'done');
  });
});
