/** The item's letters to the merge queue of its repository. Keyed, so that a repeated one changes nothing. */
import { WorkflowNotFoundError } from '@temporalio/client';
import {
  MAIN_QUEUE,
  MERGE_QUEUE_WORKFLOW,
  SIGNAL_ENQUEUE,
  SIGNAL_MERGE_ANSWER,
  SIGNAL_WITHDRAW,
  mergeQueueId,
} from '../src/domain/protocol.ts';
import type { MergeAnswer, MergeQueueInput } from '../src/domain/protocol.ts';
import type { Deps } from './deps.ts';
import type { MergeInput } from './types.ts';

export async function requestMerge(deps: Deps, input: MergeInput): Promise<void> {
  await signalQueue(deps, input, SIGNAL_ENQUEUE, [input.request]);
}

export async function withdrawMerge(deps: Deps, input: MergeInput): Promise<void> {
  await signalQueue(deps, input, SIGNAL_WITHDRAW, [{ key: input.request.key, workflowId: input.request.workflowId }]);
}

async function signalQueue(deps: Deps, input: MergeInput, signal: string, signalArgs: unknown[]): Promise<void> {
  const queue: MergeQueueInput = { repositoryId: input.repositoryId, project: input.project, base: input.base };
  await deps.client.workflow.signalWithStart(MERGE_QUEUE_WORKFLOW, {
    workflowId: mergeQueueId(input.repositoryId, input.base),
    taskQueue: MAIN_QUEUE,
    args: [queue],
    signal,
    signalArgs,
    staticSummary: `merge queue of ${input.repositoryId} (${input.base})`,
  });
}

/** An answer that cannot be delivered is logged, not thrown: its item is closed, and the queue goes on. */
export async function answerItem(deps: Deps, input: { workflowId: string; answer: MergeAnswer }): Promise<void> {
  try {
    await deps.client.workflow.getHandle(input.workflowId).signal(SIGNAL_MERGE_ANSWER, input.answer);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    deps.log('a merge answer found its item closed', { workflowId: input.workflowId, result: input.answer.result });
  }
}
