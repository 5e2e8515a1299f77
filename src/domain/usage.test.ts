import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addUsage,
  formatDuration,
  formatTokens,
  formatUsage,
  formatUsd,
  refineModel,
  shortModel,
  zeroUsage,
} from './usage.ts';

describe('addUsage', () => {
  it('sums every field and takes null for nothing', () => {
    const one = { inputTokens: 1, outputTokens: 2, cachedTokens: 3, costUsd: 0.5, turns: 4, durationMs: 5 };
    expect(addUsage(one, one)).toEqual({
      inputTokens: 2,
      outputTokens: 4,
      cachedTokens: 6,
      costUsd: 1,
      turns: 8,
      durationMs: 10,
    });
    expect(addUsage(null, one)).toEqual(one);
    expect(addUsage(null, null)).toEqual(zeroUsage());
  });
});

describe('models', () => {
  it.each([
    ['provider/claude-opus-4-8', 'opus-4-8'],
    ['claude-opus-4-8', 'opus-4-8'],
    ['a/b/gpt-9', 'gpt-9'],
    [null, ''],
    ['  ', ''],
    ['null', ''],
  ])('%s is shown as %j', (model, short) => {
    expect(shortModel(model)).toBe(short);
  });

  it('refines, fills and never blanks', () => {
    expect(refineModel('claude-opus-4-8', 'provider/claude-opus-4-8')).toBe('provider/claude-opus-4-8');
    expect(refineModel('', 'claude-opus-4-8')).toBe('claude-opus-4-8');
    for (const blank of [null, '', '  ', '<synthetic>', 'null', 'unknown']) {
      expect(refineModel('claude-opus-4-8', blank)).toBe('claude-opus-4-8');
    }
    expect(refineModel(null, null)).toBeNull();
  });
});

describe('formats', () => {
  it.each([
    [0, '0s'],
    [-1, '0s'],
    [400, '0.4s'],
    [9_960, '10s'],
    [45_000, '45s'],
    [59_700, '1m 00s'],
    [200_000, '3m 20s'],
    [3_720_000, '1h 02m'],
    [183_600_000, '2d 3h'],
    [Number.NaN, '0s'],
    [Number.POSITIVE_INFINITY, '0s'],
  ])('%d ms is %s', (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });

  it.each([
    [0, '0'],
    [950, '950'],
    [12_400, '12.4k'],
    [999_960, '1M'],
    [3_100_000, '3.1M'],
  ])('%d tokens are %s', (count, text) => {
    expect(formatTokens(count)).toBe(text);
  });

  it('does not show a small cost as none', () => {
    expect([0, 0.004, 1.284].map(formatUsd)).toEqual(['$0.00', '<$0.01', '$1.28']);
  });

  it('leaves out what is not known', () => {
    const usage = { ...zeroUsage(), inputTokens: 12_400, costUsd: 1.284, turns: 1, durationMs: 200_000 };
    expect(formatUsage(usage)).toBe('12.4k in · $1.28 · 1 turn · 3m 20s');
    expect(formatUsage(zeroUsage())).toBe('');
    expect(formatUsage(null)).toBe('');
  });

  it('never says NaN, null or undefined', () => {
    const field = fc.double();
    const usage = fc.record({
      inputTokens: field,
      outputTokens: field,
      cachedTokens: field,
      costUsd: field,
      turns: field,
      durationMs: field,
    });
    fc.assert(
      fc.property(usage, (value) => {
        expect(formatUsage(value)).not.toMatch(/NaN|Infinity|null|undefined/);
      }),
    );
  });
});
