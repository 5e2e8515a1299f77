/** The gate of a stage, and what the table says to its answer. */
import { uuid4 } from '@temporalio/workflow';
import { infraWaitMs } from '../../src/domain/backoff.ts';
import { decideMove, resolveReturn } from '../../src/domain/stages.ts';
import type { Answer } from '../../src/domain/stages.ts';
import type { AgentStage, CommandResult, GateResult } from '../../src/domain/types.ts';
import type { GateAnswer, GateInput, ReturnReason, StagePlan } from '../../activities/types.ts';
import { gateActivities, hostActivities, main } from '../proxies.ts';
import { askQuestions } from './answer.ts';
import { askApproval } from './approval.ts';
import { park, returnToDevelopment, tryAgain } from './attention.ts';
import { backOff, comment, finishBackOff, requirePlan, setWaiting } from './item.ts';
import type { Item } from './item.ts';
import { advance, enterStage } from './transitions.ts';
import { agentStage } from './state.ts';

/** Asks the gate of the stage at the commit that the run put on the forge, and carries out what the table says. */
export async function gatePhase(item: Item): Promise<void> {
  const { state } = item;
  const plan = requirePlan(item);
  const stage = agentStage(state);
  await finishBackOff(item);
  const answer = await askGate(item, plan, stage);
  const gate =
    plan.gateCommand !== null && answer.gate.status === 'passed'
      ? await runTests(item, plan, answer.gate)
      : answer.gate;
  state.lastGate = gate;
  carryOut(item, plan, meaningOf(gate, answer), gate, answer);
}

async function askGate(item: Item, plan: StagePlan, stage: AgentStage): Promise<GateAnswer> {
  const { state } = item;
  const landed = state.merged?.head ?? null;
  const commit = (stage === 'deploy' ? landed : state.head) ?? '';
  if (stage === 'development') {
    const gate: GateResult = {
      gate: 'run',
      status: 'passed',
      meaning: 'ok',
      commit,
      reason: 'the developer has finished',
    };
    return { gate, head: commit, questions: null, conflict: null, blobs: {} };
  }
  const input: GateInput = {
    ...item.ref,
    stage,
    branch: state.branch,
    commit,
    artifacts: state.artifacts,
    fresh: state.freshArtifacts,
    runId: stage === 'deploy' ? state.lastRunId : null,
  };
  const summary = `gate · ${stage}`;
  // The deploy run's report lives in its run directory, so its gate is asked where the run was.
  const host = stage === 'deploy' ? state.lastHostId : null;
  if (host === null) return await main.evaluateGate.executeWithOptions({ summary }, [input]);
  return await hostActivities(host, plan.hostWaitMs).evaluateGate.executeWithOptions({ summary }, [input]);
}

function meaningOf(gate: GateResult, answer: GateAnswer): Answer {
  if (gate.status === 'passed') return 'ok';
  if (answer.questions !== null) return 'questions';
  if (answer.conflict !== null) return 'conflict';
  return gate.meaning;
}

async function runTests(item: Item, plan: StagePlan, artifacts: GateResult): Promise<GateResult> {
  const { state } = item;
  setWaiting(item, { kind: 'gate', reason: `tests at ${artifacts.commit.slice(0, 10)}` });
  const result = await runCommand(item, plan, artifacts.commit);
  setWaiting(item, null);
  const base = {
    gate: 'tests',
    commit: artifacts.commit,
    tail: result.tail,
    logPath: result.logPath,
    durationMs: result.durationMs,
  };
  if (result.status !== 'completed') {
    return { ...base, status: 'inconclusive', meaning: 'infrastructure', reason: result.reason };
  }
  if (result.exit !== 0) {
    return { ...base, status: 'failed', meaning: 'red', reason: `the tests failed (exit ${result.exit})` };
  }
  state.validated = { commit: artifacts.commit, command: 'test' };
  return { ...base, status: 'passed', meaning: 'ok', reason: 'the tests are green' };
}

/** A command that was stopped with the orchestrator says nothing and counts as nothing: it is run again. */
async function runCommand(item: Item, plan: StagePlan, commit: string): Promise<CommandResult> {
  const gates = gateActivities(plan.gateCeilingMs, 3);
  for (;;) {
    const result = await gates.runGateCommand.executeWithOptions({ summary: `tests · ${commit.slice(0, 10)}` }, [
      { ...item.ref, runId: uuid4(), command: 'test', commit, timeoutMs: plan.gateTimeoutMs },
    ]);
    if (result.status !== 'stopped') return result;
  }
}

function carryOut(item: Item, plan: StagePlan, answer: Answer, gate: GateResult, details: GateAnswer): void {
  const { state } = item;
  const stage = agentStage(state);
  const move = decideMove(stage, answer);
  if (gate.status === 'failed' && move.kind !== 'ask') {
    comment(item, `gate:${state.runCount}:${state.gateWaits}`, 'gateRefused', {
      gate: gate.gate,
      reason: gate.reason,
      tail: gate.tail ?? '',
    });
  }
  switch (move.kind) {
    case 'advance':
      advance(item);
      return;
    case 'approve':
      askApproval(item, gate, details);
      return;
    case 'merge':
      state.phase = 'merge';
      return;
    case 'ask':
      askQuestions(item, details.questions ?? gate.reason);
      return;
    case 'return':
      sendBack(item, resolveReturn(move.to, state.skipStages), answer, gate, details.conflict);
      return;
    case 'again':
      state.reasons = [
        ...state.reasons.filter((reason) => reason.kind !== 'missing'),
        { kind: 'missing', text: gate.reason },
      ];
      tryAgain(item, plan, gate.reason, gate.logPath ?? '');
      return;
    case 'wait':
      waitForGate(item, plan, gate);
      return;
    case 'attention':
      park(item, 'gate', gate.reason, gate.logPath === undefined ? {} : { logPath: gate.logPath });
      return;
    default:
      move satisfies never;
  }
}

function sendBack(item: Item, to: AgentStage, answer: Answer, gate: GateResult, conflict: string | null): void {
  const { state } = item;
  const kind: ReturnReason['kind'] =
    answer === 'red' ? 'tests' : answer === 'refused' ? 'review' : answer === 'conflict' ? 'conflict' : 'gate';
  const text = conflict ?? [gate.reason, gate.tail ?? ''].filter((part) => part !== '').join('\n\n');
  state.reasons = [{ kind, text, ...(gate.logPath === undefined ? {} : { path: gate.logPath }) }];
  if (conflict !== null) comment(item, `conflict:${state.runCount}`, 'conflict', { text: conflict.slice(0, 500) });
  if (to === 'development') returnToDevelopment(item, gate.reason);
  else enterStage(item, to, { reason: gate.reason });
}

/** Infrastructure trouble of a gate says nothing about the code: asked again in place, bounded, nobody is sent back. */
function waitForGate(item: Item, plan: StagePlan, gate: GateResult): void {
  const { state } = item;
  state.gateWaits += 1;
  if (state.gateWaits > plan.infraRetries) {
    park(
      item,
      'gate',
      `${gate.reason} (asked ${state.gateWaits} times)`,
      gate.logPath === undefined ? {} : { logPath: gate.logPath },
    );
    return;
  }
  backOff(item, {
    ms: infraWaitMs(state.gateWaits, plan.infraRetryBaseMs),
    kind: 'backoff',
    reason: gate.reason,
    step: `gateWait:${state.runCount}:${state.gateWaits}`,
  });
}
