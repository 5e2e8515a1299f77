import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expire, hold, initialGate, release, report, take, viewGate } from './launch-gate.ts';
import type { GateAlert, GateState } from './launch-gate.ts';
import type { OutcomeReport, TakeResult } from './protocol.ts';

const PAUSE_MS = 300_000;

/** A gate with a clock; keeps every alert. */
class Bench {
  state: GateState = initialGate('claude');
  nowMs = 1_000_000;
  alerts: GateAlert[] = [];

  take(runId: string): TakeResult {
    const step = take(this.state, { runId, itemId: `item-${runId}`, project: 'ET' }, this.nowMs);
    this.state = step.state;
    return step.result;
  }

  report(runId: string, outcome: Partial<OutcomeReport> & { outcome: OutcomeReport['outcome'] }): void {
    const step = report(this.state, { runId, launchedAtMs: this.nowMs, ...outcome }, this.nowMs);
    this.state = step.state;
    this.alerts.push(...step.alerts);
  }

  fail(runId: string, failureClass: string, more: Partial<OutcomeReport> = {}): void {
    this.report(runId, { outcome: 'failed', failureClass, ...more });
  }

  causes(): string[] {
    return this.alerts.map((alert) => alert.cause);
  }

  openBreaker(): void {
    for (const runId of ['t1', 't2', 't3']) {
      this.take(runId);
      this.fail(runId, 'transient');
    }
  }
}

describe('breaker', () => {
  it('opens at the third transient failure in a row, with one alert, for 300 s', () => {
    const bench = new Bench();
    bench.openBreaker();
    expect(bench.causes()).toEqual(['breaker-open']);
    expect(bench.take('x')).toMatchObject({ granted: false, untilMs: bench.nowMs + PAUSE_MS });
    bench.nowMs += PAUSE_MS - 1;
    expect(bench.take('x')).toMatchObject({ granted: false });
    expect(viewGate(bench.state, bench.nowMs)).toMatchObject({ state: 'breaker-open', consecutiveTransient: 3 });
  });

  it('then grants exactly one probe', () => {
    const bench = new Bench();
    bench.openBreaker();
    bench.nowMs += PAUSE_MS;
    expect(viewGate(bench.state, bench.nowMs).state).toBe('half-open');
    expect(bench.take('p')).toEqual({ granted: true });
    expect(bench.take('q')).toMatchObject({ granted: false });
    expect(bench.take('p')).toEqual({ granted: true });
  });

  it.each([
    ['success', { outcome: 'succeeded' }],
    ['a permanent failure: the provider answered', { outcome: 'failed', failureClass: 'permanent' }],
    ['a run past its budget: the provider answered', { outcome: 'budget', failureClass: 'permanent' }],
  ] as const)('closes on %s of the probe', (_name, outcome) => {
    const bench = new Bench();
    bench.openBreaker();
    bench.nowMs += PAUSE_MS;
    bench.take('p');
    bench.report('p', outcome);
    expect(bench.causes()).toEqual(['breaker-open', 'breaker-closed']);
    expect(bench.take('q')).toEqual({ granted: true });
    expect(viewGate(bench.state, bench.nowMs)).toMatchObject({ state: 'open', consecutiveTransient: 0 });
  });

  it('opens again, with an alert, on a transient failure of the probe', () => {
    const bench = new Bench();
    bench.openBreaker();
    bench.nowMs += PAUSE_MS;
    bench.take('p');
    bench.fail('p', 'transient');
    expect(bench.causes()).toEqual(['breaker-open', 'breaker-reopened']);
    expect(bench.take('q')).toMatchObject({ granted: false, untilMs: bench.nowMs + PAUSE_MS });
  });

  it('neither extends its pause nor alerts for failures that come late', () => {
    const bench = new Bench();
    bench.take('late');
    const launchedAtMs = bench.nowMs;
    bench.openBreaker();
    const untilMs = bench.nowMs + PAUSE_MS;
    bench.nowMs += 100_000;
    bench.fail('late', 'transient', { launchedAtMs });
    expect(bench.causes()).toEqual(['breaker-open']);
    expect(bench.take('x')).toMatchObject({ granted: false, untilMs });
  });

  it('lets a late failure neither reopen it nor free the probe while half-open', () => {
    const bench = new Bench();
    bench.take('late');
    bench.openBreaker();
    bench.nowMs += PAUSE_MS;
    bench.take('p');
    bench.fail('late', 'transient', { launchedAtMs: 1_000_000 });
    expect(bench.causes()).toEqual(['breaker-open']);
    expect(bench.take('q')).toMatchObject({ granted: false });
  });

  it('closes at once on success of a run that was launched before it opened', () => {
    const bench = new Bench();
    bench.take('early');
    bench.openBreaker();
    bench.report('early', { outcome: 'succeeded', launchedAtMs: 1_000_000 });
    expect(bench.causes()).toEqual(['breaker-open', 'breaker-closed']);
    expect(bench.take('x')).toEqual({ granted: true });
  });

  it.each(['permanent', 'limit'])('a %s failure between ends the streak', (between) => {
    const bench = new Bench();
    bench.fail('1', 'transient');
    bench.fail('2', 'transient');
    bench.fail('3', between);
    bench.fail('4', 'transient');
    bench.fail('5', 'transient');
    expect(bench.causes()).toEqual([]);
  });

  it.each([
    { outcome: 'stopped' },
    { outcome: 'lost' },
    { outcome: 'lease' },
    { outcome: 'silence', failureClass: 'permanent' },
    { outcome: 'failed', failureClass: 'config' },
    { outcome: 'failed', failureClass: 'infrastructure' },
  ] as const)('$outcome $failureClass says nothing: the streak stands, a probe makes room for another', (outcome) => {
    const bench = new Bench();
    bench.fail('1', 'transient');
    bench.fail('2', 'transient');
    bench.report('3', outcome);
    bench.fail('4', 'transient');
    expect(bench.causes()).toEqual(['breaker-open']);
    bench.nowMs += PAUSE_MS;
    bench.take('p');
    bench.report('p', outcome);
    expect(viewGate(bench.state, bench.nowMs).state).toBe('half-open');
    expect(bench.take('q')).toEqual({ granted: true });
  });

  it('counts a report that comes twice once', () => {
    const bench = new Bench();
    for (let times = 0; times < 5; times += 1) bench.fail('same', 'transient');
    expect(bench.state.streak).toBe(1);
  });
});

