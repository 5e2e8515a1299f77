import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseResetTime } from './reset-time.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 10, 0, 0);
const at = (iso: string): number => Date.parse(iso);

test.each([
  ['usage limit reached|1795269600', '2026-11-21T14:00:00Z'],
  ['resets 11:05am (UTC)', '2026-11-21T11:05:00Z'],
  ['resets 9pm', '2026-11-21T21:00:00Z'],
  ['resets 12am (UTC)', '2026-11-22T00:00:00Z'],
  ['resets 12:30pm (UTC)', '2026-11-21T12:30:00Z'],
  ['will reset at 2pm (UTC).', '2026-11-21T14:00:00Z'],
  ['resets 10am (UTC)', '2026-11-22T10:00:00Z'],
  ['resets Nov 24, 10:07pm (UTC)', '2026-11-24T22:07:00Z'],
  ['resets Jan 2, 3am (UTC)', '2027-01-02T03:00:00Z'],
  ['resets 4:20pm (Europe/Warsaw)', '2026-11-21T15:20:00Z'],
  ['resets 1am (Asia/Kolkata)', '2026-11-21T19:30:00Z'],
  ['regain access on 2026-12-01 at 00:00 UTC.', '2026-12-01T00:00:00Z'],
])('%s', (text, iso) => {
  expect(parseResetTime(text, NOW_MS)).toBe(at(iso));
});

test.each([
  '',
  'resets soon',
  'resets 13pm',
  'resets 9:75am',
  'resets 2pm (Nowhere/Land)',
  'limit 429',
  'resets Foo 3, 2pm',
  'a|12345',
])('nothing can be read from "%s"', (text) => {
  expect(parseResetTime(text, NOW_MS)).toBeNull();
});

test('a time that falls into a clock change is still an instant', () => {
  // 2026-03-29 01:00 UTC: Warsaw jumps from 2:00 to 3:00.
  const now = at('2026-03-28T20:00:00Z');
  expect(parseResetTime('resets 4am (Europe/Warsaw)', now)).toBe(at('2026-03-29T02:00:00Z'));
  expect(parseResetTime('resets 1am (Europe/Warsaw)', now)).toBe(at('2026-03-29T00:00:00Z'));
});

test('a time of day is always the next one: later than now and within a day', () => {
  const zones = ['UTC', 'Europe/Warsaw', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland'];
  fc.assert(
    fc.property(
      fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2028-01-01T00:00:00Z') }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 59 }),
      fc.constantFrom('am', 'pm'),
      fc.constantFrom(...zones),
      (nowMs, hour, minute, half, zone) => {
        const text = `resets ${hour}:${String(minute).padStart(2, '0')}${half} (${zone})`;
        const resetMs = parseResetTime(text, nowMs) ?? Number.NaN;
        expect(resetMs).toBeGreaterThan(nowMs);
        // A day of a clock change has 25 hours; a wall time that the change skips moves by one more.
        expect(resetMs - nowMs).toBeLessThanOrEqual(26 * 3_600_000);
        expect(resetMs % 60_000).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
