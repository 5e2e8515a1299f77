/** Waits between tries. Bounded on both sides: a provider's Retry-After may lengthen a wait, never past the cap. */

/** Longest wait between infrastructure retries. */
const INFRA_CAP_MS = 600_000;

/**
 * Wait after the n-th transient failure in a row (n counts this one, from 1): min(2^n × base, cap), with the provider's
 * Retry-After as a floor that is itself capped. Values <= 0 of Retry-After are ignored.
 */
export function transientWaitMs(
  n: number,
  options: { baseMs: number; capMs: number; retryAfterMs?: number | undefined },
): number {
  const wait = Math.min(2 ** countFrom(n) * options.baseMs, options.capMs);
  const { retryAfterMs } = options;
  if (retryAfterMs === undefined || !(retryAfterMs > 0)) return wait;
  return Math.max(wait, Math.min(retryAfterMs, options.capMs));
}

/** Wait before the n-th infrastructure retry in place: base, 2 × base, 4 × base …, at most 10 min. */
export function infraWaitMs(n: number, baseMs: number): number {
  return Math.min(2 ** (countFrom(n) - 1) * baseMs, INFRA_CAP_MS);
}

function countFrom(n: number): number {
  return Number.isFinite(n) ? Math.min(Math.max(Math.floor(n), 1), 60) : 1;
}
