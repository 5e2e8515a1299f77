/**
 * One work item at work: its input, its state, and the few things that live only inside one execution. The helpers here
 * are what every phase uses: effects with their keys, what the UI shows, waiting while paused, continuing as new.
 */
import {
  ActivityFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  isCancellation,
  setCurrentDetails,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { CancellationScope } from '@temporalio/workflow';
import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';
import { renderChecklist } from '../../src/domain/checklist.ts';
import { isAgentStage } from '../../src/domain/stages.ts';
import { ROLE_OF } from '../../src/domain/types.ts';
import type { AlertKind, BoardState } from '../../src/domain/types.ts';
import type { WaitView, WorkItemInput } from '../../src/domain/protocol.ts';
import type { ItemRef, MessageData, MessageName, StagePlan } from '../../activities/types.ts';
import { board } from '../proxies.ts';
import { viewStatus } from './state.ts';
import type { PendingDecision, State } from './state.ts';

export interface Item {
  readonly input: WorkItemInput;
  readonly ref: ItemRef;
  state: State;
  decisions: PendingDecision[];
  /** Cancelling it stops (or gives up) the run in flight and nothing else. */
  runScope: CancellationScope | null;
  /** The outbox's delivery is out; nothing may continue as new before it is back. */
  delivering: boolean;
  /** Set once: the main loop is over. */
  closed: boolean;
  /** Set once: this execution is about to continue as new. */
  continuing: boolean;
}

/** A board that did not answer in half a minute of tries is left alone for this long. */
const BOARD_AWAY_MS = 30_000;

const PROJECT = defineSearchAttributeKey('Project', SearchAttributeType.KEYWORD);
const STAGE = defineSearchAttributeKey('Stage', SearchAttributeType.KEYWORD);
const ROLE = defineSearchAttributeKey('Role', SearchAttributeType.KEYWORD);
const ATTENTION = defineSearchAttributeKey('Attention', SearchAttributeType.KEYWORD);
const WAITING = defineSearchAttributeKey('Waiting', SearchAttributeType.KEYWORD);

/** Key of an effect: never the attempt, so that a repeated step is the same effect. */
export function effectKey(item: Item, step: string): string {
  const { state } = item;
  return [
    item.input.itemId,
    workflowInfo().firstExecutionRunId,
    state.stage,
    state.entries[state.stage] ?? 0,
    step,
  ].join(':');
}

export function comment(item: Item, step: string, message: MessageName, data: MessageData = {}): void {
  item.state.outbox.push({ key: effectKey(item, step), kind: 'comment', message, data });
}

export function alertPeople(item: Item, alert: AlertKind, cause: string, data: MessageData): void {
  item.state.outbox.push({ key: effectKey(item, `alert:${cause}`), kind: 'alert', alert, cause, data });
}

export function moveOnBoard(item: Item, to: BoardState): void {
  if (item.state.boardState === to) return;
  item.state.boardState = to;
  item.state.outbox.push({
    key: effectKey(item, `state:${to}:${item.state.delivered}`),
    kind: 'state',
    state: to,
  });
}

/** One history event per change of stage or of waiting; the checklist costs none. */
export function showStage(item: Item): void {
  const { state } = item;
  upsertSearchAttributes([
    { key: PROJECT, value: item.input.project },
    { key: STAGE, value: state.stage },
    { key: ROLE, value: isAgentStage(state.stage) ? ROLE_OF[state.stage] : 'none' },
    { key: ATTENTION, value: state.phase === 'attention' ? (state.request?.cause ?? 'yes') : 'no' },
    { key: WAITING, value: state.request?.kind ?? 'no' },
  ]);
  showDetails(item);
}

export function showDetails(item: Item): void {
  item.state.updatedAtMs = Date.now();
  setCurrentDetails(renderChecklist(viewStatus(item.input, item.state, item.state.updatedAtMs)));
}

export function setWaiting(item: Item, waiting: Omit<WaitView, 'sinceMs'> | null): void {
  item.state.waiting = waiting === null ? null : { ...waiting, sinceMs: Date.now() };
  showDetails(item);
}

/** Launching waits here while the item is paused; what is in flight is not touched. */
export async function whilePaused(item: Item): Promise<void> {
  while (item.state.paused !== null) {
    setWaiting(item, {
      kind: 'paused',
      reason: `paused by ${item.state.paused.by}`,
      next: `stagewright resume ${item.input.itemId}`,
    });
    await waitFor(item, () => item.state.paused === null);
    setWaiting(item, null);
  }
}

/**
 * Waits for something from outside, at most `timeoutMs`; true where it came. The only kind of place where an execution
 * continues as new: nothing is in flight here.
 */
export async function waitFor(
  item: Item,
  ready: () => boolean,
  timeout: { ms: number; summary: string } | null = null,
): Promise<boolean> {
  const until = timeout === null ? null : Date.now() + timeout.ms;
  for (;;) {
    const check = (): boolean => ready() || shouldContinueAsNew(item);
    if (until === null) await condition(check);
    else {
      const left = until - Date.now();
      if (left <= 0 || !(await condition(check, left, { summary: timeout?.summary ?? '' }))) return false;
    }
    if (ready()) return true;
    await continueItemAsNew(item, ready);
  }
}

/** Records a durable wait; `finishBackOff` then waits it out, also in the next execution. */
export function backOff(
  item: Item,
  wait: { ms: number; kind: 'backoff' | 'limit'; reason: string; step: string },
): void {
  const { kind, reason } = wait;
  const untilMs = Date.now() + wait.ms;
  item.state.backOff = { kind, reason, untilMs };
  comment(item, wait.step, 'waitingUntil', { kind, reason, untilMs });
}

/** Waits until what was recorded is over; says until when in the status and in the timer's summary. */
export async function finishBackOff(item: Item): Promise<void> {
  const { backOff: wait } = item.state;
  if (wait === null) return;
  setWaiting(item, wait);
  await waitFor(item, () => false, {
    ms: wait.untilMs - Date.now(),
    summary: `${wait.kind === 'limit' ? 'usage limit' : 'backoff'} until ${new Date(wait.untilMs).toISOString()}`,
  });
  item.state.backOff = null;
  setWaiting(item, null);
}

/** 2,000 signals: far below the 10,000 after which an execution can never be signalled again. */
export function shouldContinueAsNew(item: Item): boolean {
  const { state } = item;
  const full = workflowInfo().continueAsNewSuggested || state.signals >= (item.input.maxSignals ?? 2_000);
  return full && item.decisions.length === 0 && state.controls.length === 0 && !item.closed;
}

/**
 * Carries everything over. Returns where a message or what is waited for comes first; the caller's loop then looks
 * again. A decision must not wait behind a delivery: its handler waits for the main loop, which stands here.
 */
export async function continueItemAsNew(item: Item, ready: () => boolean): Promise<void> {
  const { state } = item;
  const interrupted = (): boolean => item.decisions.length > 0 || state.controls.length > 0 || ready();
  item.continuing = true;
  await condition(() => interrupted() || (!item.delivering && allHandlersFinished()));
  if (interrupted()) {
    item.continuing = false;
    return;
  }
  await continueAsNew<(input: WorkItemInput) => Promise<unknown>>({
    ...item.input,
    carried: { ...state, signals: 0 },
  });
}

/**
 * Delivers board writes and alerts in order, one delivery at a time, for as long as it takes; so a board that is away
 * for an hour delays comments and nothing else. Between two tries nothing is out, and the execution may continue as new.
 */
export async function pumpOutbox(item: Item): Promise<void> {
  const { state } = item;
  for (;;) {
    await condition(() => (state.outbox.length > 0 && !item.continuing) || item.closed);
    if (state.outbox.length === 0) return;
    const effects = state.outbox.slice(0, 20);
    item.delivering = true;
    try {
      await board.deliver.executeWithOptions({ summary: `board: ${effects.map((effect) => effect.kind).join(', ')}` }, [
        { ...item.ref, title: item.input.title, effects },
      ]);
      state.outbox.splice(0, effects.length);
      state.delivered += effects.length;
      item.delivering = false;
    } catch (error) {
      item.delivering = false;
      if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
      await sleep(BOARD_AWAY_MS, { summary: 'the board is away' });
    }
  }
}

/** The plan of the stage's present entry. */
export function requirePlan(item: Item): StagePlan {
  if (item.state.plan === null) throw new Error(`no plan for ${item.state.stage}`);
  return item.state.plan;
}
