/**
 * The phases of a stage that launch something: open the item, read its plan, run the agent. Every phase ends by naming
 * the next; what an end of a run means is decided here, before any gate is asked.
 */
import { transientWaitMs } from '../../src/domain/backoff.ts';
import { nextStage } from '../../src/domain/stages.ts';
import type { Failure } from '../../src/domain/types.ts';
import type { StagePlan } from '../../activities/types.ts';
import { main } from '../proxies.ts';
import { park, tryAgain } from './attention.ts';
import { alertPeople, backOff, comment, finishBackOff, requirePlan, whilePaused } from './item.ts';
import type { Item } from './item.ts';
import { drawRun, superviseRun, viewOf } from './run.ts';
import { enterStage } from './transitions.ts';
import { agentStage } from './state.ts';

/** created: the project is known, the branch exists on the forge. */
export async function openPhase(item: Item): Promise<void> {
  const { state } = item;
  const opened = await main.openItem.executeWithOptions({ summary: `open ${item.input.itemId}` }, [
    { ...item.ref, title: item.input.title },
  ]);
  if (opened.result === 'refused') {
    park(item, 'open', `${opened.reason} (${opened.mend})`);
    return;
  }
  state.branch = opened.branch;
  state.head = opened.head;
  state.repositoryId = opened.repositoryId;
  state.baseBranch = opened.baseBranch;
  state.skipStages = opened.skipStages;
  state.artifactsDirectory = opened.artifactsDirectory;
  comment(item, 'started', 'started', { branch: opened.branch });
  alertPeople(item, 'started', 'started', { branch: opened.branch });
  enterStage(item, nextStage('created', state.skipStages));
}

/** Configuration is read here, once per entry of a stage, and recorded. */
export async function enterPhase(item: Item): Promise<void> {
  const { state } = item;
  const stage = agentStage(state);
  state.plan = await main.planStage.executeWithOptions({ summary: `plan ${stage}` }, [
    { ...item.ref, stage, agent: item.input.agent ?? null },
  ]);
  state.developerMaximum = state.plan.developerAttempts;
  state.skipStages = state.plan.skipStages;
  state.phase = 'run';
}

/** One run of the stage's agent, and what its end means before any gate is asked. */
export async function runPhase(item: Item): Promise<void> {
  const { state } = item;
  const plan = requirePlan(item);
  if (state.run === null) {
    await finishBackOff(item);
    await whilePaused(item);
    if (state.cancelled !== null) return;
    state.run = drawRun(item, plan, { takeover: state.relaunches > 0 && state.session === null });
  }
  const run = state.run;
  const end = await superviseRun(item, run, plan);
  state.run = null;
  if (end.kind === 'paused') return;
  if (end.kind === 'lost') {
    relaunch(item, plan, end.reason);
    return;
  }
  const { result, save } = end;
  if (save.result === 'conflict') {
    park(
      item,
      'save',
      `the work of run ${run.number} conflicts with a push by somebody else: ${save.files.join(', ')}`,
    );
    return;
  }
  reportRun(item, run.runId, plan);
  if (save.outside.length > 0 || save.refused.length > 0) {
    comment(item, `notCommitted:${run.number}`, 'notCommitted', {
      outside: save.outside.slice(0, 50),
      refused: save.refused.slice(0, 50).map((file) => `${file.path}: ${file.why}`),
    });
  }
  if (result.outcome === 'succeeded') {
    state.freshArtifacts = save.artifacts;
    state.artifacts = [...new Set([...state.artifacts, ...save.artifacts])];
    state.session = null;
    state.usedBudgetMs = 0;
    state.phase = 'gate';
    return;
  }
  if (result.outcome === 'stopped') {
    // Asked for from outside (a shutdown that stops runs): goes on with its session, counts as nothing.
    state.session =
      result.sessionId === null || run.hostId === null ? null : { id: result.sessionId, hostId: run.hostId };
    state.usedBudgetMs += result.endedAtMs - result.startedAtMs;
    return;
  }
  state.session =
    result.sessionId === null || run.hostId === null ? null : { id: result.sessionId, hostId: run.hostId };
  const failure: Failure = result.failure ?? {
    class: 'permanent',
    code: result.outcome,
    reason: `the run ended: ${result.outcome}`,
  };
  handleFailure(item, plan, failure, result.runDir);
}

/** Separate budgets per class of failure; none of them touches the developer attempts. */
function handleFailure(item: Item, plan: StagePlan, failure: Failure, logPath: string): void {
  const { state } = item;
  if (failure.code !== 'resume_refused') state.lastReason = failure.reason;
  const { session } = state;
  state.session = null;
  state.usedBudgetMs = 0;
  const failed = `failed:${state.runCount}`;
  switch (failure.class) {
    case 'limit': {
      const waitMs = Math.max((failure.resetAtMs ?? Date.now()) - Date.now(), 1_000);
      backOff(item, { ms: waitMs, kind: 'limit', reason: failure.reason, step: failed });
      return;
    }
    case 'auth':
      // The launch gate holds every claim of this login until it is released; no budget is spent here.
      comment(item, failed, 'runFailed', { reason: failure.reason, logPath, class: failure.class, again: true });
      return;
    case 'transient': {
      state.transientTries += 1;
      if (state.transientTries > plan.transientRetries) {
        park(item, 'transient', `${plan.transientRetries} retries are used up: ${failure.reason}`, { logPath });
        return;
      }
      const waitMs = transientWaitMs(state.transientTries, {
        baseMs: plan.backoffBaseMs,
        capMs: plan.backoffCapMs,
        ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
      });
      backOff(item, { ms: waitMs, kind: 'backoff', reason: failure.reason, step: failed });
      return;
    }
    case 'config':
      park(item, 'config', `launch error: ${failure.reason}`, { logPath });
      return;
    case 'infrastructure':
      state.session = session;
      relaunch(item, plan, failure.reason);
      return;
    case 'permanent':
      if (failure.code === 'resume_refused') return;
      comment(item, failed, 'runFailed', { reason: failure.reason, logPath, class: failure.class, again: false });
      tryAgain(item, plan, failure.reason, logPath);
      return;
    default:
      failure.class satisfies never;
  }
}

/** A run that takes its host down with it must not be paid for without end. */
function relaunch(item: Item, plan: StagePlan, reason: string): void {
  const { state } = item;
  state.relaunches += 1;
  state.lastReason = reason;
  if (state.relaunches > plan.maxRelaunches) {
    park(item, 'relaunches', `the run was lost ${state.relaunches} times in this stage: ${reason}`);
  }
}

/** Usage of a run on the board; summed per stage and item by whoever reads the status. */
function reportRun(item: Item, runId: string, plan: StagePlan): void {
  const view = viewOf(item, runId);
  if (view === undefined) return;
  comment(item, `run:${view.number}`, 'runEnded', {
    number: view.number,
    role: plan.role,
    outcome: view.outcome,
    model: view.model,
    effort: view.effort,
    usage: view.usage ?? null,
    durationMs: view.startedAtMs !== null && view.endedAtMs !== null ? view.endedAtMs - view.startedAtMs : null,
  });
}
