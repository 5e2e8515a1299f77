/**
 * Whether a run of one agent login may be launched: a breaker against a provider in trouble, a hold for a lost login, a
 * hold until a usage window opens, an operator's hold. A pure reducer over plain state. It answers at once: whoever is
 * refused waits in its claim and asks again, so a lost message can delay launches but never lose one.
 */
import { authFailed, authHoldReason, authSucceeded } from './launch-gate-auth.ts';
import type { AuthHold } from './launch-gate-auth.ts';
import type { LaunchGateStatus, OutcomeReport, TakeInput, TakeResult } from './protocol.ts';
import { formatUtc } from './time.ts';

export interface GateSettings {
  /** Transient failures in a row that open the breaker. */
  breakerThreshold: number;
  breakerPauseMs: number;
  /** A grant without an outcome ends after this; longer than the longest run, since a probe holds everybody else up. */
  grantLeaseMs: number;
  /** After a first auth failure one probe is tried this much later by itself. */
  authProbeMs: number;
}

export interface Grant {
  runId: string;
  itemId: string;
  project: string;
  sinceMs: number;
  leaseUntilMs: number;
}

export interface GateState {
  login: string;
  settings: GateSettings;
  breaker: 'closed' | 'open' | 'half-open';
  /** Transient failures in a row. */
  streak: number;
  /** End of the pause while the breaker is open. */
  openUntilMs: number | null;
  /** Run that is out as the one probe (breaker half-open, or login to be proved). */
  probe: string | null;
  auth: AuthHold | null;
  limitUntilMs: number | null;
  operatorHold: string | null;
  grants: Grant[];
  /** Reports already counted (run id and launch time), the last 200: a signal may come twice. */
  reported: string[];
}

export interface GateAlert {
  kind: 'breaker' | 'attention' | 'info';
  cause: 'breaker-open' | 'breaker-reopened' | 'breaker-closed' | 'login-lost' | 'login-refused' | 'login-back';
  reason: string;
  atMs: number;
}

export interface GateStep {
  state: GateState;
  alerts: GateAlert[];
}

const REPORTED_KEPT = 200;

export const DEFAULT_GATE_SETTINGS: GateSettings = {
  breakerThreshold: 3,
  breakerPauseMs: 300_000,
  grantLeaseMs: 2 * 3_600_000,
  authProbeMs: 60_000,
};

export function initialGate(login: string, settings: Partial<GateSettings> = {}): GateState {
  return {
    login,
    settings: { ...DEFAULT_GATE_SETTINGS, ...settings },
    breaker: 'closed',
    streak: 0,
    openUntilMs: null,
    probe: null,
    auth: null,
    limitUntilMs: null,
    operatorHold: null,
    grants: [],
    reported: [],
  };
}

/** Grants or refuses a launch at once. The same run asking again keeps its grant and renews its lease. */
export function take(state: GateState, input: TakeInput, nowMs: number): GateStep & { result: TakeResult } {
  const current = expire(state, nowMs).state;
  const held = current.grants.some((grant) => grant.runId === input.runId);
  const refusal = held ? null : findRefusal(current, nowMs);
  if (refusal !== null) return { state: current, alerts: [], result: refusal };
  const { runId, itemId, project } = input;
  const before = current.grants.find((grant) => grant.runId === runId);
  const grant: Grant = {
    runId,
    itemId,
    project,
    sinceMs: before?.sinceMs ?? nowMs,
    leaseUntilMs: nowMs + current.settings.grantLeaseMs,
  };
  const grants = [...current.grants.filter((other) => other.runId !== runId), grant];
  const probe = held ? current.probe : needsProbe(current) ? runId : null;
  return { state: { ...current, grants, probe }, alerts: [], result: { granted: true } };
}

/**
 * Counts the outcome of a run and ends its grant. Success closes the breaker, also of a run launched before it opened;
 * so do a permanent failure and a usage limit (the provider answered). A transient failure counts while closed, reopens
 * as the probe's, and is otherwise late: it neither extends the pause nor alerts. Ends that say nothing about the
 * provider (stopped, lost, silent, launch errors) only end the grant.
 */
export function report(state: GateState, outcome: OutcomeReport, nowMs: number): GateStep {
  const current = expire(state, nowMs).state;
  const id = `${outcome.runId}@${outcome.launchedAtMs}`;
  if (current.reported.includes(id)) return { state: current, alerts: [] };
  const wasProbe = current.probe === outcome.runId;
  const ended: GateState = {
    ...current,
    grants: current.grants.filter((grant) => grant.runId !== outcome.runId),
    probe: wasProbe ? null : current.probe,
    reported: [...current.reported, id].slice(-REPORTED_KEPT),
  };
  switch (meaningOf(outcome)) {
    case 'success': {
      const answered = closeBreaker(ended, nowMs, 'a run succeeded');
      return wasProbe ? authSucceeded(answered, nowMs) : answered;
    }
    case 'permanent':
      return closeBreaker(ended, nowMs, 'the provider answers again');
    case 'limit': {
      const limitUntilMs = Math.max(outcome.resetAtMs ?? 0, ended.limitUntilMs ?? 0);
      const answered = closeBreaker(ended, nowMs, 'the provider answers again');
      return { ...answered, state: { ...answered.state, limitUntilMs: limitUntilMs > nowMs ? limitUntilMs : null } };
    }
    case 'transient':
      return countTransient(ended, wasProbe, nowMs);
    case 'auth':
      return authFailed(ended, { wasProbe, launchedAtMs: outcome.launchedAtMs }, nowMs);
    default:
      return { state: ended, alerts: [] };
  }
}

/** An operator's hold: nothing is launched until it is released. */
export function hold(state: GateState, reason: string): GateState {
  return { ...state, operatorHold: reason };
}

