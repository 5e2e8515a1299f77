/** `queue`: what waits, what runs, and the merge queues; `hold`, `release` and `move` an item in its merge queue. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { MERGE_QUEUE_WORKFLOW } from '../../domain/protocol.ts';
import type { MergeQueueStatus } from '../../domain/protocol.ts';
import { findNearest } from '../../config/suggest.ts';
import { StagewrightError } from '../../errors.ts';
import { listWorkflows, queryWorkflow } from '../../server/items.ts';
import type { ItemClient } from '../../server/items.ts';
import { SnapshotTaker } from '../../server/snapshot.ts';
import type { Snapshot } from '../../server/snapshot.ts';
import { renderQueue } from '../../server/views.ts';
import type { Context } from '../context.ts';
import { normaliseItemId } from '../find-item.ts';
import { oneLine } from '../output.ts';
import { alignRows } from '../render-item.ts';

export function addQueue(program: Command, context: Context): void {
  const queue = program
    .command('queue')
    .description('what waits for a slot, a person or its merge')
    .usage('[options] [show | hold | release | move]')
    // An unknown word would else be called one argument too many.
    .allowExcessArguments(true)
    .action(async (_options: object, self: Command) => {
      if (self.args[0] !== undefined) throw unknownVerb(self.args[0]);
      await show(context);
    });
  queue
    .command('show')
    .description('show it (default)')
    .action(() => show(context));
  queue
    .command('hold')
    .description('keep an item waiting in its merge queue')
    .argument('<item>', 'id of an item')
    .action((item: string) => change(context, item, 'hold', (key) => ['hold', { key, held: true }]));
  queue
    .command('release')
    .description('let a held item go on')
    .argument('<item>', 'id of an item')
    .action((item: string) => change(context, item, 'release', (key) => ['hold', { key, held: false }]));
  queue
    .command('move')
    .description('put an item at a place in its merge queue')
    .argument('<item>', 'id of an item')
    .argument('<place>', '1 is next')
    .action((item: string, place: string) => {
      const to = Number(place);
      if (!Number.isSafeInteger(to) || to < 1) {
        throw new StagewrightError('usage', `${place} is no place in a queue`, {
          exit: 'usage',
          mend: 'give 1 for next, 2 for the one after',
        });
      }
      return change(context, item, `move to ${to}`, (key) => ['move', { key, to: to - 1 }]);
    });
}

function unknownVerb(word: string): StagewrightError {
  const verbs = ['show', 'hold', 'release', 'move'];
  const nearest = findNearest(word, verbs);
  return new StagewrightError('usage', `unknown command 'queue ${word}'`, {
    exit: 'usage',
    mend: nearest === null ? `queue knows: ${verbs.join(', ')}` : `did you mean queue ${nearest}?`,
  });
}

async function show(context: Context): Promise<void> {
  const { client } = await context.openClient();
  const snapshot = await new SnapshotTaker(() => client).take();
  const config = context.loadConfig({ check: false });
  context.output.result(renderQueue(snapshot, config, [], Date.now()), () => renderText(snapshot, context));
}

function renderText(snapshot: Snapshot, { output }: Context): string[] {
  const { colors } = output;
  const waiting = snapshot.open.flatMap(({ answer }) =>
    answer.ok && answer.value.state !== 'running' ? [answer.value] : [],
  );
  const running = snapshot.open.flatMap(({ answer }) =>
    answer.ok && answer.value.state === 'running' ? [answer.value] : [],
  );
  const lines = alignRows([
    ...running.map((status) => ['running', status.itemId, status.stage, oneLine(status.title, 60)]),
    ...waiting.map((status) => [
      status.state,
      status.itemId,
      status.stage,
      oneLine(status.waiting?.reason ?? status.lastReason ?? '', 80),
    ]),
  ]);
  for (const gate of snapshot.gates) {
    if (gate.state !== 'open')
      lines.push(colors.yellow(`launches of ${gate.login} are held (${gate.state}): ${gate.reason ?? ''}`));
  }
  for (const queue of snapshot.mergeQueues) {
    if (queue.current === null && queue.queue.length === 0) continue;
    lines.push('', colors.dim(`merge queue ${queue.repositoryId} ${queue.base}`));
    if (queue.current !== null) lines.push(`  now  ${queue.current.itemId}  ${queue.current.step}`);
    for (const [index, entry] of queue.queue.entries()) {
      lines.push(
        `  ${String(index + 1).padEnd(3)}  ${entry.itemId}  ${oneLine(entry.title, 60)}${entry.held ? '  (held)' : ''}`,
      );
    }
  }
  for (const problem of snapshot.problems) lines.push(colors.yellow(`! ${problem}`));
  return lines.length === 0 ? ['nothing waits'] : lines;
}

interface Place {
  workflowId: string;
  key: string;
}

/** How long to look for the effect of a signal. */
const PATIENCE_MS = 3_000;

async function change(
  context: Context,
  typed: string,
  what: string,
  message: (key: string) => [signal: string, argument: object],
): Promise<void> {
  const { client } = await context.openClient();
  const itemId = normaliseItemId(typed);
  const place = await findPlace(client, itemId);
  const before = await readQueue(client, place.workflowId);
  const [signal, argument] = message(place.key);
  await client.workflow.getHandle(place.workflowId).signal(signal, argument);
  const untilMs = performance.now() + PATIENCE_MS;
  let after = await readQueue(client, place.workflowId);
  while (JSON.stringify(after?.queue) === JSON.stringify(before?.queue) && performance.now() < untilMs) {
    await sleep(200);
    after = await readQueue(client, place.workflowId);
  }
  const applied = JSON.stringify(after?.queue) !== JSON.stringify(before?.queue);
  const order = after?.queue.map((entry) => `${entry.itemId}${entry.held ? ' (held)' : ''}`) ?? [];
  context.output.result({ itemId, result: applied ? 'applied' : 'unchanged', order }, () => [
    `${what}: ${applied ? 'done' : 'the queue is as it was'}${order.length === 0 ? '' : `; now waiting: ${order.join(', ')}`}`,
  ]);
}

async function readQueue(client: ItemClient, workflowId: string): Promise<MergeQueueStatus | null> {
  const answer = await queryWorkflow<MergeQueueStatus>(client, workflowId);
  return answer.ok ? answer.value : null;
}

/** Throws `not_queued` where the item waits in no merge queue. */
async function findPlace(client: ItemClient, itemId: string): Promise<Place> {
  const query = `WorkflowType='${MERGE_QUEUE_WORKFLOW}' AND ExecutionStatus='Running'`;
  for (const workflow of await listWorkflows(client, query, { limit: 50 })) {
    const queue = await readQueue(client, workflow.itemId);
    const entry = queue?.queue.find((candidate) => candidate.itemId === itemId);
    if (entry !== undefined) return { workflowId: workflow.itemId, key: entry.key };
    if (queue?.current?.itemId === itemId) {
      throw new StagewrightError('merging', `${itemId} is being merged right now (${queue.current.step})`, {
        exit: 'refused',
      });
    }
  }
  throw new StagewrightError('not_queued', `${itemId} waits in no merge queue`, {
    exit: 'notFound',
    mend: `stagewright queue shows them; to keep the item itself waiting: stagewright pause ${itemId}`,
  });
}
