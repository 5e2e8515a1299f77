/**
 * Where no way leads on, a person is needed: the item parks, says once why, on the board and by one alert, and waits
 * for retry, recheck, reject or skip for as long as it takes. Reminders never launch anything.
 */
import { mayAttemptAgain, nextStage, previousStage } from '../../src/domain/stages.ts';
import type { StagePlan } from '../../activities/types.ts';
import { takeDecision } from './decisions.ts';
import type { AllowedDecision } from './decisions.ts';
import { alertPeople, comment, moveOnBoard, setWaiting, showStage, waitFor } from './item.ts';
import type { Item } from './item.ts';
import { enterStage } from './transitions.ts';
import { agentStage } from './state.ts';
import type { AttentionCause } from './state.ts';

/** Records why a person is needed; the loop then waits in `attentionPhase`. */
export function park(item: Item, cause: AttentionCause, reason: string, details: { logPath?: string } = {}): void {
  const { state } = item;
  state.phase = 'attention';
  state.lastReason = reason;
  state.run = null;
  state.request = {
    kind: 'attention',
    stage: state.stage,
    commit: state.head,
    sinceMs: Date.now(),
    cause,
    blobs: null,
    files: [],
    text: reason,
    reminders: 0,
  };
  const data = {
    stage: state.stage,
    cause,
    reason,
    logPath: details.logPath ?? null,
    next: `stagewright retry ${item.input.itemId}`,
  };
  moveOnBoard(item, 'blocked');
  comment(item, `attention:${cause}:${state.runCount}`, 'attention', data);
  alertPeople(item, 'attention', cause, data);
  showStage(item);
}

export async function attentionPhase(item: Item): Promise<void> {
  const { state } = item;
  const request = state.request;
  if (request === null) throw new Error('attention without a recorded request');
  setWaiting(item, {
    kind: 'attention',
    reason: request.text,
    next: `stagewright retry ${item.input.itemId}`,
    ...(request.commit === null ? {} : { commit: request.commit }),
  });
  for (;;) {
    await waitWithReminders(item, () => item.decisions.length > 0);
    const decision = await takeDecision(item);
    if (decision === null) continue;
    applyDecision(item, decision, request.cause ?? 'gate');
    return;
  }
}

function applyDecision(item: Item, decision: AllowedDecision, cause: AttentionCause): void {
  const { state } = item;
  if (decision.head !== null && state.merged === null) state.head = decision.head;
  switch (decision.command) {
    case 'retry':
      retry(item, cause);
      decision.settle(`trying again in ${state.stage}`);
      break;
    case 'recheck':
    case 'approve':
      if (state.stage === 'created') state.phase = 'open';
      else state.phase = 'gate';
      state.gateWaits = 0;
      decision.settle('asking the gate again, without an agent');
      break;
    case 'reject': {
      const back = state.stage === 'created' ? null : previousStage(agentStage(state), state.skipStages);
      if (back === null) {
        decision.settle('there is no earlier stage: retry or cancel');
        break;
      }
      state.reasons = [{ kind: 'rejection', text: decision.text }];
      comment(item, `rejected:${state.runCount}`, 'rejected', { by: decision.by, reason: decision.text, stage: back });
      enterStage(item, back, { reason: decision.text });
      decision.settle(`back to ${back}`);
      break;
    }
    case 'skip': {
      if (state.stage === 'deploy-staging') {
        // What lands on main is always what the merge gate has tested: nobody skips that.
        state.phase = 'merge';
        decision.settle('skipped the staging report, on to the merge gate');
        break;
      }
      const following = nextStage(state.stage, state.skipStages);
      enterStage(item, following, { reason: `${state.stage} skipped by ${decision.by}` });
      decision.settle(`skipped, on to ${following}`);
      break;
    }
    default:
      decision.settle('nothing to do');
  }
  if (state.phase !== 'attention') {
    state.request = null;
    setWaiting(item, null);
  }
  showStage(item);
}

/** The same role again within its permanent tries, told why. */
export function tryAgain(item: Item, plan: StagePlan, reason: string, logPath: string): void {
  const { state } = item;
  state.permanentTries += 1;
  if (state.permanentTries >= plan.permanentTries) {
    park(item, 'tries', `${plan.permanentTries} tries are used up: ${reason}`, { logPath });
    return;
  }
  state.phase = 'run';
}

/** One more chance of the kind that was used up. */
function retry(item: Item, cause: AttentionCause): void {
  const { state } = item;
  state.permanentTries = 0;
  state.transientTries = 0;
  state.relaunches = 0;
  state.gateWaits = 0;
  moveOnBoard(item, 'in-progress');
  if (state.stage === 'created') state.phase = 'open';
  else if (cause === 'merge') state.phase = 'merge';
  else if (cause === 'gate' && state.stage !== 'deploy') state.phase = 'gate';
  else {
    if (cause === 'cap') {
      state.grantedAttempts += 1;
      state.developerAttempts += 1;
    }
    state.phase = state.plan === null ? 'enter' : 'run';
  }
}

/** A return to development, counted in this one place, whatever its reason; past the cap a person is needed. */
export function returnToDevelopment(item: Item, reason: string): void {
  const { state } = item;
  const allowed = mayAttemptAgain(state.developerAttempts, state.developerMaximum, state.grantedAttempts);
  if (allowed) {
    state.developerAttempts += 1;
    enterStage(item, 'development', { reason });
    return;
  }
  enterStage(item, 'development', { reason, silent: true });
  park(item, 'cap', `${state.developerAttempts} developer attempts are used up; the last reason: ${reason}`);
}

/** Waits for people and reminds them: by default after 24 h, then every 3 days, in the same thread. */
export async function waitWithReminders(item: Item, ready: () => boolean): Promise<void> {
  const { state } = item;
  const request = state.request;
  if (request === null) return await waitFor(item, ready).then(() => undefined);
  for (;;) {
    const first = state.plan?.reminderFirstMs ?? 24 * 3_600_000;
    const every = state.plan?.reminderEveryMs ?? 72 * 3_600_000;
    const dueMs = request.sinceMs + first + request.reminders * every - Date.now();
    if (await waitFor(item, ready, { ms: Math.max(dueMs, 1), summary: `remind: ${request.kind} in ${request.stage}` }))
      return;
    request.reminders += 1;
    comment(item, `reminder:${request.sinceMs}:${request.reminders}`, 'reminder', {
      kind: request.kind,
      stage: request.stage,
      reason: request.text,
    });
  }
}