/**
 * A person's retry, or changed credentials: ends an operator's hold and the wait for a usage window, and lets exactly one
 * probe prove a lost login. The breaker keeps its pause.
 */
export function release(state: GateState, nowMs: number): GateState {
  const auth = state.auth === null ? null : { ...state.auth, probeAtMs: nowMs, released: true };
  return { ...state, operatorHold: null, limitUntilMs: null, auth };
}

/** Lets time pass: lapsed grants end, a finished pause becomes half-open. `nextAtMs`: when something changes by itself. */
export function expire(state: GateState, nowMs: number): GateStep & { nextAtMs: number | null } {
  const grants = state.grants.filter((grant) => grant.leaseUntilMs > nowMs);
  const pauseOver = state.breaker === 'open' && (state.openUntilMs ?? 0) <= nowMs;
  const next: GateState = {
    ...state,
    grants,
    probe: grants.some((grant) => grant.runId === state.probe) ? state.probe : null,
    breaker: pauseOver ? 'half-open' : state.breaker,
    openUntilMs: pauseOver ? null : state.openUntilMs,
    limitUntilMs: state.limitUntilMs !== null && state.limitUntilMs > nowMs ? state.limitUntilMs : null,
  };
  const instants = [
    next.openUntilMs,
    next.limitUntilMs,
    next.auth?.probeAtMs,
    ...grants.map((grant) => grant.leaseUntilMs),
  ];
  const coming = instants.filter((at): at is number => typeof at === 'number' && at > nowMs);
  return { state: next, alerts: [], nextAtMs: coming.length === 0 ? null : Math.min(...coming) };
}

/** What the query `status` answers. */
export function viewGate(state: GateState, nowMs: number): LaunchGateStatus {
  const current = expire(state, nowMs).state;
  const refusal = findRefusal(current, nowMs);
  const held = current.operatorHold !== null || current.auth !== null || current.limitUntilMs !== null;
  const breaker = ({ closed: 'open', open: 'breaker-open', 'half-open': 'half-open' } as const)[current.breaker];
  return {
    login: current.login,
    state: held ? 'held' : breaker,
    reason: refusal?.reason ?? null,
    untilMs: refusal?.untilMs ?? null,
    consecutiveTransient: current.streak,
    grants: current.grants.map(({ runId, itemId, sinceMs }) => ({ runId, itemId, sinceMs })),
  };
}

type Refusal = Extract<TakeResult, { granted: false }>;

function findRefusal(state: GateState, nowMs: number): Refusal | null {
  if (state.operatorHold !== null) return { granted: false, reason: `held: ${state.operatorHold}` };
  const { auth } = state;
  if (auth !== null && (auth.probeAtMs === null || auth.probeAtMs > nowMs)) {
    const until = auth.probeAtMs === null ? {} : { untilMs: auth.probeAtMs };
    return { granted: false, reason: authHoldReason(state.login), ...until };
  }
  if (state.limitUntilMs !== null) {
    const reason = `usage limit of ${state.login} until ${formatUtc(state.limitUntilMs)}`;
    return { granted: false, reason, untilMs: state.limitUntilMs };
  }
  if (state.breaker === 'open' && state.openUntilMs !== null) {
    const reason = `breaker open after ${state.streak} transient failures in a row`;
    return { granted: false, reason, untilMs: state.openUntilMs };
  }
  return needsProbe(state) && state.probe !== null ? { granted: false, reason: 'one probe run is at work' } : null;
}

function needsProbe(state: GateState): boolean {
  return state.breaker === 'half-open' || state.auth !== null;
}

function closeBreaker(state: GateState, nowMs: number, why: string): GateStep {
  const closed: GateState = { ...state, breaker: 'closed', streak: 0, openUntilMs: null };
  if (state.breaker === 'closed') return { state: closed, alerts: [] };
  // A probe that proves nothing any more is an ordinary run, unless the login is still to be proved.
  const probe = state.auth === null ? null : state.probe;
  const reason = `breaker of ${state.login} closed: ${why}`;
  return { state: { ...closed, probe }, alerts: [{ kind: 'breaker', cause: 'breaker-closed', reason, atMs: nowMs }] };
}

function countTransient(state: GateState, wasProbe: boolean, nowMs: number): GateStep {
  if (state.breaker !== 'closed' && !(wasProbe && state.breaker === 'half-open')) return { state, alerts: [] };
  const again = state.breaker === 'half-open';
  const streak = state.streak + 1;
  if (!again && streak < state.settings.breakerThreshold) return { state: { ...state, streak }, alerts: [] };
  const openUntilMs = nowMs + state.settings.breakerPauseMs;
  const reason = `breaker of ${state.login} ${again ? 'open again' : 'open'}: ${streak} transient failures in a row; launches wait until ${formatUtc(openUntilMs)}`;
  return {
    state: { ...state, breaker: 'open', streak, openUntilMs },
    alerts: [{ kind: 'breaker', cause: again ? 'breaker-reopened' : 'breaker-open', reason, atMs: nowMs }],
  };
}

type Meaning = 'success' | 'permanent' | 'limit' | 'transient' | 'auth' | 'nothing';

function meaningOf(outcome: OutcomeReport): Meaning {
  if (outcome.outcome === 'succeeded') return 'success';
  // Past its budget or output limit an agent was at work, so the provider answered; a silent one proves nothing.
  if (outcome.outcome === 'budget' || outcome.outcome === 'output') return 'permanent';
  if (outcome.outcome !== 'failed') return 'nothing';
  const { failureClass } = outcome;
  return failureClass === 'permanent' ||
    failureClass === 'limit' ||
    failureClass === 'transient' ||
    failureClass === 'auth'
    ? failureClass
    : 'nothing';
}
