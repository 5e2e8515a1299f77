import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseResetText } from './reset-time.ts';
import { zoneOffsetMs } from './zones.ts';

const now = Date.parse('2026-11-21T10:00:00Z');

describe('parseResetText', () => {
  it.each([
    ['Claude AI usage limit reached|1795269600', '2026-11-21T14:00:00Z'],
    ['Claude AI usage limit reached|1795269600000', '2026-11-21T14:00:00Z'],
    ['Claude usage limit reached. Your limit will reset at 2pm (UTC).', '2026-11-21T14:00:00Z'],
    ['5-hour limit reached ∙ resets 2pm', '2026-11-21T14:00:00Z'],
    ["You've hit your limit · resets 2pm (UTC)", '2026-11-21T14:00:00Z'],
    ["You've hit your session limit · resets 4:20pm (Europe/Warsaw)", '2026-11-21T15:20:00Z'],
    ["You've hit your 5-hour limit · resets 2pm (UTC)", '2026-11-21T14:00:00Z'],
    ["You've hit your weekly limit · resets Nov 24, 10:07pm (UTC)", '2026-11-24T22:07:00Z'],
    ["You've hit your Opus limit · resets 9:54am (UTC)", '2026-11-22T09:54:00Z'],
    ["You've hit your Sonnet limit · resets 11:05am (UTC)", '2026-11-21T11:05:00Z'],
    ['You will regain access on 2026-12-01 at 00:00 UTC.', '2026-12-01T00:00:00Z'],
    ['You’ve hit your usage limit. … or try again at 2:00 PM.', '2026-11-21T14:00:00Z'],
    ['… or try again at 2:00\u202FPM.', '2026-11-21T14:00:00Z'],
    ['… try again at Nov 24th, 2026 11:29 AM.', '2026-11-24T11:29:00Z'],
    ['Your quota will reset after 21h2m28s.', '2026-11-22T07:02:28Z'],
    ['Try again in 1 day 3 hours 2 minutes.', '2026-11-22T13:02:00Z'],
    ['limit reached - resets 14:30', '2026-11-21T14:30:00Z'],
    ['resets 12am (UTC)', '2026-11-22T00:00:00Z'],
    ['resets 12pm (UTC)', '2026-11-21T12:00:00Z'],
    ['resets Jan 2, 3am (UTC)', '2027-01-02T03:00:00Z'],
    ['resets 3pm (UTC+3)', '2026-11-21T12:00:00Z'],
    ['resets 9am (America/New_York)', '2026-11-21T14:00:00Z'],
  ])('%s', (text, expected) => {
    expect(new Date(parseResetText(text, now) ?? 0).toISOString()).toBe(new Date(expected).toISOString());
  });

  it.each([
    'Server is temporarily limiting requests (not your usage limit) · Rate limited',
    'Request rejected (429) · limit of 40,000 input tokens per minute.',
    'Credit balance is too low',
    'Try again in a moment.',
    'resets 99pm',
    'resets 3 counters',
    '',
  ])('finds no time in %j', (text) => {
    expect(parseResetText(text, now)).toBeNull();
  });

  it('takes a minute that has only just begun for this one, not for tomorrow', () => {
    expect(parseResetText('resets 2pm (UTC)', Date.parse('2026-11-21T14:00:40Z'))).toBe(
      Date.parse('2026-11-21T14:00:00Z'),
    );
  });

  it('reads a time of day as the next one within a day', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 59 }),
        fc.constantFrom('am', 'pm'),
        (hour, minute, half) => {
          const at = parseResetText(`resets ${hour}:${String(minute).padStart(2, '0')}${half} (UTC)`, now) ?? 0;
          expect(at - now).toBeGreaterThanOrEqual(-120_000);
          expect(at - now).toBeLessThan(86_400_000);
          expect(new Date(at).getUTCMinutes()).toBe(minute);
        },
      ),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const at = parseResetText(`resets ${text}`, now);
        expect(at === null || Number.isFinite(at)).toBe(true);
      }),
    );
  });
});

describe('zoneOffsetMs', () => {
  const zones = [
    'Europe/Warsaw',
    'Europe/London',
    'America/New_York',
    'America/Los_Angeles',
    'Asia/Kolkata',
    'Europe/Moscow',
  ];

  it.each(zones)('agrees with the time zone database for %s over a year', (zone) => {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    for (let day = 0; day < 366; day += 1) {
      const at = Date.UTC(2026, 0, 1, 12) + day * 86_400_000;
      const name = format.formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? '';
      const [, sign, hours, minutes] = /GMT(?:([+-])(\d+):(\d+))?/.exec(name) ?? [];
      const expected = (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000;
      expect(zoneOffsetMs(zone, at)).toBe(expected === 0 ? 0 : expected);
    }
  });

  it('does not know every zone', () => {
    expect(zoneOffsetMs('Mars/Olympus', now)).toBeNull();
    expect(zoneOffsetMs('constructor', now)).toBeNull();
  });
});
