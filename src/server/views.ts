/** The JSON of `/status` and `/queue`, from a snapshot. Names in snake_case: readers of the old service know them. */
import type { Config } from '../config-types.ts';
import { UNCONFINED_WARNING } from '../confine/index.ts';
import type { LaunchGateStatus, RunView, WorkItemStatus } from '../domain/protocol.ts';
import type { ItemLook, Snapshot } from './snapshot.ts';

/** What the host's own preflight of an agent said, and when. */
export interface PreflightView {
  agent: string;
  ok: boolean;
  reason: string | null;
  checkedAtMs: number;
}

const RECENT_RUNS = 10;

/** Items that are neither done nor cancelled. */
export function renderStatus(snapshot: Snapshot): Record<string, unknown> {
  return { active_tasks: snapshot.open.map(renderItem), problems: snapshot.problems };
}

function renderItem({ summary, answer }: ItemLook): Record<string, unknown> {
  const { itemId, project, title, stage, startedAtMs } = summary;
  if (!answer.ok) {
    return { id: itemId, project, title, stage, state: 'unknown', error: answer.message, started_at: iso(startedAtMs) };
  }
  const status = answer.value;
  const run = currentRun(status);
  return {
    id: itemId,
    project: status.project,
    title: status.title,
    stage: status.stage,
    state: status.state,
    waiting: renderWait(status),
    agent: run?.agent ?? null,
    model: run?.model ?? null,
    effort: run?.effort ?? null,
    branch: status.branch,
    developer_attempts: status.developerAttempts,
    max_developer_attempts: status.maxDeveloperAttempts,
    cost_usd: status.usage.costUsd,
    started_at: iso(status.startedAtMs),
    updated_at: iso(status.updatedAtMs),
  };
}

function renderWait({ waiting }: WorkItemStatus): Record<string, unknown> | null {
  if (waiting === null) return null;
  const { kind, reason, sinceMs, untilMs, next } = waiting;
  return { kind, reason, since: iso(sinceMs), until: untilMs === undefined ? null : iso(untilMs), next: next ?? null };
}

/** Counts, resilience, recent runs, the merge gate, and who waits for what. */
export function renderQueue(
  snapshot: Snapshot,
  config: Config,
  preflight: readonly PreflightView[],
  nowMs: number,
): Record<string, unknown> {
  const statuses = snapshot.open.flatMap(({ answer }) => (answer.ok ? [answer.value] : []));
  return {
    counts: countStates(snapshot, statuses),
    max_concurrency: config.limits.concurrentRuns,
    resilience: renderResilience(snapshot.gates, preflight, nowMs),
    waiting: statuses.filter((status) => status.state !== 'running').map((status) => renderWaiting(status, nowMs)),
    recent: renderRecent(snapshot),
    merge_gate: renderMergeGate(snapshot),
    switched_off: listSwitchedOff(config),
    sandbox: config.sandbox.kind,
    sandbox_warning: config.sandbox.kind === 'none' ? UNCONFINED_WARNING : null,
    problems: snapshot.problems,
  };
}

function countStates(snapshot: Snapshot, statuses: readonly WorkItemStatus[]): Record<string, number> {
  const counts = { queued: 0, running: 0, waiting: 0, attention: 0, paused: 0, unknown: 0 };
  for (const { state } of statuses) {
    // One that has just ended is counted with the closed ones.
    if (state !== 'done' && state !== 'cancelled') counts[state] += 1;
  }
  counts.unknown = snapshot.open.length - statuses.length;
  return { ...counts, ...snapshot.closedCounts };
}

function renderResilience(
  gates: readonly LaunchGateStatus[],
  preflight: readonly PreflightView[],
  nowMs: number,
): Record<string, unknown> {
  const worst = gates.toSorted((left, right) => SEVERITY[right.state] - SEVERITY[left.state])[0];
  const failing = preflight.find((view) => !view.ok) ?? preflight[0];
  return {
    breaker: renderBreaker(worst, nowMs),
    preflight_ok: failing?.ok ?? null,
    preflight_reason: failing?.reason ?? null,
    preflight_age_s: failing === undefined ? null : seconds(nowMs - failing.checkedAtMs),
    logins: gates.map((gate) => ({
      login: gate.login,
      breaker: renderBreaker(gate, nowMs),
      reason: gate.reason,
      in_flight: gate.grants.map(({ itemId, sinceMs }) => ({ id: itemId, seconds: seconds(nowMs - sinceMs) })),
    })),
  };
}

