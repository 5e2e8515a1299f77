/**
 * One per forge repository and base branch: runs the merge gate itself, one item at a time, and answers each item by
 * signal. It never lends out a lock, so no holder can die with it. Requests are keyed: a repeated one is answered again
 * or ignored, never queued twice; a withdrawn one is answered `withdrawn` unless it has landed.
 */
import {
  ActivityFailure,
  CancellationScope,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  isCancellation,
  setCurrentDetails,
  setHandler,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { CandidateResult } from '../activities/types.ts';
import { infraWaitMs } from '../src/domain/backoff.ts';
import { enqueue, hold, move, next, withdraw } from '../src/domain/merge-order.ts';
import type { QueueEntry } from '../src/domain/merge-order.ts';
import { QUERY_STATUS, SIGNAL_ENQUEUE, SIGNAL_WITHDRAW } from '../src/domain/protocol.ts';
import type { MergeAnswer, MergeQueueInput, MergeQueueStatus, MergeRequest } from '../src/domain/protocol.ts';
import { gateActivities, main, mergeSteps } from './proxies.ts';

const enqueueSignal = defineSignal<[MergeRequest]>(SIGNAL_ENQUEUE);
const withdrawSignal = defineSignal<[{ key: string; workflowId: string }]>(SIGNAL_WITHDRAW);
const holdSignal = defineSignal<[{ key: string; held: boolean }]>('hold');
const moveSignal = defineSignal<[{ key: string; to: number }]>('move');
const statusQuery = defineQuery<MergeQueueStatus>(QUERY_STATUS);

/** A finished request's answer is repeated for a week: long past every repetition of a waiting item. */
const ANSWER_MS = 7 * 24 * 3_600_000;
/** Moved bases in a row after which a person should look. */
const MAX_ROUNDS = 3;
/** Where a step never came so far as to say what the project's settings are. */
const STEP_PATIENCE = { maximum: 3, baseMs: 30_000 };
/** Nothing waits: the execution ends after this, and the next request starts a new one. */
const IDLE_MS = 3_600_000;

interface State {
  queue: QueueEntry[];
  current: { request: MergeRequest; step: string; sinceMs: number; withdrawn: boolean } | null;
  answered: { workflowId: string; answer: MergeAnswer; atMs: number }[];
  /** Requests to answer again, or withdrawals of what is not here. */
  outgoing: { workflowId: string; answer: MergeAnswer }[];
  counters: MergeQueueStatus['counters'];
  recent: MergeQueueStatus['recent'];
  signals: number;
}

export async function mergeQueue(input: MergeQueueInput): Promise<void> {
  const state: State = (input.carried as unknown as State | undefined) ?? {
    queue: [],
    current: null,
    answered: [],
    outgoing: [],
    counters: { attempts: 0, skippedRetests: 0, infraRetries: 0, red: 0, conflicts: 0, merges: 0 },
    recent: [],
    signals: 0,
  };
  let testing: CancellationScope | null = null;
  receiveMessages(input, state, () => testing?.cancel());

  for (;;) {
    const idle = !(await condition(() => state.outgoing.length > 0 || next(state.queue) !== null, IDLE_MS, {
      summary: 'nothing to merge',
    }));
    for (const letter of state.outgoing.splice(0)) await main.answerItem(letter);
    const request = next(state.queue)?.request ?? null;
    if (request !== null) {
      state.queue = withdraw(state.queue, request.key);
      state.current = { request, step: 'candidate', sinceMs: Date.now(), withdrawn: false };
      testing = new CancellationScope();
      const answer = await runGate(state, testing);
      testing = null;
      finish(state, answer);
      await main.answerItem({ workflowId: request.workflowId, answer });
      show(input, state);
    }
    const full = workflowInfo().continueAsNewSuggested || state.signals >= (input.maxSignals ?? 2_000);
    if (full && allHandlersFinished()) {
      forgetOldAnswers(state);
      await continueAsNew<typeof mergeQueue>({ ...input, carried: { ...state, signals: 0 } });
    }
    if (idle && state.queue.length === 0 && state.outgoing.length === 0 && Date.now() - lastAnswerMs(state) > ANSWER_MS)
      return;
  }
}

/** One item through the gate, to one answer. Trouble of the moment is retried in place, bounded; nobody is sent back for it. */
async function runGate(state: State, testing: CancellationScope): Promise<MergeAnswer> {
  const current = state.current;
  if (current === null) throw new Error('nothing to merge');
  const { request } = current;
  const { key } = request;
  let infraRetries = 0;
  for (let round = 1; ; ) {
    if (current.withdrawn) return { key, result: 'withdrawn', reason: 'withdrawn' };
    state.counters.attempts += 1;
    const attempt = await attemptMerge(state, request, round, testing).catch(explainCeiling);
    if (attempt.kind === 'answer') return attempt.answer;
    if (attempt.kind === 'baseMoved') {
      round += 1;
      if (round > MAX_ROUNDS)
        return { key, result: 'refused', reason: `the base moved ${MAX_ROUNDS} times while we tested` };
      continue;
    }
    infraRetries += 1;
    if (infraRetries > attempt.maximum)
      return { key, result: 'infrastructure', reason: `${attempt.reason} (tried ${infraRetries} times)` };
    state.counters.infraRetries += 1;
    current.step = `retry ${infraRetries}: ${attempt.reason}`;
    await condition(() => current.withdrawn, infraWaitMs(infraRetries, attempt.baseMs), {
      summary: attempt.reason.slice(0, 100),
    });
  }
}

/** A step that passed its ceiling says nothing about the code. */
function explainCeiling(error: unknown): Attempt {
  if (!(error instanceof ActivityFailure)) throw error;
  return { kind: 'trouble', reason: `${error.activityType} passed its ceiling`, ...STEP_PATIENCE };
}

type Attempt =
  | { kind: 'answer'; answer: MergeAnswer }
  | { kind: 'baseMoved' }
  | { kind: 'trouble'; reason: string; maximum: number; baseMs: number };

async function attemptMerge(
  state: State,
  request: MergeRequest,
  round: number,
  testing: CancellationScope,
): Promise<Attempt> {
  const current = state.current;
  const { key, itemId, project } = request;
  const label = `${itemId} · round ${round}`;
  if (current !== null) current.step = 'candidate';
  const made = await mergeSteps.prepareCandidate.executeWithOptions({ summary: `candidate · ${label}` }, [
    { project, request },
  ]);
  if (made.result !== 'candidate') return { kind: 'answer', answer: refuseCandidate(state, key, made) };
  const patience = { maximum: made.infraRetries, baseMs: made.infraRetryBaseMs };
  if (made.retest) {
    if (current !== null) current.step = 're-test';
    let test: Verdict = { kind: 'again' };
    while (test.kind === 'again') test = await retest(request, made, testing, label);
    if (current?.withdrawn === true)
      return { kind: 'answer', answer: { key, result: 'withdrawn', reason: 'withdrawn' } };
    if (test.kind === 'trouble') return { kind: 'trouble', reason: test.reason, ...patience };
    if (test.kind === 'red') {
      state.counters.red += 1;
      return {
        kind: 'answer',
        answer: { key, result: 'red', reason: test.reason, tail: test.tail, logPath: test.logPath },
      };
    }
  } else {
    state.counters.skippedRetests += 1;
  }
  if (current?.withdrawn === true) return { kind: 'answer', answer: { key, result: 'withdrawn', reason: 'withdrawn' } };
  if (current !== null) current.step = 'landing';
  const landed = await mergeSteps.landCandidate.executeWithOptions({ summary: `land · ${label}` }, [
    { project, request, commit: made.commit, base: made.base, from: made.from, round },
  ]);
  switch (landed.result) {
    case 'landed':
      state.counters.merges += 1;
      return {
        kind: 'answer',
        answer: {
          key,
          result: 'landed',
          base: landed.base,
          head: landed.head,
          testedTree: made.tree,
          retested: made.retest,
        },
      };
    case 'baseMoved':
    case 'headMoved':
      return { kind: 'baseMoved' };
    case 'infrastructure':
      return { kind: 'trouble', reason: landed.reason, ...patience };
    case 'refused':
      return { kind: 'answer', answer: { key, result: 'refused', reason: landed.reason } };
    default:
      return landed satisfies never;
  }
}

function refuseCandidate(
  state: State,
  key: string,
  made: Exclude<CandidateResult, { result: 'candidate' }>,
): MergeAnswer {
  switch (made.result) {
    case 'conflict':
      state.counters.conflicts += 1;
      return { key, result: 'conflict', reason: made.reason, tail: made.tail };
    case 'markers':
      return { key, result: 'markers', reason: made.reason };
    case 'empty':
      return { key, result: 'empty', reason: made.reason };
    case 'moved':
      return { key, result: 'refused', reason: made.reason };
    case 'landed':
      return { key, result: 'landed', base: made.base, head: made.head, testedTree: '', retested: false };
    default:
      return made satisfies never;
  }
}

type Verdict =
  | { kind: 'green' }
  | { kind: 'red'; reason: string; tail: string; logPath: string }
  /** Stopped with the orchestrator: counts as nothing. */
  | { kind: 'again' }
  | { kind: 'trouble'; reason: string };

/** Only a completed command's non-zero exit is red; a limit, a signal, a missing command say nothing about the code. */
async function retest(
  request: MergeRequest,
  made: Extract<CandidateResult, { result: 'candidate' }>,
  testing: CancellationScope,
  label: string,
): Promise<Verdict> {
  try {
    const result = await testing.run(() =>
      gateActivities(made.retestCeilingMs, 1).runGateCommand.executeWithOptions({ summary: `re-test · ${label}` }, [
        {
          itemId: request.itemId,
          project: request.project,
          runId: uuid4(),
          command: 'retest',
          commit: made.commit,
          timeoutMs: made.retestTimeoutMs,
        },
      ]),
    );
    if (result.status === 'stopped') return { kind: 'again' };
    if (result.status !== 'completed') return { kind: 'trouble', reason: result.reason };
    if (result.exit === 0) return { kind: 'green' };
    return {
      kind: 'red',
      reason: `the re-test of the candidate failed (exit ${result.exit})`,
      tail: result.tail,
      logPath: result.logPath,
    };
  } catch (error) {
    if (isCancellation(error) && testing.consideredCancelled)
      return { kind: 'trouble', reason: 'the re-test was stopped' };
    if (!(error instanceof ActivityFailure)) throw error;
    return { kind: 'trouble', reason: `the re-test passed its ceiling` };
  }
}

/** Handlers record synchronously; the loop answers. */
function receiveMessages(input: MergeQueueInput, state: State, stopTesting: () => void): void {
  setHandler(enqueueSignal, (request) => {
    state.signals += 1;
    const known = state.answered.find((entry) => entry.answer.key === request.key);
    if (known !== undefined) state.outgoing.push({ workflowId: request.workflowId, answer: known.answer });
    else if (state.current?.request.key !== request.key) state.queue = enqueue(state.queue, request);
    show(input, state);
  });
  setHandler(withdrawSignal, ({ key, workflowId }) => {
    state.signals += 1;
    const known = state.answered.find((entry) => entry.answer.key === key);
    if (known !== undefined) {
      state.outgoing.push({ workflowId, answer: known.answer });
      return;
    }
    if (state.current?.request.key === key) {
      state.current.withdrawn = true;
      // A landing is never interrupted: it lands or it does not, and then says which.
      if (state.current.step === 're-test') stopTesting();
      return;
    }
    state.queue = withdraw(state.queue, key);
    const answer: MergeAnswer = { key, result: 'withdrawn', reason: 'withdrawn' };
    remember(state, workflowId, answer);
    state.outgoing.push({ workflowId, answer });
    show(input, state);
  });
  setHandler(holdSignal, ({ key, held }) => {
    state.signals += 1;
    state.queue = hold(state.queue, key, held);
  });
  setHandler(moveSignal, ({ key, to }) => {
    state.signals += 1;
    state.queue = move(state.queue, key, to);
  });
  setHandler(statusQuery, () => viewQueue(input, state));
}

function finish(state: State, answer: MergeAnswer): void {
  const current = state.current;
  state.current = null;
  if (current === null) return;
  remember(state, current.request.workflowId, answer);
  state.recent.unshift({
    key: answer.key,
    itemId: current.request.itemId,
    result: answer.result,
    ...(answer.result === 'landed' ? { head: answer.head } : {}),
    atMs: Date.now(),
  });
  state.recent.splice(20);
}

function remember(state: State, workflowId: string, answer: MergeAnswer): void {
  state.answered.push({ workflowId, answer, atMs: Date.now() });
  forgetOldAnswers(state);
}

function forgetOldAnswers(state: State): void {
  const oldest = Date.now() - ANSWER_MS;
  state.answered = state.answered.filter((entry) => entry.atMs > oldest).slice(-500);
}

function lastAnswerMs(state: State): number {
  return state.answered.at(-1)?.atMs ?? 0;
}

function viewQueue(input: MergeQueueInput, state: State): MergeQueueStatus {
  const { current } = state;
  return {
    repositoryId: input.repositoryId,
    base: input.base,
    current:
      current === null
        ? null
        : { key: current.request.key, itemId: current.request.itemId, step: current.step, sinceMs: current.sinceMs },
    queue: state.queue.map((entry) => ({
      key: entry.request.key,
      itemId: entry.request.itemId,
      title: entry.request.title,
      priority: entry.request.priority,
      held: entry.held,
    })),
    counters: state.counters,
    recent: state.recent,
  };
}

function show(input: MergeQueueInput, state: State): void {
  const waiting = state.queue.map(
    (entry, index) => `${index + 1}. ${entry.request.itemId}${entry.held ? ' (held)' : ''}`,
  );
  const now = state.current === null ? 'idle' : `${state.current.request.itemId}: ${state.current.step}`;
  setCurrentDetails(
    [`**${input.base}** ${now}`, ...waiting, `merged ${state.counters.merges}, red ${state.counters.red}`].join('\n\n'),
  );
}
