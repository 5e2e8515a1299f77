import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, MAX_BUDGET_MS, relaunchBudgetMs, resolveRunBudget, runCeilingMs } from './budgets.ts';
import { ROLES } from './types.ts';

function resolve(role: string, overrides?: unknown, roleBudgetMs?: number): { budgetMs: number; warnings: string[] } {
  return resolveRunBudget({ role, overrides, roleBudgetMs, limits: DEFAULT_LIMITS });
}

describe('resolveRunBudget', () => {
  it.each([
    ['developer', 3_600_000],
    ['reviewer', 3_000_000],
    ['analyst', 1_800_000],
    ['deployer', 1_800_000],
    ['somebody-new', 1_800_000],
    ['__proto__', 1_800_000],
  ])('gives %s its default', (role, budgetMs) => {
    expect(resolve(role)).toEqual({ budgetMs, warnings: [] });
  });

  it('goes down the ladder: override, own setting, default', () => {
    expect(resolve('reviewer', { reviewer: 60 }, 5_000)).toEqual({ budgetMs: 60_000, warnings: [] });
    expect(resolve('reviewer', { developer: 60 }, 5_000)).toEqual({ budgetMs: 5_000, warnings: [] });
    expect(resolve('reviewer', { developer: 60 })).toEqual({ budgetMs: 3_000_000, warnings: [] });
  });

  it('reads the map from JSON text as well', () => {
    expect(resolve('tester', '{"tester": 90}')).toEqual({ budgetMs: 90_000, warnings: [] });
  });

  it.each([0, -1, 1.5, '60', null, true, Number.NaN, 1e10])(
    'falls one rung for an entry %j, for that role alone',
    (bad) => {
      const overrides = { developer: bad, reviewer: 60 };
      const developer = resolve('developer', overrides, 7_000);
      expect(developer.budgetMs).toBe(7_000);
      expect(developer.warnings).toHaveLength(1);
      expect(resolve('reviewer', overrides)).toEqual({ budgetMs: 60_000, warnings: [] });
    },
  );

  it.each([[[60]], ['{'], ['3600'], [17], [true]])('ignores a malformed map %j with a warning', (overrides) => {
    const budget = resolve('developer', overrides);
    expect(budget.budgetMs).toBe(3_600_000);
    expect(budget.warnings).toHaveLength(1);
  });

  it.each([0, -5, 0.5, Number.POSITIVE_INFINITY])('falls to the default for a role setting of %d', (roleBudgetMs) => {
    const budget = resolve('tester', undefined, roleBudgetMs);
    expect(budget).toMatchObject({ budgetMs: 1_800_000 });
    expect(budget.warnings).toHaveLength(1);
  });

  it('is always a time that a timer can hold', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ROLES),
        fc.anything(),
        fc.option(fc.double(), { nil: undefined }),
        (role, overrides, own) => {
          const { budgetMs } = resolve(role, overrides, own);
          expect(Number.isSafeInteger(budgetMs) && budgetMs > 0 && budgetMs <= MAX_BUDGET_MS).toBe(true);
        },
      ),
    );
  });
});

describe('runCeilingMs', () => {
  it.each(ROLES)('lies beyond budget and whole stop sequence of the %s', (role) => {
    const { interruptMs, graceMs } = DEFAULT_LIMITS;
    const { budgetMs } = resolve(role);
    expect(runCeilingMs({ budgetMs, interruptMs, graceMs })).toBeGreaterThanOrEqual(budgetMs + 5_000 + 20_000 + 10_000);
  });
});

describe('relaunchBudgetMs', () => {
  it('is what is left, at least the floor', () => {
    expect(relaunchBudgetMs({ budgetMs: 3_600_000, usedMs: 600_000, floorMs: 600_000 })).toBe(3_000_000);
    expect(relaunchBudgetMs({ budgetMs: 3_600_000, usedMs: 3_590_000, floorMs: 600_000 })).toBe(600_000);
    expect(relaunchBudgetMs({ budgetMs: 3_600_000, usedMs: -5, floorMs: 600_000 })).toBe(3_600_000);
  });
});

describe('DEFAULT_LIMITS', () => {
  it('holds the published numbers', () => {
    expect(DEFAULT_LIMITS).toMatchObject({
      concurrentRuns: 1,
      backoffBaseMs: 10_000,
      backoffCapMs: 600_000,
      transientRetries: 5,
      permanentTries: 2,
      breakerThreshold: 3,
      breakerPauseMs: 300_000,
      preflightCacheMs: 45_000,
      versionProbeMs: 5_000,
      graceMs: 20_000,
      silenceMs: 900_000,
      leaseMs: 300_000,
      outputLimitBytes: 1_073_741_824,
      relaunches: 5,
      retestTimeoutMs: 900_000,
      coverageTimeoutMs: 900_000,
      infraRetries: 3,
      developerAttempts: 3,
      reminderFirstMs: 86_400_000,
      reminderEveryMs: 259_200_000,
      answerSettleMs: 60_000,
    });
  });
});
