/**
 * When a usage window opens again, read from the wordings that CLIs have used over the years. Times without a zone are
 * UTC, since agents run with TZ=UTC.
 */
import { zoneOffsetMs } from './zones.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A wall-clock time that has only just passed is that instant, not tomorrow's: the message names whole minutes. */
const JUST_PASSED_MS = 2 * MINUTE_MS;

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/**
 * The instant (epoch milliseconds) that a limit message names, or null. Understands `|<epoch>`, `resets 2pm (UTC)`,
 * `resets Nov 24, 10:07pm (UTC)`, `try again at 2:00 PM`, `on 2026-12-01 at 00:00 UTC`, `reset after 21h2m28s`. A time
 * of day that is past means tomorrow.
 */
export function parseResetText(text: string, nowMs: number): number | null {
  return parseEpoch(text) ?? parseIsoDate(text) ?? parseRelative(text, nowMs) ?? parseWallClock(text, nowMs);
}

function parseEpoch(text: string): number | null {
  const digits = /\|\s*(\d{10}|\d{13})(?!\d)/.exec(text)?.[1];
  if (digits === undefined) return null;
  return digits.length === 10 ? Number(digits) * 1000 : Number(digits);
}

function parseIsoDate(text: string): number | null {
  const match =
    /\b(?:on|at|until|after)\s+(\d{4})-(\d{2})-(\d{2})(?:[T\s]+(?:at\s+)?(\d{1,2}):(\d{2})(?::\d{2})?)?/i.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute] = [1, 2, 3, 4, 5].map((index) => Number(match[index] ?? 0));
  return timeOf(year ?? 0, (month ?? 0) - 1, day ?? 0, hour ?? 0, minute ?? 0);
}

const RELATIVE = new RegExp(
  String.raw`\b(?:try again in|resets?(?: in| after))\s*:?\s*` +
    String.raw`((?:\d+\s*(?:days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])[\s,]*(?:and\s+)?)+)`,
  'i',
);

function parseRelative(text: string, nowMs: number): number | null {
  const match = RELATIVE.exec(text);
  if (match === null) return null;
  let sum = 0;
  for (const [, count, unit] of (match[1] ?? '').matchAll(/(\d+)\s*([dhms])/gi)) {
    const unitMs = { d: DAY_MS, h: HOUR_MS, m: MINUTE_MS, s: 1000 }[(unit ?? 's').toLowerCase()] ?? 0;
    sum += Number(count) * unitMs;
  }
  return sum > 0 ? nowMs + sum : null;
}

const WALL_CLOCK = new RegExp(
  String.raw`\b(?:resets?|try again)\s*(?:at|on)?\s*:?\s*` +
    String.raw`(?:(?<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?<day>\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(?<year>\d{4}))?,?\s+(?:at\s+)?)?` +
    String.raw`(?<hour>\d{1,2})(?::(?<minute>\d{2}))?\s*(?<half>[ap]\.?m\b\.?)?(?:\s*\((?<zone>[A-Za-z][\w/+: -]*)\)|\s+(?<utc>UTC|GMT)\b)?`,
  'i',
);

function parseWallClock(text: string, nowMs: number): number | null {
  const groups = WALL_CLOCK.exec(text)?.groups;
  if (groups === undefined) return null;
  const { month, day, year, minute, half } = groups;
  if (half === undefined && minute === undefined) return null;
  const hour = hourOf(Number(groups.hour), half);
  if (hour === null || Number(minute ?? 0) > 59) return null;
  // A zone that the table does not know is read as UTC: late or early by hours, but never a lost reset time.
  const zone = groups.zone ?? groups.utc ?? 'UTC';
  const offset = zoneOffsetMs(zone, nowMs) ?? 0;
  const local = new Date(nowMs + offset);
  const monthIndex = month === undefined ? local.getUTCMonth() : MONTHS.indexOf(month.toLowerCase());
  const dayOfMonth = day === undefined ? local.getUTCDate() : Number(day);
  const wall = timeOf(Number(year ?? local.getUTCFullYear()), monthIndex, dayOfMonth, hour, Number(minute ?? 0));
  if (wall === null) return null;
  const at = wall - (zoneOffsetMs(zone, wall - offset) ?? 0);
  if (month === undefined) return at < nowMs - JUST_PASSED_MS ? at + DAY_MS : at;
  if (year !== undefined || at > nowMs - 180 * DAY_MS) return at;
  return timeOf(local.getUTCFullYear() + 1, monthIndex, dayOfMonth, hour, Number(minute ?? 0));
}

function hourOf(hour: number, half: string | undefined): number | null {
  if (half === undefined) return hour <= 23 ? hour : null;
  if (hour < 1 || hour > 12) return null;
  return (hour % 12) + (half.toLowerCase().startsWith('p') ? 12 : 0);
}

function timeOf(year: number, month: number, day: number, hour: number, minute: number): number | null {
  const at = Date.UTC(year, month, day, hour, minute);
  return Number.isFinite(at) && month >= 0 && month <= 11 && day >= 1 && day <= 31 ? at : null;
}
