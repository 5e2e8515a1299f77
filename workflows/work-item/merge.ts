/** The merge as the item sees it: a keyed request to the queue of its repository, and one answer. */
import { workflowInfo } from '@temporalio/workflow';
import type { MergeAnswer, MergeRequest } from '../../src/domain/protocol.ts';
import type { MergeInput } from '../../activities/types.ts';
import { main } from '../proxies.ts';
import { park, returnToDevelopment } from './attention.ts';
import { comment, setWaiting, waitFor } from './item.ts';
import type { Item } from './item.ts';
import { advance } from './transitions.ts';

/** The merge queue's own request, repeated every ten minutes; the queue answers a known key again. */
export async function mergePhase(item: Item): Promise<void> {
  const { state } = item;
  if (state.branch === null || state.head === null || state.repositoryId === null || state.baseBranch === null) {
    park(item, 'merge', 'there is no branch to merge');
    return;
  }
  state.pullRequest ??= await main.ensurePullRequest.executeWithOptions({ summary: 'pull request' }, [
    { ...item.ref, branch: state.branch, title: item.input.title },
  ]);
  if (state.merge === null) {
    state.mergeRounds += 1;
    state.mergeAnswer = null;
    state.merge = {
      key: [item.input.itemId, workflowInfo().firstExecutionRunId, 'merge', state.mergeRounds].join(':'),
    };
  }
  const input = mergeInput(item);
  setWaiting(item, { kind: 'merge', reason: 'in the merge queue' });
  do {
    await main.requestMerge.executeWithOptions({ summary: 'merge request' }, [input]);
  } while (
    !(await waitFor(item, () => state.mergeAnswer !== null, { ms: 600_000, summary: 'repeat the merge request' }))
  );
  setWaiting(item, null);
  const answer = state.mergeAnswer;
  state.merge = null;
  state.mergeAnswer = null;
  if (answer !== null) settleMerge(item, answer);
}

export function mergeInput(item: Item): MergeInput {
  const { state } = item;
  const request: MergeRequest = {
    key: state.merge?.key ?? '',
    itemId: item.input.itemId,
    workflowId: workflowInfo().workflowId,
    project: item.input.project,
    title: item.input.title,
    branch: state.branch ?? '',
    head: state.head ?? '',
    pullRequest: state.pullRequest?.id ?? null,
    priority: 3,
    validated: state.validated,
  };
  return { ...item.ref, request, repositoryId: state.repositoryId ?? '', base: state.baseBranch ?? '' };
}

/** What the merge queue said. Only red and conflict are the code's fault. */
export function settleMerge(item: Item, answer: MergeAnswer): void {
  const { state } = item;
  if (answer.result === 'landed') {
    state.merged = { base: answer.base, head: answer.head, retested: answer.retested };
    comment(item, 'landed', 'landed', { base: answer.base, head: answer.head, retested: answer.retested });
    advance(item);
    return;
  }
  comment(item, `merge:${state.mergeRounds}`, 'mergeRefused', { result: answer.result, reason: answer.reason });
  switch (answer.result) {
    case 'red':
    case 'conflict':
    case 'markers':
      state.reasons = [
        { kind: 'merge', text: [answer.reason, answer.tail ?? ''].filter((part) => part !== '').join('\n\n') },
      ];
      returnToDevelopment(item, answer.reason);
      return;
    case 'infrastructure':
    case 'refused':
    case 'empty':
    case 'withdrawn':
      park(item, 'merge', answer.reason);
      return;
    default:
      answer satisfies never;
  }
}
