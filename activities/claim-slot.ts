/**
 * The claim: asks the launch gate, checks the host, waits in place for a free slot and reserves it. No other effect: a
 * claim that dies leaves a reservation that lapses by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import { agentCli } from '../src/agents/index.ts';
import type { PreflightReport } from '../src/agents/contract.ts';
import { releaseSlot, reserveSlot } from '../src/agents/run/slots.ts';
import { LAUNCH_GATE_WORKFLOW, MAIN_QUEUE, SIGNAL_CLAIM, UPDATE_TAKE, launchGateId } from '../src/domain/protocol.ts';
import type { ClaimWaits, LaunchGateInput, TakeInput, TakeResult } from '../src/domain/protocol.ts';
import { messageOf } from '../src/errors.ts';
import type { Deps } from './deps.ts';
import { runDirectory } from './deps.ts';
import { whileBeating } from './heartbeat.ts';
import type { ClaimInput, ClaimResult } from './types.ts';

/** How long a reservation holds without a launch. */
export const RESERVE_MS = 120_000;
/** A slot is looked for this often; a run's end is so noticed within a tenth of a second. */
export const SLOT_POLL_MS = 50;
/** A held gate is asked again this often: few updates, and a release is noticed within seconds. */
const GATE_POLL_MS = 2_000;

interface CachedPreflight {
  report: PreflightReport;
  atMs: number;
}
const preflights = new Map<string, CachedPreflight>();

export async function claimSlot(deps: Deps, input: ClaimInput): Promise<ClaimResult> {
  const startedAtMs = Date.now();
  let waitingFor = 'a slot';
  return await whileBeating(
    () => ({ waitingFor }),
    async (signal) => {
      for (;;) {
        const refused = await tryClaim(deps, input, signal);
        if (refused === null) return { hostId: deps.hostId, waitedMs: Date.now() - startedAtMs };
        // Who is held keeps no slot from others; where nobody is held, the slot is looked for at once again.
        releaseSlot(deps.config().home, 'agent', input.runId);
        if (refused !== waitingFor) await tellItem(deps, input, refused);
        waitingFor = refused;
        await pause(GATE_POLL_MS, signal);
      }
    },
  );
}

/** A held launch would look like a busy host: the item shows why it waits. Never fails a claim. */
async function tellItem(deps: Deps, input: ClaimInput, reason: string): Promise<void> {
  const waits: ClaimWaits = { runId: input.runId, reason };
  await deps.client.workflow
    .getHandle(input.itemId)
    .signal(SIGNAL_CLAIM, waits)
    .catch((error: unknown) => deps.log('a waiting claim could not be told', { reason: messageOf(error) }));
}

/** Null where the slot is reserved and the launch granted, else why not. */
async function tryClaim(deps: Deps, input: ClaimInput, signal: AbortSignal): Promise<string | null> {
  const { home, limits } = deps.config();
  const slot = { runId: input.runId, runDir: runDirectory(home, input.itemId, input.runId), reserveMs: RESERVE_MS };
  try {
    while (!(await reserveSlot(home, 'agent', limits.concurrentRuns, slot))) await pause(SLOT_POLL_MS, signal);
    const preflight = await checkPreflight(deps, input.agent);
    if (!preflight.ok) return preflight.reason ?? 'the preflight of the agent failed';
    const taken = await askLaunchGate(deps, input);
    if (signal.aborted) throw signal.reason;
    return taken.granted ? null : taken.reason;
  } catch (error) {
    releaseSlot(home, 'agent', input.runId);
    throw error;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw signal.reason;
  await sleep(ms, undefined, { signal }).catch(() => undefined);
  if (signal.aborted) throw signal.reason;
}

/** Forgets what preflight said, so that the next launch asks again. */
export function forgetPreflight(agent: string): void {
  preflights.delete(agent);
}

/** The host's own check, cached; costs no tokens. */
export async function checkPreflight(deps: Deps, agent: string): Promise<PreflightReport> {
  const { agents, limits } = deps.config();
  const cached = preflights.get(agent);
  if (cached !== undefined && Date.now() - cached.atMs < limits.preflightCacheMs) return cached.report;
  const report = await agentCli(agent).preflight(agents[agent] ?? {});
  preflights.set(agent, { report, atMs: Date.now() });
  return report;
}

async function askLaunchGate(deps: Deps, input: ClaimInput): Promise<TakeResult> {
  const { breakerThreshold, breakerPauseMs } = deps.config().limits;
  const gate: LaunchGateInput = { login: input.login, settings: { breakerThreshold, breakerPauseMs } };
  const take: TakeInput = { runId: input.runId, itemId: input.itemId, project: input.project };
  return await deps.client.workflow.executeUpdateWithStart<Workflow, TakeResult, [TakeInput]>(UPDATE_TAKE, {
    args: [take],
    startWorkflowOperation: new WithStartWorkflowOperation(LAUNCH_GATE_WORKFLOW, {
      workflowId: launchGateId(input.login),
      taskQueue: MAIN_QUEUE,
      args: [gate],
      workflowIdConflictPolicy: 'USE_EXISTING',
      staticSummary: `launch gate of ${input.login}`,
    }),
  });
}