/** The worst login stands for all where one word is asked for. */
const SEVERITY: Record<LaunchGateStatus['state'], number> = { open: 0, 'half-open': 1, 'breaker-open': 2, held: 3 };

function renderBreaker(gate: LaunchGateStatus | undefined, nowMs: number): Record<string, unknown> {
  // The gate is `open` when launches pass; the breaker of the same gate is then `closed`.
  const state = { open: 'closed', held: 'held', 'breaker-open': 'open', 'half-open': 'half-open' } as const;
  return {
    state: gate === undefined ? 'closed' : state[gate.state],
    consecutive_transient: gate?.consecutiveTransient ?? 0,
    pause_remaining_s: gate?.untilMs == null ? 0 : Math.max(0, seconds(gate.untilMs - nowMs)),
  };
}

function renderWaiting(status: WorkItemStatus, nowMs: number): Record<string, unknown> {
  return {
    id: status.itemId,
    stage: status.stage,
    state: status.state,
    ...renderWait(status),
    waited_s: seconds(nowMs - (status.waiting?.sinceMs ?? status.updatedAtMs)),
    tries: {
      developer: status.developerAttempts,
      max_developer: status.maxDeveloperAttempts,
      permanent: status.permanentTries,
      transient: status.transientTries,
      relaunches: status.relaunches,
    },
    last_error: status.lastReason,
  };
}

/** The last runs over all items, newest first; a run in flight shows the model and effort it was launched with. */
function renderRecent(snapshot: Snapshot): Record<string, unknown>[] {
  const runs = [...snapshot.open, ...snapshot.closed].flatMap(({ answer }) =>
    answer.ok ? answer.value.runs.map((run) => ({ itemId: answer.value.itemId, run })) : [],
  );
  return runs
    .filter(({ run }) => run.startedAtMs !== null)
    .toSorted((left, right) => (right.run.startedAtMs ?? 0) - (left.run.startedAtMs ?? 0))
    .slice(0, RECENT_RUNS)
    .map(({ itemId, run }) => ({
      id: itemId,
      run: run.number,
      stage: run.stage,
      role: run.role,
      agent: run.agent,
      model: run.model,
      effort: run.effort,
      outcome: run.outcome,
      started_at: run.startedAtMs === null ? null : iso(run.startedAtMs),
      ended_at: run.endedAtMs === null ? null : iso(run.endedAtMs),
      cost_usd: run.usage?.costUsd ?? null,
      reason: run.reason ?? null,
    }));
}

function renderMergeGate({ mergeQueues }: Snapshot): Record<string, unknown> {
  const totals = { attempts: 0, skippedRetests: 0, infraRetries: 0, red: 0, conflicts: 0, merges: 0 };
  for (const { counters } of mergeQueues) {
    totals.attempts += counters.attempts;
    totals.skippedRetests += counters.skippedRetests;
    totals.infraRetries += counters.infraRetries;
    totals.red += counters.red;
    totals.conflicts += counters.conflicts;
    totals.merges += counters.merges;
  }
  return {
    attempts: totals.attempts,
    skipped_retests: totals.skippedRetests,
    infra_retries: totals.infraRetries,
    red: totals.red,
    conflicts: totals.conflicts,
    merges: totals.merges,
    queues: mergeQueues.map(({ repositoryId, base, current, queue }) => ({
      repository: repositoryId,
      base,
      current,
      queue,
    })),
  };
}

/** Switches that are on by default and were turned off, as `doctor` shows them too. */
export function listSwitchedOff(config: Config): string[] {
  const off = Object.entries(config.agents).flatMap(([name, agent]) =>
    agent.credentialsCheck === false ? [`credentials check of ${name}`] : [],
  );
  if (config.limits.silenceMs === 0) off.push('silence watch');
  for (const project of Object.values(config.projects)) {
    if (!project.skipRetest) off.push(`skipping a re-test of a tree that was tested (${project.key})`);
    if (project.developmentGate === 'none') off.push(`tests after development (${project.key})`);
    if (project.markersFile === null) off.push(`regression markers (${project.key})`);
  }
  return off;
}

/** The run in flight, else the last one. */
export function currentRun(status: WorkItemStatus): RunView | null {
  return (
    status.runs.findLast((run) => run.outcome === 'running' || run.outcome === 'queued') ?? status.runs.at(-1) ?? null
  );
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 1000);
}
