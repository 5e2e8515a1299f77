/**
 * One work item, from the board to a deployed merge: messages, state, handlers, and a loop that reads like the table of
 * stages. Nothing that happens in a stage ever ends or fails this workflow: where no way leads on, it parks and waits
 * for a person. It is the only writer of its stage.
 */
import {
  ActivityFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  isCancellation,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import {
  CONTROL_COMMANDS,
  DECISION_COMMANDS,
  QUERY_STATUS,
  SIGNAL_CLAIM,
  SIGNAL_EVENT,
  SIGNAL_MERGE_ANSWER,
} from '../src/domain/protocol.ts';
import type {
  ClaimWaits,
  ControlInput,
  DecisionInput,
  DecisionResult,
  ItemEvent,
  MergeAnswer,
  WorkItemInput,
  WorkItemStatus,
} from '../src/domain/protocol.ts';
import { isTerminal } from '../src/domain/stages.ts';
import { main } from './proxies.ts';
import { park, attentionPhase } from './work-item/attention.ts';
import { cancelItem } from './work-item/cancel.ts';
import { handleDecision, refuseAllDecisions, validateDecision, watchControls } from './work-item/decisions.ts';
import { alertPeople, comment, moveOnBoard, pumpOutbox, setWaiting, showStage } from './work-item/item.ts';
import type { Item } from './work-item/item.ts';
import { answerPhase } from './work-item/answer.ts';
import { approvalPhase } from './work-item/approval.ts';
import { gatePhase } from './work-item/gate.ts';
import { mergePhase } from './work-item/merge.ts';
import { enterPhase, openPhase, runPhase } from './work-item/phases.ts';
import { alreadyHandled, initialState, totalUsage, viewStatus } from './work-item/state.ts';
import type { State } from './work-item/state.ts';

const statusQuery = defineQuery<WorkItemStatus>(QUERY_STATUS);
const eventSignal = defineSignal<[ItemEvent]>(SIGNAL_EVENT);
const claimSignal = defineSignal<[ClaimWaits]>(SIGNAL_CLAIM);
const mergeAnswerSignal = defineSignal<[MergeAnswer]>(SIGNAL_MERGE_ANSWER);

export interface WorkItemResult {
  stage: 'done' | 'cancelled';
  merged: { base: string; head: string } | null;
  /** File with everything that retention would take away. */
  evidence: string;
}

export async function workItem(input: WorkItemInput): Promise<WorkItemResult> {
  const item: Item = {
    input,
    ref: { itemId: input.itemId, project: input.project },
    state: (input.carried as State | undefined) ?? initialState(Date.now()),
    decisions: [],
    runScope: null,
    delivering: false,
    closed: false,
    continuing: false,
  };
  // The work may be cancelled; the books are kept to the end.
  let work = new CancellationScope();
  receiveMessages(item);
  const books = CancellationScope.nonCancellable(() =>
    Promise.all([pumpOutbox(item), watchControls(item, () => work.cancel())]),
  );
  books.catch(() => undefined);
  if (input.carried === undefined) upsertMemo({ title: input.title, project: input.project });
  showStage(item);

  while (!isTerminal(item.state.stage)) {
    try {
      await work.run(() => runStages(item));
    } catch (error) {
      if (!isCancellation(error) && item.state.cancelled === null) throw error;
      item.state.cancelled ??= { by: 'operator (unverified)', reason: 'cancelled through Temporal' };
      await CancellationScope.nonCancellable(() => cancelItem(item));
      work = new CancellationScope();
    }
  }
  return await CancellationScope.nonCancellable(() => closeBooks(item, books));
}

/** The story: phase after phase, until the item is done. */
async function runStages(item: Item): Promise<void> {
  while (!isTerminal(item.state.stage)) {
    if (item.state.cancelled !== null) await condition(() => false);
    try {
      await runPhaseOf(item);
    } catch (error) {
      // An activity that gave up for good is trouble of the moment: a person decides, nothing is lost.
      if (!(error instanceof ActivityFailure) || isCancellation(error) || item.state.cancelled !== null) throw error;
      park(item, 'gate', `${error.activityType} gave up: ${error.cause?.message ?? error.message}`);
    }
  }
}

async function runPhaseOf(item: Item): Promise<void> {
  const { phase } = item.state;
  switch (phase) {
    case 'open':
      return await openPhase(item);
    case 'enter':
      return await enterPhase(item);
    case 'run':
      return await runPhase(item);
    case 'gate':
      return await gatePhase(item);
    case 'approval':
      return await approvalPhase(item);
    case 'answer':
      return await answerPhase(item);
    case 'merge':
      return await mergePhase(item);
    case 'attention':
      return await attentionPhase(item);
    case 'closed':
      throw new Error('a closed item has no phase');
    default:
      return phase satisfies never;
  }
}

/** Handlers record and never await, so that no message is lost while a phase is busy. */
function receiveMessages(item: Item): void {
  const { state } = item;
  setHandler(statusQuery, () => viewStatus(item.input, state, Date.now()), { description: 'where the item stands' });
  for (const command of DECISION_COMMANDS) {
    setHandler(
      defineUpdate<DecisionResult, [DecisionInput?]>(command),
      (input = {}) => handleDecision(item, command, input),
      {
        validator: (input = {}) => validateDecision(item, command, input),
        description: `${command}: {"stage": …, "commit": …, "text": …, "evidence": …}`,
      },
    );
  }
  for (const command of CONTROL_COMMANDS) {
    setHandler(
      defineSignal<[ControlInput?]>(command),
      (input = {}) => {
        state.signals += 1;
        if (alreadyHandled(state, input.id)) return;
        state.controls.push({
          id: input.id ?? `${command}:${state.signals}:${Date.now()}`,
          command,
          evidence: input.evidence ?? null,
          reason: input.reason ?? '',
          stopRun: input.stopRun ?? false,
        });
      },
      { description: `${command} the item` },
    );
  }
  setHandler(eventSignal, (event) => {
    state.signals += 1;
    if (alreadyHandled(state, event.id)) return;
    // Payloads are hints: one nudge of a kind is as good as a thousand.
    if (!state.nudges.some((nudge) => nudge.kind === event.kind)) {
      state.nudges.push({ kind: event.kind, ref: event.ref ?? null });
    }
  });
  setHandler(claimSignal, ({ runId, reason }) => {
    state.signals += 1;
    if (state.run?.runId !== runId || state.run.step !== 'claim') return;
    const next = `stagewright retry ${item.input.itemId}`;
    setWaiting(item, { kind: 'slot', reason, next });
  });
  setHandler(mergeAnswerSignal, (answer) => {
    state.signals += 1;
    if (state.merge?.key === answer.key) state.mergeAnswer = answer;
  });
}

/** Everything is said and written down before the execution closes: done waits for the board, a run never does. */
async function closeBooks(item: Item, books: Promise<unknown>): Promise<WorkItemResult> {
  const { state } = item;
  const stage = state.stage === 'done' ? 'done' : 'cancelled';
  const reason = state.cancelled?.reason ?? '';
  await main.closeItem.executeWithOptions({ summary: `close: ${stage}` }, [
    {
      ...item.ref,
      how: stage,
      branch: state.branch,
      head: state.head,
      pullRequest: state.pullRequest?.id ?? null,
      reason,
    },
  ]);
  moveOnBoard(item, stage);
  const usage = totalUsage(state.runs);
  const data = {
    head: state.merged?.head ?? null,
    usage,
    runs: state.runs.length,
    reason,
    by: state.cancelled?.by ?? null,
  };
  comment(item, stage, stage, data);
  alertPeople(item, 'info', stage, data);
  state.phase = 'closed';
  setWaiting(item, null);
  showStage(item);
  item.closed = true;
  refuseAllDecisions(item, `${item.input.itemId} is ${stage}`);
  await books;
  const evidence = await main.exportEvidence.executeWithOptions({ summary: 'export evidence' }, [
    { ...item.ref, status: viewStatus(item.input, state, Date.now()), workflowRunId: workflowInfo().runId },
  ]);
  return { stage, merged: state.merged, evidence };
}
