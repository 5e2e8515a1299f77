/** What a happy item leaves in Temporal: events, bytes, and the actions that a hosted server would bill. */
import { launchGateId, mergeQueueId } from '../src/domain/protocol.ts';
import { untilDone, withWorld } from './bench-world.ts';
import { readActivities, readHistory } from './histories.ts';
import { sum } from './report.ts';
import type { Bench } from './report.ts';

const ITEMS = 3;
const LIMIT_MS = 120_000;

export const history: Bench = {
  name: 'history',
  summary: 'events, bytes and billable actions of a happy item',
  async run(say) {
    const options = { project: { commands: { test: ['true'] } } };
    return await withWorld(options, async ({ world }) => {
      await world.startWorker();
      const ids: string[] = [];
      for (let n = 0; n < ITEMS; n += 1) {
        say(`item ${n + 1} of ${ITEMS}`);
        const id = await world.submit(`item ${n}`);
        ids.push(id);
        await untilDone(world, [id], LIMIT_MS);
      }
      const items = await Promise.all(ids.map((id) => readHistory(world.client, id)));
      const last = items.at(-1);
      if (last === undefined) throw new Error('no item');
      const { repositoryId, base } = readMergeInput(last.history);
      const shared = await Promise.all(
        [launchGateId('scripted'), mergeQueueId(repositoryId, base)].map((id) => readHistory(world.client, id)),
      );
      const { cost } = last;
      const actions = Object.entries(cost.actions);
      const types = new Map<string, number>();
      for (const { type } of readActivities(last.history)) types.set(type, (types.get(type) ?? 0) + 1);
      const besides = sum(shared.flatMap((execution) => Object.values(execution.cost.actions))) / ITEMS;
      return {
        figures: [
          { what: 'events', value: cost.events, unit: '' },
          { what: 'bytes (protobuf)', value: cost.bytes, unit: 'bytes' },
          { what: 'bytes (JSON, indented)', value: cost.jsonBytes, unit: 'bytes' },
          { what: 'workflow tasks', value: cost.workflowTasks, unit: '' },
          { what: 'actions', value: sum(Object.values(cost.actions)), unit: '' },
          ...actions.map(([kind, count]) => ({ what: `  ${kind}`, value: count, unit: '' as const })),
          { what: 'actions of launch gate and merge queue, its share', value: besides, unit: '' },
          { what: 'runs', value: world.runDirs(ids.at(-1) ?? '').length, unit: '' },
        ],
        notes: [
          `the last of ${ITEMS} items, one approval, no return; events of the others: ${items.map((item) => item.cost.events).join(', ')}`,
          `activities: ${[...types].map(([type, count]) => `${type} ${count}`).join(', ')}`,
          'not in it: heartbeats (one a second for as long as an agent or a command is at work) and queries',
        ],
      };
    });
  },
};

/** Repository and base branch as the item itself named them to its merge queue. */
function readMergeInput(of: Awaited<ReturnType<typeof readHistory>>['history']): {
  repositoryId: string;
  base: string;
} {
  for (const event of of.events ?? []) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled?.activityType?.name !== 'requestMerge') continue;
    return JSON.parse(Buffer.from(scheduled.input?.payloads?.[0]?.data ?? []).toString('utf8')) as {
      repositoryId: string;
      base: string;
    };
  }
  throw new Error('the item was never merged');
}
