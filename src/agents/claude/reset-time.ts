/**
 * Reads the instant at which a usage window opens again from the CLI's sentence. Only a fallback: the structured
 * `resetsAt` comes first. Wall-clock texts are read in the zone they name, else in UTC, which is the child's TZ.
 */
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const MINUTE_MS = 60_000;

interface WallClock {
  year: number;
  /** 0-based. */
  month: number;
  day: number;
  hour: number;
  minute: number;
}

/** Epoch milliseconds of the reset named in `text`, or null where none can be read. Pure but for the zone table. */
export function parseResetTime(text: string, nowMs: number): number | null {
  return parseEpoch(text) ?? parseDate(text) ?? parseWallClock(text, nowMs);
}

/** `Claude AI usage limit reached|1795269600` */
function parseEpoch(text: string): number | null {
  const match = /\|\s*(\d{10})(?!\d)/u.exec(text);
  return match === null ? null : Number(match[1]) * 1000;
}

/** `You will regain access on 2026-12-01 at 00:00 UTC.` */
function parseDate(text: string): number | null {
  const match = /\bon (\d{4})-(\d{2})-(\d{2}) at (\d{2}):(\d{2}) UTC/u.exec(text);
  if (match === null) return null;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute);
}

/** `resets 2pm`, `reset at 2pm (UTC)`, `resets Nov 24, 10:07pm (Europe/Warsaw)` */
function parseWallClock(text: string, nowMs: number): number | null {
  const match =
    /\bresets?(?: at)? (?:([A-Z][a-z]{2})[a-z]* (\d{1,2}),? (?:at )?)?(\d{1,2})(?::(\d{2}))? ?([ap]m)\b(?: \(([\w/+-]+)\))?/iu.exec(
      text,
    );
  if (match === null) return null;
  const hour12 = Number(match[3]);
  const minute = Number(match[4] ?? 0);
  if (hour12 < 1 || hour12 > 12 || minute > 59) return null;
  const zone = match[6] ?? 'UTC';
  const now = wallClockAt(nowMs, zone);
  if (now === null) return null;
  const clock = { hour: (hour12 % 12) + (match[5]?.toLowerCase() === 'pm' ? 12 : 0), minute };

  if (match[1] === undefined) {
    const today = instantOf({ ...now, ...clock }, zone);
    return today > nowMs ? today : instantOf({ ...now, ...clock, day: now.day + 1 }, zone);
  }
  const month = MONTHS.indexOf(match[1].toLowerCase());
  const day = Number(match[2]);
  if (month < 0 || day < 1 || day > 31) return null;
  const thisYear = instantOf({ year: now.year, month, day, ...clock }, zone);
  // A date long past is one of next year (a limit hit in December that resets in January).
  return nowMs - thisYear > 30 * 24 * 60 * MINUTE_MS
    ? instantOf({ year: now.year + 1, month, day, ...clock }, zone)
    : thisYear;
}

/** What a clock on the wall of that zone shows; null for an unknown zone. */
function wallClockAt(atMs: number, zone: string): WallClock | null {
  let parts: Intl.DateTimeFormatPart[];
  try {
    parts = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    }).formatToParts(atMs);
  } catch {
    return null;
  }
  const read = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  return { year: read('year'), month: read('month') - 1, day: read('day'), hour: read('hour'), minute: read('minute') };
}

/** The instant at which that zone's clock shows this: corrected twice, so that it holds next to a clock change. */
function instantOf(clock: WallClock, zone: string): number {
  const wanted = Date.UTC(clock.year, clock.month, clock.day, clock.hour, clock.minute);
  let instant = wanted;
  for (let round = 0; round < 2; round += 1) {
    const shown = wallClockAt(instant, zone);
    if (shown === null) return wanted;
    instant += wanted - Date.UTC(shown.year, shown.month, shown.day, shown.hour, shown.minute);
  }
  return instant;
}
