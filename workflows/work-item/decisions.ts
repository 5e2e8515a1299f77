/**
 * People's commands. A validator compares stage and commit with the *recorded* request and nothing else; the handler
 * records and waits; the main loop re-reads head and evidence by an activity and settles. So nobody approves what has
 * changed under them, and a refusal always says why.
 */
import { ApplicationFailure, condition, getExternalWorkflowHandle } from '@temporalio/workflow';
import { SIGNAL_RELEASE, launchGateId } from '../../src/domain/protocol.ts';
import type { DecisionVerdict } from '../../activities/types.ts';
import type { DecisionCommand, DecisionInput, DecisionResult } from '../../src/domain/protocol.ts';
import { isTerminal } from '../../src/domain/stages.ts';
import { main } from '../proxies.ts';
import { comment } from './item.ts';
import type { Item } from './item.ts';
import { alreadyHandled } from './state.ts';
import type { PendingDecision } from './state.ts';

/** Which commands the recorded request can be answered with. */
const ANSWERS_TO = {
  approval: ['approve', 'reject'],
  answer: ['answer'],
  attention: ['retry', 'recheck', 'approve', 'reject', 'skip'],
} as const satisfies Record<string, readonly DecisionCommand[]>;

export function validateDecision(item: Item, command: DecisionCommand, input: DecisionInput): void {
  const { state } = item;
  const { itemId } = item.input;
  if (isTerminal(state.stage)) throw refusal(`${itemId} is ${state.stage}`);
  const request = state.request;
  // A launch that is held waits in its claim: a person's retry lets one probe through.
  if (command === 'retry' && isClaiming(item)) return;
  if (request === null) {
    throw refusal(`${itemId} is in ${state.stage} and waits for no decision of this kind (it is at work)`);
  }
  const possible: readonly DecisionCommand[] = ANSWERS_TO[request.kind];
  if (!possible.includes(command)) {
    throw refusal(`${itemId} waits for ${request.kind} in ${request.stage}: possible are ${possible.join(', ')}`);
  }
  if (command === 'skip' && state.plan !== null && !state.plan.allowSkip) {
    throw refusal(`project ${item.input.project} does not allow skip`);
  }
  if (input.stage !== undefined && input.stage !== request.stage) {
    throw refusal(`${itemId} is in ${request.stage}, not in ${input.stage}`);
  }
  if (input.commit !== undefined && input.commit !== '' && !isSameCommit(input.commit, request.commit)) {
    throw refusal(
      `the head has moved: asked was for ${shorten(request.commit)}, you were shown ${shorten(input.commit)}`,
    );
  }
  if ((command === 'reject' || command === 'answer') && (input.text ?? '').trim() === '') {
    throw refusal(command === 'reject' ? 'a rejection needs a reason' : 'an answer needs a text');
  }
}

/** Records the decision and answers once the main loop has settled it. */
export async function handleDecision(
  item: Item,
  command: DecisionCommand,
  input: DecisionInput,
): Promise<DecisionResult> {
  if (alreadyHandled(item.state, input.id)) {
    return { result: 'refused', message: 'this decision was handled before', by: '' };
  }
  const decision: PendingDecision = { command, input, settled: null };
  item.decisions.push(decision);
  await condition(() => decision.settled !== null);
  return decision.settled as unknown as DecisionResult;
}

export interface AllowedDecision {
  command: DecisionCommand;
  text: string;
  by: string;
  head: string | null;
  /** Ends the waiting handler; everything that the decision changes must be recorded before. */
  settle(message: string): void;
}

/** Checks the oldest decision that waits; null where it was refused (and said so). */
export async function takeDecision(item: Item): Promise<AllowedDecision | null> {
  const decision = item.decisions[0];
  const request = item.state.request;
  if (decision === undefined) return null;
  function finish(settled: DecisionResult): void {
    if (decision === undefined) return;
    decision.settled = settled;
    item.decisions = item.decisions.filter((other) => other !== decision);
  }
  if (request === null) {
    finish({ result: 'refused', message: 'it was decided already', by: '' });
    return null;
  }
  const branch = item.state.merged === null ? item.state.branch : null;
  const blobs = decision.command === 'approve' ? request.blobs : null;
  const verdict = await checkEvidence(item, decision, branch, blobs);
  if (verdict.result === 'refused') {
    finish({ result: 'refused', message: verdict.reason, by: verdict.by });
    return null;
  }
  return {
    command: decision.command,
    text: decision.input.text ?? '',
    by: verdict.by,
    head: verdict.head,
    settle: (message) => finish({ result: 'applied', message, by: verdict.by }),
  };
}

