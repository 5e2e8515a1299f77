/**
 * The hold of a lost login. The first auth failure lets one probe try by itself a little later; a second one in a row
 * keeps the gate closed until somebody releases it: a stale credentials file that looks fine must not loop.
 */
import type { GateState, GateStep } from './launch-gate.ts';

export interface AuthHold {
  sinceMs: number;
  /** Auth failures in a row. */
  failures: number;
  /** From when one probe may go; null: only after a release. */
  probeAtMs: number | null;
  /** True once a person or changed credentials asked for the probe. */
  released: boolean;
}

export function authHoldReason(login: string): string {
  return `the login ${login} is lost: log in again, then \`stagewright retry\``;
}

/** An auth failure: opens the hold with one alert, or keeps it closed. Runs launched before the hold say nothing new. */
export function authFailed(
  state: GateState,
  run: { wasProbe: boolean; launchedAtMs: number },
  nowMs: number,
): GateStep {
  const { auth, login } = state;
  if (auth === null) {
    const hold: AuthHold = {
      sinceMs: nowMs,
      failures: 1,
      probeAtMs: nowMs + state.settings.authProbeMs,
      released: false,
    };
    const reason = authHoldReason(login);
    return {
      state: { ...state, auth: hold },
      alerts: [{ kind: 'attention', cause: 'login-lost', reason, atMs: nowMs }],
    };
  }
  if (!run.wasProbe && run.launchedAtMs <= auth.sinceMs) return { state, alerts: [] };
  const hold: AuthHold = { sinceMs: nowMs, failures: auth.failures + 1, probeAtMs: null, released: false };
  // Whoever released it waits for news; a probe that went by itself adds nothing to the first alert.
  const reason = `the login ${login} was refused again`;
  const alert = { kind: 'attention', cause: 'login-refused', reason, atMs: nowMs } as const;
  return { state: { ...state, auth: hold }, alerts: auth.released ? [alert] : [] };
}

/** The probe succeeded: the login works again. */
export function authSucceeded(step: GateStep, nowMs: number): GateStep {
  if (step.state.auth === null) return step;
  const reason = `the login ${step.state.login} works again`;
  const alert = { kind: 'info', cause: 'login-back', reason, atMs: nowMs } as const;
  return { state: { ...step.state, auth: null }, alerts: [...step.alerts, alert] };
}
