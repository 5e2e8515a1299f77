/**
 * One run of an agent as three activities with one owner per effect: claim a slot, attend the run, save its work. The
 * supervisor starts and stops, `stopRun` stops, only this file counts. An outcome counts only together with the commit
 * that it put on the forge.
 */
import {
  ActivityFailure,
  CancellationScope,
  TimeoutFailure,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  uuid4,
} from '@temporalio/workflow';
import { SIGNAL_OUTCOME, launchGateId } from '../../src/domain/protocol.ts';
import type { OutcomeReport, RunView } from '../../src/domain/protocol.ts';
import { ROLE_OF } from '../../src/domain/types.ts';
import type { RunResult, Usage } from '../../src/domain/types.ts';
import type { SaveOutcome, StagePlan } from '../../activities/types.ts';
import { agentQueueActivities, hostActivities, main, runActivities } from '../proxies.ts';
import { continueItemAsNew, setWaiting, shouldContinueAsNew, showDetails } from './item.ts';
import type { Item } from './item.ts';
import { agentStage, totalUsage } from './state.ts';
import type { RunInFlight } from './state.ts';

export type RunEnd =
  /** The agent's own end, or one that its supervisor made; what it left is on the forge. */
  | { kind: 'ended'; result: RunResult; save: Exclude<SaveOutcome, { result: 'superseded' }> }
  /** No outcome: worker, supervisor or host died, or nobody attended for the lease. The run is surely dead. */
  | { kind: 'lost'; reason: string }
  /** Stopped by a pause; goes on with its session. */
  | { kind: 'paused' };

/** Draws the next run: its id is its identity, its number is only shown. */
export function drawRun(item: Item, plan: StagePlan, options: { takeover: boolean }): RunInFlight {
  const { state } = item;
  const stage = agentStage(state);
  state.runCount += 1;
  const used = state.usedBudgetMs;
  const run: RunInFlight = {
    runId: uuid4(),
    number: state.runCount,
    step: 'claim',
    hostId: null,
    budgetMs:
      used === 0 ? plan.budgetMs : Math.max(plan.budgetMs - used, Math.min(plan.relaunchFloorMs, plan.budgetMs)),
    resumeSessionId: state.session?.id ?? null,
    takeover: options.takeover,
    startedAtMs: null,
  };
  state.runs.push({
    runId: run.runId,
    number: run.number,
    stage,
    role: ROLE_OF[stage],
    agent: plan.agent,
    model: plan.model,
    effort: plan.effort,
    outcome: 'queued',
    attempt: state.permanentTries + 1,
    startedAtMs: null,
    endedAtMs: null,
    usage: null,
    exit: null,
    runDir: null,
  });
  return run;
}

export function viewOf(item: Item, runId: string): RunView | undefined {
  return item.state.runs.find((view) => view.runId === runId);
}

/** Carries the run in flight to its end. Throws only where the item itself is being cancelled. */
export async function superviseRun(item: Item, run: RunInFlight, plan: StagePlan): Promise<RunEnd> {
  const scope = new CancellationScope();
  item.runScope = scope;
  try {
    return await scope.run(() => attendRun(item, run, plan));
  } catch (error) {
    if (item.state.paused !== null && item.state.cancelled === null && scope.consideredCancelled) {
      await stopRunInFlight(item, run, plan, 'paused');
      return { kind: 'paused' };
    }
    // After a cancel the server grants no further attempt, and the error then looks like infrastructure.
    if (item.state.cancelled !== null || isCancellation(error)) throw error;
    if (!(error instanceof ActivityFailure)) throw error;
    const reason = describeLoss(error);
    await stopRunInFlight(item, run, plan, reason);
    return { kind: 'lost', reason };
  } finally {
    item.runScope = null;
  }
}