/** Re-reads who decided, and, where a branch is given, what the request was about. */
async function checkEvidence(
  item: Item,
  decision: PendingDecision,
  branch: string | null,
  blobs: Record<string, string> | null,
): Promise<DecisionVerdict> {
  const { command, input } = decision;
  return await main.checkDecision.executeWithOptions({ summary: `check ${command}` }, [
    {
      ...item.ref,
      command,
      stage: input.stage ?? null,
      commit: item.state.request?.commit ?? null,
      shownCommit: input.commit ?? null,
      text: input.text ?? null,
      evidence: input.evidence ?? null,
      branch,
      blobs,
    },
  ]);
}

/** Nobody is left waiting when an item closes. */
export function refuseAllDecisions(item: Item, reason: string): void {
  for (const decision of item.decisions) decision.settled = { result: 'refused', message: reason, by: '' };
  item.decisions = [];
}

/** Reads the evidence of pauses, resumes and cancels as they come, also in the middle of a run. */
export async function watchControls(item: Item, onCancel: () => void): Promise<void> {
  const { state } = item;
  for (;;) {
    await condition(() => state.controls.length > 0 || asksForRelease(item) || item.closed);
    if (asksForRelease(item)) await releaseLaunches(item);
    const control = state.controls[0];
    if (control === undefined) {
      if (item.closed) return;
      continue;
    }
    const verdict = await main.checkDecision.executeWithOptions({ summary: `check ${control.command}` }, [
      {
        ...item.ref,
        command: control.command,
        stage: null,
        commit: null,
        shownCommit: null,
        text: control.reason === '' ? null : control.reason,
        evidence: control.evidence,
        branch: null,
        blobs: null,
      },
    ]);
    state.controls.shift();
    if (verdict.result === 'refused') {
      comment(item, `refused:${control.id}`, 'commandRefused', { command: control.command, reason: verdict.reason });
      continue;
    }
    switch (control.command) {
      case 'pause':
        state.paused = { by: verdict.by, stopRun: control.stopRun, sinceMs: Date.now() };
        comment(item, `paused:${control.id}`, 'paused', { by: verdict.by });
        if (control.stopRun || state.run?.step === 'claim') item.runScope?.cancel();
        break;
      case 'resume':
        state.paused = null;
        comment(item, `resumed:${control.id}`, 'resumed', { by: verdict.by });
        break;
      case 'cancel':
        state.cancelled = { by: verdict.by, reason: control.reason };
        onCancel();
        break;
      default:
        control.command satisfies never;
    }
  }
}

function isClaiming(item: Item): boolean {
  return item.state.run?.step === 'claim';
}

function asksForRelease(item: Item): boolean {
  return (
    item.state.request === null && isClaiming(item) && item.decisions.some((decision) => decision.command === 'retry')
  );
}

/** A person says that the login is mended (or that a hold is over): the launch gate lets one probe through. */
async function releaseLaunches(item: Item): Promise<void> {
  const decision = item.decisions.find((candidate) => candidate.command === 'retry');
  const login = item.state.plan?.login;
  if (decision === undefined || login === undefined) return;
  const verdict = await checkEvidence(item, decision, null, null);
  const refused = verdict.result === 'refused' ? verdict.reason : null;
  if (refused === null) await getExternalWorkflowHandle(launchGateId(login)).signal(SIGNAL_RELEASE);
  decision.settled =
    refused === null
      ? { result: 'applied', message: `launches of ${login} are tried again`, by: verdict.by }
      : { result: 'refused', message: refused, by: verdict.by };
  item.decisions = item.decisions.filter((other) => other !== decision);
}

function isSameCommit(shown: string, recorded: string | null): boolean {
  return recorded !== null && shown.length >= 7 && recorded.startsWith(shown);
}

function shorten(commit: string | null): string {
  return commit === null ? 'nothing' : commit.slice(0, 10);
}

function refusal(message: string): ApplicationFailure {
  return ApplicationFailure.create({ message, type: 'Refused', nonRetryable: true });
}
