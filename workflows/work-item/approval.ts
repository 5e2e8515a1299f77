/** A person's approval, bound to the very files that it was asked for. */
import type { GateResult } from '../../src/domain/types.ts';
import type { GateAnswer } from '../../activities/types.ts';
import { main } from '../proxies.ts';
import { waitWithReminders } from './attention.ts';
import { takeDecision } from './decisions.ts';
import { alertPeople, comment, moveOnBoard, setWaiting, showStage } from './item.ts';
import type { Item } from './item.ts';
import { advance, enterStage } from './transitions.ts';
import { agentStage } from './state.ts';

export function askApproval(item: Item, gate: GateResult, details: GateAnswer): void {
  const { state } = item;
  const files = Object.keys(details.blobs);
  state.phase = 'approval';
  state.request = {
    kind: 'approval',
    stage: agentStage(state),
    commit: gate.commit,
    sinceMs: Date.now(),
    cause: null,
    blobs: details.blobs,
    files,
    text: `approval of ${state.stage} at ${gate.commit.slice(0, 10)}`,
    reminders: 0,
  };
  const data = { stage: state.stage, commit: gate.commit, files, next: `stagewright approve ${item.input.itemId}` };
  moveOnBoard(item, 'in-review');
  comment(item, `approval:${gate.commit}`, 'approvalAsked', data);
  alertPeople(item, 'approval', `approval:${gate.commit}`, data);
  showStage(item);
}

/** Waits for a person; an approval counts for the very files it was asked for. */
export async function approvalPhase(item: Item): Promise<void> {
  const { state } = item;
  const stage = agentStage(state);
  const request = state.request;
  if (request === null) throw new Error('an approval without a recorded request');
  setWaiting(item, {
    kind: 'approval',
    reason: request.text,
    files: request.files,
    next: `stagewright approve ${item.input.itemId}`,
    ...(request.commit === null ? {} : { commit: request.commit }),
  });
  for (;;) {
    await waitWithReminders(item, () => item.decisions.length > 0);
    const decision = await takeDecision(item);
    if (decision === null) {
      if (await requestIsStale(item)) return;
      continue;
    }
    if (decision.command === 'approve') {
      state.approvals.push({ stage: request.stage, by: decision.by, commit: request.commit ?? '', atMs: Date.now() });
      comment(item, `approved:${state.approvals.length}`, 'approved', {
        by: decision.by,
        stage: request.stage,
        commit: request.commit,
      });
      advance(item);
      decision.settle(`approved by ${decision.by}`);
      return;
    }
    state.reasons = [{ kind: 'rejection', text: decision.text }];
    comment(item, `rejected:${state.runCount}`, 'rejected', {
      by: decision.by,
      reason: decision.text,
      stage: request.stage,
    });
    enterStage(item, stage, { reason: decision.text });
    decision.settle(`back to ${stage} with the reason`);
    return;
  }
}

/** What was asked for has changed under the request: it is void, and the gate is asked again. */
async function requestIsStale(item: Item): Promise<boolean> {
  const { state } = item;
  const request = state.request;
  if (request === null || request.blobs === null) return false;
  const answer = await main.evaluateGate.executeWithOptions({ summary: 'is the request still true' }, [
    {
      ...item.ref,
      stage: 'analysis',
      branch: state.branch,
      commit: null,
      artifacts: state.artifacts,
      fresh: [],
      runId: null,
    },
  ]);
  const same =
    request.files.length === Object.keys(answer.blobs).length &&
    request.files.every((file) => answer.blobs[file] === request.blobs?.[file]);
  if (same) return false;
  state.head = answer.gate.commit;
  state.request = null;
  state.phase = 'gate';
  setWaiting(item, null);
  return true;
}
