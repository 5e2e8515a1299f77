import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { infraWaitMs, transientWaitMs } from './backoff.ts';

const limits = { baseMs: 10_000, capMs: 600_000 };

describe('transientWaitMs', () => {
  it('waits 20, 40, 80, 160, 320 s and never more than the cap', () => {
    expect([1, 2, 3, 4, 5].map((n) => transientWaitMs(n, limits) / 1000)).toEqual([20, 40, 80, 160, 320]);
    expect(transientWaitMs(6, limits)).toBe(600_000);
    expect(transientWaitMs(5000, limits)).toBe(600_000);
  });

  it('takes Retry-After for a floor that is itself capped', () => {
    expect(transientWaitMs(1, { ...limits, retryAfterMs: 42_000 })).toBe(42_000);
    expect(transientWaitMs(3, { ...limits, retryAfterMs: 42_000 })).toBe(80_000);
    expect(transientWaitMs(1, { ...limits, retryAfterMs: 86_400_000 })).toBe(600_000);
  });

  it.each([0, -7_000, Number.NaN])('ignores a Retry-After of %d', (retryAfterMs) => {
    expect(transientWaitMs(1, { ...limits, retryAfterMs })).toBe(20_000);
  });

  it('never waits less than the first step, more than the cap, or less than before', () => {
    fc.assert(
      fc.property(fc.integer(), fc.option(fc.double(), { nil: undefined }), (n, retryAfterMs) => {
        const wait = transientWaitMs(n, { ...limits, retryAfterMs });
        expect(wait).toBeGreaterThanOrEqual(20_000);
        expect(wait).toBeLessThanOrEqual(600_000);
        expect(transientWaitMs(n + 1, { ...limits, retryAfterMs })).toBeGreaterThanOrEqual(wait);
      }),
    );
  });
});

describe('infraWaitMs', () => {
  it('grows, and is bounded', () => {
    expect([1, 2, 3].map((n) => infraWaitMs(n, 30_000))).toEqual([30_000, 60_000, 120_000]);
    expect(infraWaitMs(100, 30_000)).toBe(600_000);
  });
});
