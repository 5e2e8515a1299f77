/** `status [ITEM]` and `show ITEM`. */
import type { Command } from 'commander';
import { openLocalTracker } from '../../trackers/local/index.ts';
import { SnapshotTaker } from '../../server/snapshot.ts';
import type { Context } from '../context.ts';
import { BOT_NAME } from '../decide.ts';
import { normaliseItemId, requireStatus } from '../find-item.ts';
import { plain } from '../output.ts';
import { renderItem, renderList } from '../render-item.ts';

const CLOSED_SHOWN = 5;
const COMMENTS_SHOWN = 5;

export function addStatus(program: Command, context: Context): void {
  program
    .command('status')
    .description('what is being worked on, or where one item stands')
    .argument('[item]', 'id of an item')
    .action(async (item?: string) => {
      if (item === undefined) await showAll(context);
      else await showOne(context, item, false);
    });
}

export function addShow(program: Command, context: Context): void {
  program
    .command('show')
    .description('everything about one item: stages, runs, what it waits for, the last comments')
    .argument('<item>', 'id of an item')
    .action((item: string) => showOne(context, item, true));
}

async function showAll(context: Context): Promise<void> {
  const { client } = await context.openClient();
  const snapshot = await new SnapshotTaker(() => client).take();
  const closed = snapshot.closed.slice(0, CLOSED_SHOWN);
  const items = [...snapshot.open, ...closed].map(({ summary, answer }) =>
    answer.ok ? answer.value : { ...summary, state: 'unknown', error: answer.message },
  );
  context.output.result({ items, problems: snapshot.problems }, () => {
    const lines = renderList([...snapshot.open, ...closed], context.output.colors, Date.now());
    return lines.length > 0 ? lines : [`nothing yet: ${context.program} submit --repo PATH "title" starts an item`];
  });
}

async function showOne(context: Context, typed: string, whole: boolean): Promise<void> {
  const { client } = await context.openClient();
  const itemId = normaliseItemId(typed);
  const status = await requireStatus(client, itemId);
  const { home } = context.loadConfig({ check: false });
  const tracker = openLocalTracker({ home, botName: BOT_NAME });
  const comments = whole ? await tracker.listComments(itemId).catch(() => []) : [];
  context.output.result(whole ? { ...status, comments } : status, () => [
    ...renderItem(status, context.output.colors, Date.now()),
    ...(comments.length === 0 ? [] : ['', context.output.colors.dim('LAST COMMENTS')]),
    ...comments.slice(-COMMENTS_SHOWN).flatMap(({ by, createdAtMs, body }) => [
      context.output.colors.dim(`${new Date(createdAtMs).toISOString()} ${plain(by)}`),
      ...plain(body)
        .trim()
        .split('\n')
        .map((line) => `  ${line}`),
    ]),
  ]);
}
