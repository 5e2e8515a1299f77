/** The status of one item, or an error that says what to do instead. */
import type { WorkItemStatus } from '../domain/protocol.ts';
import { StagewrightError } from '../errors.ts';
import { findNearest } from '../config/suggest.ts';
import { listItems, queryItem } from '../server/items.ts';
import type { ItemClient, NoAnswer } from '../server/items.ts';

/** `et-12` is ET-12; anything else stays as it was typed. */
export function normaliseItemId(typed: string): string {
  return /^[a-z][a-z0-9_]*-\d+$/i.test(typed) ? typed.toUpperCase() : typed;
}

/** Throws `item_unknown` (with the nearest id), `no_worker`, `temporal_unreachable` or `query_failed`. */
export async function requireStatus(client: ItemClient, itemId: string): Promise<WorkItemStatus> {
  const answer = await queryItem(client, itemId);
  if (answer.ok) return answer.value;
  throw await explainNoStatus(client, itemId, answer.why, answer.message);
}

async function explainNoStatus(
  client: ItemClient,
  itemId: string,
  why: NoAnswer,
  message: string,
): Promise<StagewrightError> {
  switch (why) {
    case 'not-found':
      return await unknownItem(client, itemId);
    case 'no-worker':
      return new StagewrightError('no_worker', `no worker answers for ${itemId}`, {
        exit: 'unreachable',
        mend: 'start one: stagewright worker (or stagewright start)',
      });
    case 'unreachable':
      return new StagewrightError('temporal_unreachable', message, {
        exit: 'unreachable',
        mend: 'stagewright doctor says what is wrong',
      });
    default:
      return new StagewrightError('query_failed', `${itemId}: ${message}`);
  }
}

/** With the nearest id there is, if any is near. */
export async function unknownItem(client: ItemClient, itemId: string): Promise<StagewrightError> {
  const known = await listItems(client, { which: 'all', limit: 500 }).catch(() => []);
  const ids = [...new Set(known.map((item) => item.itemId))];
  const nearest = findNearest(itemId, ids);
  return new StagewrightError('item_unknown', `there is no work item ${itemId}`, {
    exit: 'notFound',
    mend: nearest === null ? 'stagewright status lists them' : `did you mean ${nearest}?`,
  });
}
