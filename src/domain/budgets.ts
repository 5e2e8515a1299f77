/**
 * Time budgets of runs. The ladder falls rung by rung, for one role alone: a typo in the override map once took the
 * developer's hour away, and must not take anything from the other roles.
 */
import type { Limits } from '../config-types.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Longest budget that a timer can hold (2^31 - 1 ms); a longer one would fire at once. */
export const MAX_BUDGET_MS = 2_147_483_000;

/** What the end of a run may take beyond its stop sequence: sweep, fsync of the exit record, a starved machine. */
export const CEILING_MARGIN_MS = 60_000;

/** The numbers of the settings table. */
export const DEFAULT_LIMITS: Limits = {
  concurrentRuns: 1,
  gateSlots: 1,
  backoffBaseMs: 10 * SECOND_MS,
  backoffCapMs: 600 * SECOND_MS,
  transientRetries: 5,
  permanentTries: 2,
  breakerThreshold: 3,
  breakerPauseMs: 300 * SECOND_MS,
  preflightCacheMs: 45 * SECOND_MS,
  versionProbeMs: 5 * SECOND_MS,
  runBudgetMs: 1800 * SECOND_MS,
  developerBudgetMs: 3600 * SECOND_MS,
  reviewerBudgetMs: 3000 * SECOND_MS,
  interruptMs: 5 * SECOND_MS,
  graceMs: 20 * SECOND_MS,
  silenceMs: 15 * MINUTE_MS,
  leaseMs: 5 * MINUTE_MS,
  outputLimitBytes: 1024 ** 3,
  relaunches: 5,
  relaunchFloorMs: 10 * MINUTE_MS,
  gateTimeoutMs: 900 * SECOND_MS,
  retestTimeoutMs: 900 * SECOND_MS,
  coverageTimeoutMs: 900 * SECOND_MS,
  infraRetries: 3,
  infraRetryBaseMs: 30 * SECOND_MS,
  developerAttempts: 3,
  reminderFirstMs: 24 * HOUR_MS,
  reminderEveryMs: 72 * HOUR_MS,
  answerSettleMs: MINUTE_MS,
};

export interface RunBudget {
  budgetMs: number;
  /** For `doctor`; empty where every rung was readable. */
  warnings: string[];
}

/**
 * The wall-clock budget of one role: override map (seconds by role, or that map as JSON text) > the role's own setting >
 * developer's and reviewer's defaults > the global default. Never throws.
 */
export function resolveRunBudget(request: {
  role: string;
  overrides: unknown;
  roleBudgetMs?: number | undefined;
  limits: Pick<Limits, 'runBudgetMs' | 'developerBudgetMs' | 'reviewerBudgetMs'>;
}): RunBudget {
  const { role, limits, roleBudgetMs } = request;
  const warnings: string[] = [];
  const map = readOverrides(request.overrides, warnings);
  if (map !== null && Object.hasOwn(map, role)) {
    const seconds = map[role];
    if (isPositiveInteger(seconds) && seconds * SECOND_MS <= MAX_BUDGET_MS)
      return { budgetMs: seconds * SECOND_MS, warnings };
    warnings.push(`budget override of ${role} is not a positive number of whole seconds; its own setting counts`);
  }
  if (roleBudgetMs !== undefined) {
    if (isPositiveInteger(roleBudgetMs) && roleBudgetMs <= MAX_BUDGET_MS) return { budgetMs: roleBudgetMs, warnings };
    warnings.push(`budget of ${role} is not a positive whole number; the default counts`);
  }
  if (role === 'developer') return { budgetMs: limits.developerBudgetMs, warnings };
  if (role === 'reviewer') return { budgetMs: limits.reviewerBudgetMs, warnings };
  return { budgetMs: limits.runBudgetMs, warnings };
}

/**
 * Ceiling for the activity that attends a run (startToCloseTimeout): budget, whole stop sequence, margin. It must never
 * fire before the supervisor has ended the run by itself.
 */
export function runCeilingMs(run: { budgetMs: number; interruptMs: number; graceMs: number }): number {
  return run.budgetMs + run.interruptMs + run.graceMs + CEILING_MARGIN_MS;
}

/** Budget of a relaunch: what is left of the run's own, but at least the floor. */
export function relaunchBudgetMs(run: { budgetMs: number; usedMs: number; floorMs: number }): number {
  return Math.max(run.budgetMs - Math.max(run.usedMs, 0), run.floorMs);
}

function readOverrides(overrides: unknown, warnings: string[]): Record<string, unknown> | null {
  if (overrides === undefined || overrides === null || overrides === '') return null;
  const value = typeof overrides === 'string' ? parseJson(overrides) : overrides;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  warnings.push('the map of budget overrides is malformed and ignored; expected seconds by role');
  return null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isPositiveInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