async function attendRun(item: Item, run: RunInFlight, plan: StagePlan): Promise<RunEnd> {
  const { state } = item;
  const label = `${state.stage} · ${plan.role} · run ${run.number}`;
  if (run.step === 'claim') {
    setWaiting(item, { kind: 'slot', reason: `waiting for a slot of ${plan.login}` });
    const claim = await agentQueueActivities(plan.login).claimSlot.executeWithOptions({ summary: `claim · ${label}` }, [
      { ...item.ref, runId: run.runId, login: plan.login, agent: plan.agent },
    ]);
    setWaiting(item, null);
    if (run.takeover && state.branch !== null) {
      const { head } = await main.takeOver.executeWithOptions({ summary: `take over · ${label}` }, [
        { ...item.ref, branch: state.branch, runId: run.runId },
      ]);
      state.head = head;
    }
    run.hostId = claim.hostId;
    run.step = 'run';
    run.startedAtMs = Date.now();
    updateView(item, run.runId, { outcome: 'running', startedAtMs: run.startedAtMs });
  }
  const hostId = run.hostId ?? '';
  const detached = state.stage === 'deploy';
  if (run.step === 'run') {
    const resume = state.session !== null && state.session.hostId === hostId ? run.resumeSessionId : null;
    const attending = runActivities(hostId, plan).runAgent.executeWithOptions({ summary: label }, [
      {
        ...item.ref,
        runId: run.runId,
        number: run.number,
        stage: agentStage(state),
        entry: state.entries[state.stage] ?? 1,
        role: plan.role,
        agent: plan.agent,
        model: plan.model,
        effort: plan.effort,
        budgetMs: run.budgetMs,
        silenceMs: plan.silenceMs,
        branch: state.branch ?? '',
        commit: (detached ? state.merged?.head : state.head) ?? '',
        detached,
        expected: plan.expected,
        reasons: state.reasons,
        resumeSessionId: resume,
      },
    ]);
    const result = await whileNoStorm(item, attending);
    recordResult(item, run, result);
    // Told while the work is saved: nobody waits for the launch gate's books.
    const told = reportOutcome(plan.login, run, result);
    told.catch(() => undefined);
    if (result.outcome === 'lost' || result.outcome === 'lease') {
      state.session = result.sessionId === null ? null : { id: result.sessionId, hostId };
      await stopRunInFlight(item, run, plan, `run ${result.outcome}`);
      await told;
      return { kind: 'lost', reason: result.failure?.reason ?? `the run was ${result.outcome}` };
    }
    run.step = 'save';
    item.state.lastRunId = run.runId;
    item.state.lastHostId = hostId;
    const save = await saveRun(item, run, plan, result.outcome !== 'succeeded');
    await told;
    if (save.result === 'superseded') return { kind: 'lost', reason: 'a later run had taken the branch over' };
    return { kind: 'ended', result, save };
  }
  throw new Error(`a run cannot go on from step ${run.step}`);
}

/**
 * A storm of signals during an hour-long run must not fill the history for ever: the next execution attends the same
 * run again, since attaching has no effects and the attempt left behind only detaches.
 */
async function whileNoStorm(item: Item, attending: Promise<RunResult>): Promise<RunResult> {
  let ended = false;
  const watched = attending.finally(() => {
    ended = true;
  });
  watched.catch(() => undefined);
  for (;;) {
    await condition(() => ended || shouldContinueAsNew(item));
    if (ended) return await watched;
    await continueItemAsNew(item, () => ended);
  }
}

async function saveRun(item: Item, run: RunInFlight, plan: StagePlan, interrupted: boolean): Promise<SaveOutcome> {
  const { state } = item;
  const detached = state.stage === 'deploy';
  const save = await hostActivities(run.hostId ?? '', plan.hostWaitMs).saveWork.executeWithOptions(
    { summary: `save · ${state.stage} · run ${run.number}` },
    [
      {
        ...item.ref,
        runId: run.runId,
        stage: agentStage(state),
        role: plan.role,
        branch: state.branch ?? '',
        base: (detached ? state.merged?.head : state.head) ?? '',
        detached,
        interrupted,
      },
    ],
  );
  if (save.result === 'saved' && !detached) state.head = save.head;
  return save;
}

/**
 * Makes sure that the run is dead, and keeps its work where its host still answers. A host that does not answer within
 * lease + stop sequence is gone, and its supervisor has ended the agent by itself.
 */
