import { describe, expect, it } from 'vitest';
import { findNearest } from './suggest.ts';
import { parseDurationMs, parseSizeBytes } from './units.ts';

describe('durations', () => {
  it.each([
    ['60m', 3_600_000],
    ['15 m', 900_000],
    ['1h 30m', 5_400_000],
    ['250ms', 250],
    ['90', 90_000],
    [90, 90_000],
    [0.5, 500],
    ['1.5h', 5_400_000],
    ['3d', 259_200_000],
    ['0', 0],
  ])('%s is %d ms', (text, milliseconds) => expect(parseDurationMs(text)).toBe(milliseconds));
  it.each(['', 'soon', '-5s', '5 parsecs', -1, Number.NaN, Infinity, null, true, ['5m'], '1h x'])(
    '%j is none',
    (value) => {
      expect(parseDurationMs(value)).toBeNull();
    },
  );
});

describe('sizes', () => {
  it.each([
    ['1GiB', 1024 ** 3],
    ['100MB', 100e6],
    [7, 7],
    ['7', 7],
    ['1.5 kib', 1536],
  ])('%s is %d', (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes);
  });
  it.each(['big', -1, 1.5, '1XB', null])('%j is none', (value) => expect(parseSizeBytes(value)).toBeNull());
});

describe('findNearest', () => {
  it('takes a near word, and none where none is near', () => {
    expect(findNearest('brnach', ['branch', 'budget'])).toBe('branch');
    expect(findNearest('stat', ['start', 'status'])).toBe('status');
    expect(findNearest('ET-21', ['ET-12', 'SHOP-1'])).toBe('ET-12');
    expect(findNearest('completely', ['branch', 'budget'])).toBeNull();
  });
});
