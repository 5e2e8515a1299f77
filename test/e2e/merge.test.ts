import { afterEach, describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MergeQueueStatus } from '../../src/domain/protocol.ts';
import { mergeQueueId } from '../../src/domain/protocol.ts';
import { sharedTemporal } from '../support/temporal.ts';
import { createWorld } from '../support/world.ts';
import type { World, WorldOptions } from '../support/world.ts';

/** Straight from development to the merge gate. */
const SHORT = { skipStages: ['analysis', 'architecture', 'review', 'testing', 'deploy'] };

/** Green as long as not both halves are there: each item alone is green, the two together are red. */
const EXCLUSIVE = { 'check.sh': 'sleep 0.3; ! { test -e a.txt && test -e b.txt; }\n' };

describe('the merge queue', () => {
  let world: World;
  afterEach(() => world.close());

  async function open(options: Partial<WorldOptions> = {}): Promise<void> {
    world = await createWorld({
      address: sharedTemporal().address,
      limits: { concurrentRuns: 2, gateSlots: 2 },
      project: SHORT,
      ...options,
    });
  }

  it('two items together: one lands, the other is tested again on top of it', async () => {
    await open({ project: { ...SHORT, commands: { test: ['sh', '-c', 'sleep 0.5; sh check.sh'] } } });
    await world.startWorker();
    const ids = [await world.submit('one'), await world.submit('two')];
    const done = await Promise.all(
      ids.map((id) => world.until(id, 'done', (status) => status.stage === 'done', 90_000)),
    );
    const [first, second] = done.toSorted((a, b) => (a.merged?.head === b.merged?.base ? -1 : 1));
    expect(second?.merged?.base).toBe(first?.merged?.head);
    expect(world.git(['rev-parse', 'main'], world.forge)).toBe(second?.merged?.head);
    const queue = await queueStatus();
    expect(queue.counters).toMatchObject({ merges: 2, red: 0 });
    // Every value that main ever had is green by the very command of the gate.
    for (const commit of world.git(['rev-list', '--first-parent', 'main'], world.forge).split('\n')) {
      expect(world.git(['show', `${commit}:value.txt`], world.forge)).toBe('good');
    }
  });

  it('the second is red on top of the first: it goes back to development and main stays green', async () => {
    await open({
      files: EXCLUSIVE,
      items: {
        'T-1': {
          developer: [
            { write: { 'a.txt': 'a\n' }, result: 'a' },
            { delete: ['a.txt'], write: { 'd.txt': 'd\n' }, result: 'd' },
          ],
        },
        'T-2': {
          developer: [
            { write: { 'b.txt': 'b\n' }, result: 'b' },
            { delete: ['b.txt'], write: { 'c.txt': 'c\n' }, result: 'c' },
          ],
        },
      },
      script: {},
    });
    await world.startWorker();
    const one = await world.submit('first half');
    const two = await world.submit('second half');
    const first = await world.until(one, 'done', (status) => status.stage === 'done', 90_000);
    const second = await world.until(two, 'done', (status) => status.stage === 'done', 90_000);
    const loser = [first, second].find((status) => status.developerAttempts === 2);
    expect((await world.comments(loser?.itemId ?? '')).join('\n')).toContain('the re-test of the candidate failed');
    expect(first.developerAttempts + second.developerAttempts).toBe(3);
    for (const commit of world.git(['rev-list', '--first-parent', 'main'], world.forge).split('\n')) {
      const files = world.git(['ls-tree', '--name-only', commit], world.forge).split('\n');
      expect(files.includes('a.txt') && files.includes('b.txt')).toBe(false);
    }
  });

  it('a conflict goes back to development with the files', async () => {
    await open({
      items: {
        'T-1': { developer: [{ write: { 'value.txt': 'good one\n' }, result: 'x' }] },
        'T-2': {
          developer: [
            { write: { 'value.txt': 'good two\n' }, result: 'x' },
            { run: ['git', 'log', '-1'], result: 'x' },
          ],
        },
      },
    });
    await world.startWorker();
    const ids = [await world.submit('one'), await world.submit('two')];
    const statuses = await Promise.all(
      ids.map((id) =>
        world.until(id, 'an end', (status) => status.stage === 'done' || status.state === 'attention', 90_000),
      ),
    );
    expect(statuses.filter((status) => status.stage === 'done')).toHaveLength(1);
    const parked = statuses.find((status) => status.state === 'attention');
    expect(parked?.stage).toBe('development');
    expect(parked?.developerAttempts).toBe(3);
    expect(parked?.lastReason).toMatch(/conflicts with main in value\.txt/);
  });

  it('cancel in the middle of a re-test is clean: withdrawn, nothing landed, the queue goes on', async () => {
    await open({
      project: { ...SHORT, commands: { test: ['sh', 'check.sh'], retest: ['sh', '-c', 'sleep 5; sh check.sh'] } },
    });
    await world.startWorker();
    const main = world.git(['rev-parse', 'main']);
    const id = await world.submit('withdrawn');
    await world.until(id, 'merging', (status) => status.waiting?.kind === 'merge');
    await untilQueue((queue) => queue.current?.step === 're-test');
    await world.client.workflow.getHandle(id).signal('cancel', { reason: 'never mind' });
    expect(await world.client.workflow.getHandle(id).result()).toMatchObject({ stage: 'cancelled', merged: null });
    expect(world.git(['rev-parse', 'main'], world.forge)).toBe(main);
    const queue = await untilQueue((status) => status.current === null);
    expect(queue.counters.merges).toBe(0);
    const next = await world.submit('next');
    await world.until(next, 'done', (status) => status.stage === 'done', 60_000);
  });

  it('a re-test that cannot run is trouble of the moment: the item stays, no developer run, one alert', async () => {
    await open({
      limits: { concurrentRuns: 1, infraRetries: 2 },
      project: { ...SHORT, commands: { test: ['sh', 'check.sh'], retest: ['sh', '-c', 'kill -9 $$'] } },
    });
    await world.startWorker();
    const id = await world.submit('infra');
    const status = await world.until(id, 'attention', (found) => found.state === 'attention', 60_000);
    expect(status.stage).toBe('deploy-staging');
    expect(status.developerAttempts).toBe(1);
    expect(status.runs.filter((run) => run.role === 'developer')).toHaveLength(1);
    expect((await queueStatus()).counters.infraRetries).toBe(2);
    await world.until(id, 'said on the board', (found) => found.outbox === 0);
    const blocked = (await world.comments(id)).filter((body) => body.includes('⚠️'));
    expect(blocked).toHaveLength(1);
  });

  async function queueStatus(): Promise<MergeQueueStatus> {
    const [queue] = await collect(world.client.workflow.list({ query: "WorkflowType = 'mergeQueue'" }));
    return await world.client.workflow
      .getHandle(queue?.workflowId ?? mergeQueueId('T', 'main'))
      .query<MergeQueueStatus>('status');
  }

  async function untilQueue(predicate: (status: MergeQueueStatus) => boolean): Promise<MergeQueueStatus> {
    for (let n = 0; n < 400; n += 1) {
      const status = await queueStatus().catch(() => null);
      if (status !== null && predicate(status)) return status;
      await sleep(50);
    }
    throw new Error('the merge queue did not come to it');
  }
});

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of source) found.push(each);
  return found;
}