export async function stopRunInFlight(item: Item, run: RunInFlight, plan: StagePlan, reason: string): Promise<void> {
  if (run.hostId === null) {
    updateView(item, run.runId, { outcome: 'stopped', endedAtMs: Date.now(), reason });
    return;
  }
  const hostId = run.hostId;
  await CancellationScope.nonCancellable(async () => {
    try {
      const host = hostActivities(hostId, plan.hostWaitMs);
      const stopped = await host.stopRun.executeWithOptions({ summary: `stop · run ${run.number}: ${reason}` }, [
        { ...item.ref, runId: run.runId, reason },
      ]);
      if (stopped.sessionId !== null) item.state.session = { id: stopped.sessionId, hostId };
      const save = await saveRun(item, run, plan, true);
      if (save.result === 'superseded') log.warn('a stopped run had been taken over; its work is kept aside');
      item.state.usedBudgetMs += Math.max(0, Date.now() - (run.startedAtMs ?? Date.now()));
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      item.state.session = null;
      log.warn('the host of a run is gone; its supervisor ends it by the lease', { runId: run.runId });
    }
  });
  const view = viewOf(item, run.runId);
  const stopped = item.state.paused !== null || item.state.cancelled !== null;
  if (view?.outcome === 'running') {
    updateView(item, run.runId, { outcome: stopped ? 'stopped' : 'lost', endedAtMs: Date.now(), reason });
  }
}

function recordResult(item: Item, run: RunInFlight, result: RunResult): void {
  const view = viewOf(item, run.runId);
  updateView(item, run.runId, {
    outcome: result.outcome,
    exit: result.exit,
    startedAtMs: result.startedAtMs,
    endedAtMs: result.endedAtMs,
    usage: ownUsage(item, run.runId, result),
    sessionId: result.sessionId,
    // Usage may refine the stamp made at launch, never blank it.
    model: result.model ?? view?.model ?? null,
    effort: result.effort ?? view?.effort ?? null,
    runDir: result.runDir,
    ...(result.failure === undefined ? {} : { reason: result.failure.reason }),
  });
}

/**
 * What this run cost alone. A CLI that counts the whole session over a resume would be booked twice: what earlier runs of
 * the session have booked is taken off.
 */
function ownUsage(item: Item, runId: string, result: RunResult): Usage | null {
  const { usage, sessionId } = result;
  if (usage === null || !result.cumulativeUsage || sessionId === null) return usage;
  const booked = totalUsage(item.state.runs.filter((view) => view.runId !== runId && view.sessionId === sessionId));
  return {
    inputTokens: Math.max(0, usage.inputTokens - booked.inputTokens),
    outputTokens: Math.max(0, usage.outputTokens - booked.outputTokens),
    cachedTokens: Math.max(0, usage.cachedTokens - booked.cachedTokens),
    costUsd: Math.max(0, usage.costUsd - booked.costUsd),
    turns: usage.turns,
    durationMs: usage.durationMs,
  };
}

function updateView(item: Item, runId: string, change: Partial<RunView>): void {
  const view = viewOf(item, runId);
  if (view !== undefined) Object.assign(view, change);
  showDetails(item);
}

/** Book-keeping of the launch gate: never fails or delays a run. */
async function reportOutcome(login: string, run: RunInFlight, result: RunResult): Promise<void> {
  const report: OutcomeReport = {
    runId: run.runId,
    outcome: result.outcome,
    launchedAtMs: result.startedAtMs,
    ...(result.failure === undefined ? {} : { failureClass: result.failure.class }),
    ...(result.failure?.resetAtMs === undefined ? {} : { resetAtMs: result.failure.resetAtMs }),
  };
  try {
    await getExternalWorkflowHandle(launchGateId(login)).signal(SIGNAL_OUTCOME, report);
  } catch (error) {
    if (isCancellation(error)) throw error;
    log.warn('the launch gate did not take an outcome', { runId: run.runId });
  }
}

function describeLoss(error: ActivityFailure): string {
  const { cause } = error;
  if (!(cause instanceof TimeoutFailure)) return `${error.activityType} failed: ${cause?.message ?? error.message}`;
  switch (cause.timeoutType) {
    case 'SCHEDULE_TO_START':
      return 'the host of the run no longer answers';
    case 'START_TO_CLOSE':
      return 'the run passed its ceiling';
    default:
      return `the run was lost (${cause.timeoutType})`;
  }
}
