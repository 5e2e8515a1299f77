/**
 * Cancel as a saga: stop the agent with everything it started, keep its work, withdraw the merge, park branch and pull
 * request. Every step is repeated until it is done. What has landed has landed: then the item goes on in deploy.
 */
import { condition } from '@temporalio/workflow';
import { isAgentStage, nextStage } from '../../src/domain/stages.ts';
import { main } from '../proxies.ts';
import { comment } from './item.ts';
import type { Item } from './item.ts';
import { mergeInput } from './merge.ts';
import { stopRunInFlight } from './run.ts';
import { beginEntry } from './state.ts';
import { enterStage } from './transitions.ts';

export async function cancelItem(item: Item): Promise<void> {
  const { state } = item;
  if (state.run !== null && state.plan !== null) {
    await stopRunInFlight(item, state.run, state.plan, 'cancelled');
    state.run = null;
  }
  if (state.merge !== null && (await withdrawMerge(item))) {
    comment(item, 'cancelTooLate', 'commandRefused', { command: 'cancel', reason: 'it had landed on main already' });
    state.cancelled = null;
    if (isAgentStage(state.stage)) enterStage(item, nextStage(state.stage, state.skipStages));
    return;
  }
  beginEntry(state, 'cancelled', Date.now());
}

/** True where the merge had landed before the withdrawal came. */
async function withdrawMerge(item: Item): Promise<boolean> {
  const { state } = item;
  const input = mergeInput(item);
  do {
    if (state.mergeAnswer !== null) break;
    await main.withdrawMerge.executeWithOptions({ summary: 'withdraw the merge' }, [input]);
  } while (!(await condition(() => state.mergeAnswer !== null, 60_000, { summary: 'withdrawn or landed' })));
  const answer = state.mergeAnswer;
  state.merge = null;
  state.mergeAnswer = null;
  if (answer?.result !== 'landed') return false;
  state.merged = { base: answer.base, head: answer.head };
  return true;
}