describe('login', () => {
  it('holds everybody after an auth failure, with one alert, then lets one probe try', () => {
    const bench = new Bench();
    bench.fail('a', 'auth');
    expect(bench.causes()).toEqual(['login-lost']);
    expect(bench.take('b')).toMatchObject({ granted: false });
    expect(viewGate(bench.state, bench.nowMs).state).toBe('held');
    bench.nowMs += 60_000;
    expect(bench.take('b')).toEqual({ granted: true });
    expect(bench.take('c')).toMatchObject({ granted: false });
    bench.report('b', { outcome: 'succeeded' });
    expect(bench.take('c')).toEqual({ granted: true });
    expect(bench.causes()).toEqual(['login-lost', 'login-back']);
  });

  it('stays closed after a second auth failure in a row until it is released', () => {
    const bench = new Bench();
    bench.fail('a', 'auth');
    bench.nowMs += 60_000;
    bench.take('b');
    bench.fail('b', 'auth');
    bench.nowMs += 10 * 86_400_000;
    expect(bench.take('c')).toMatchObject({ granted: false });
    expect(bench.take('c')).not.toHaveProperty('untilMs');
    expect(bench.causes()).toEqual(['login-lost']);
    bench.state = release(bench.state, bench.nowMs);
    expect(bench.take('c')).toEqual({ granted: true });
    expect(bench.take('d')).toMatchObject({ granted: false });
    bench.fail('c', 'auth');
    expect(bench.causes()).toEqual(['login-lost', 'login-refused']);
    expect(bench.take('d')).toMatchObject({ granted: false });
  });

  it('learns nothing from runs launched before the login was lost', () => {
    const bench = new Bench();
    bench.take('early');
    bench.nowMs += 1_000;
    bench.fail('a', 'auth');
    bench.fail('early', 'auth', { launchedAtMs: 1_000_000 });
    expect(bench.state.auth).toMatchObject({ failures: 1 });
    bench.report('early2', { outcome: 'succeeded', launchedAtMs: 1_000_000 });
    expect(bench.take('b')).toMatchObject({ granted: false });
  });

  it('does not feed the breaker', () => {
    const bench = new Bench();
    for (const runId of ['a', 'b', 'c', 'd']) bench.fail(runId, 'auth', { launchedAtMs: 1 });
    expect(bench.state).toMatchObject({ breaker: 'closed', streak: 0 });
  });
});

describe('holds', () => {
  it('waits for the reset of a usage window, the later one of two', () => {
    const bench = new Bench();
    const resetAtMs = bench.nowMs + 5 * 3_600_000;
    bench.fail('a', 'limit', { resetAtMs });
    bench.fail('b', 'limit', { resetAtMs: resetAtMs - 1000 });
    expect(bench.take('c')).toMatchObject({ granted: false, untilMs: resetAtMs });
    bench.nowMs = resetAtMs;
    expect(bench.take('c')).toEqual({ granted: true });
  });

  it('is not held by a reset that is past or unknown', () => {
    const bench = new Bench();
    bench.fail('a', 'limit', { resetAtMs: bench.nowMs - 1 });
    bench.fail('b', 'limit');
    expect(bench.take('c')).toEqual({ granted: true });
  });

  it("keeps an operator's hold until it is released", () => {
    const bench = new Bench();
    bench.state = hold(bench.state, 'maintenance');
    bench.nowMs += 1e9;
    expect(bench.take('a')).toEqual({ granted: false, reason: 'held: maintenance' });
    bench.state = release(bench.state, bench.nowMs);
    expect(bench.take('a')).toEqual({ granted: true });
  });
});

describe('grants', () => {
  it('end with their lease, so that a lost probe blocks nobody for ever', () => {
    const bench = new Bench();
    bench.openBreaker();
    bench.nowMs += PAUSE_MS;
    bench.take('p');
    bench.nowMs += bench.state.settings.grantLeaseMs;
    expect(bench.take('q')).toEqual({ granted: true });
    expect(viewGate(bench.state, bench.nowMs).grants.map((grant) => grant.runId)).toEqual(['q']);
  });

  it('tells when something changes by itself', () => {
    const bench = new Bench();
    expect(expire(bench.state, bench.nowMs).nextAtMs).toBeNull();
    bench.openBreaker();
    expect(expire(bench.state, bench.nowMs).nextAtMs).toBe(bench.nowMs + PAUSE_MS);
  });
});

/** The rules again, as plainly as possible, over one breaker and nothing else. */
interface Model {
  state: 'closed' | 'open' | 'half-open';
  streak: number;
  untilMs: number;
  probe: string | null;
}

describe('model', () => {
  it('agrees with the plain breaker over any story', () => {
    const runId = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('take' as const), runId }),
      fc.record({
        kind: fc.constant('end' as const),
        runId,
        how: fc.constantFrom('success', 'transient', 'permanent', 'stopped'),
      }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 150_000, PAUSE_MS) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const bench = new Bench();
        bench.state = initialGate('claude', { grantLeaseMs: 1e12 });
        const model: Model = { state: 'closed', streak: 0, untilMs: 0, probe: null };
        const live = new Set<string>();
        let launched = 0;
        for (const each of steps) {
          const alertsBefore = bench.alerts.length;
          let alertsExpected = 0;
          if (each.kind === 'wait') bench.nowMs += each.ms;
          if (model.state === 'open' && bench.nowMs >= model.untilMs) model.state = 'half-open';
          if (each.kind === 'take') {
            const free = model.state === 'closed' || (model.state === 'half-open' && model.probe === null);
            expect(bench.take(each.runId).granted).toBe(live.has(each.runId) || free);
            if (free && !live.has(each.runId) && model.state === 'half-open') model.probe = each.runId;
            if (free) live.add(each.runId);
          }
          if (each.kind === 'end' && live.delete(each.runId)) {
            launched += 1;
            const wasProbe = model.probe === each.runId;
            if (wasProbe) model.probe = null;
            if (each.how === 'success' || each.how === 'permanent') {
              alertsExpected = model.state === 'closed' ? 0 : 1;
              Object.assign(model, { state: 'closed', streak: 0, probe: null });
            }
            if (each.how === 'transient' && (model.state === 'closed' || wasProbe)) {
              model.streak += 1;
              if (model.streak >= 3) {
                alertsExpected = 1;
                Object.assign(model, { state: 'open', untilMs: bench.nowMs + PAUSE_MS });
              }
            }
            const launchedAtMs = launched;
            if (each.how === 'success') bench.report(each.runId, { outcome: 'succeeded', launchedAtMs });
            else if (each.how === 'stopped') bench.report(each.runId, { outcome: 'stopped', launchedAtMs });
            else bench.fail(each.runId, each.how, { launchedAtMs });
          }
          const view = viewGate(bench.state, bench.nowMs);
          expect(view.state).toBe({ closed: 'open', open: 'breaker-open', 'half-open': 'half-open' }[model.state]);
          expect(view.consecutiveTransient).toBe(model.streak);
          expect(bench.alerts.length - alertsBefore).toBe(alertsExpected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('grants nothing but one probe at a time while a login is to be proved, and is plain JSON', () => {
    const runId = fc.constantFrom('a', 'b', 'c', 'd');
    const how = fc.constantFrom('success', 'transient', 'permanent', 'auth', 'limit', 'lost');
    const step = fc.record({ take: fc.boolean(), runId, how, ms: fc.constantFrom(0, 60_000, 400_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const bench = new Bench();
        let launched = 0;
        for (const each of steps) {
          bench.nowMs += each.ms;
          const proving = expire(bench.state, bench.nowMs).state;
          if (each.take) {
            const known = proving.grants.some((grant) => grant.runId === each.runId);
            const { granted } = bench.take(each.runId);
            if (granted && !known && (proving.auth !== null || proving.breaker === 'half-open')) {
              expect(proving.probe).toBeNull();
              expect(bench.state.probe).toBe(each.runId);
            }
          } else {
            launched += 1;
            const launchedAtMs = bench.nowMs + launched / 1000;
            if (each.how === 'success') bench.report(each.runId, { outcome: 'succeeded', launchedAtMs });
            else if (each.how === 'lost') bench.report(each.runId, { outcome: 'lost', launchedAtMs });
            else bench.fail(each.runId, each.how, { launchedAtMs, resetAtMs: bench.nowMs + 30_000 });
          }
          expect(JSON.parse(JSON.stringify(bench.state))).toEqual(bench.state);
        }
      }),
      { numRuns: 300 },
    );
  });
});
