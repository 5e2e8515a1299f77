/**
 * Offsets of common time zones, by rule. Intl is not allowed here (ICU differs between Node versions), and agents run
 * with TZ=UTC anyway; this table only serves reset times written by a CLI that somebody started otherwise.
 */

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

type SummerTime = 'none' | 'eu' | 'us';

const ZONES: Record<string, [offsetHours: number, summerTime: SummerTime]> = {
  utc: [0, 'none'],
  gmt: [0, 'none'],
  'etc/utc': [0, 'none'],
  'europe/london': [0, 'eu'],
  'europe/dublin': [0, 'eu'],
  'europe/lisbon': [0, 'eu'],
  'europe/warsaw': [1, 'eu'],
  'europe/berlin': [1, 'eu'],
  'europe/paris': [1, 'eu'],
  'europe/madrid': [1, 'eu'],
  'europe/rome': [1, 'eu'],
  'europe/amsterdam': [1, 'eu'],
  'europe/brussels': [1, 'eu'],
  'europe/vienna': [1, 'eu'],
  'europe/zurich': [1, 'eu'],
  'europe/prague': [1, 'eu'],
  'europe/budapest': [1, 'eu'],
  'europe/belgrade': [1, 'eu'],
  'europe/stockholm': [1, 'eu'],
  'europe/oslo': [1, 'eu'],
  'europe/copenhagen': [1, 'eu'],
  'europe/helsinki': [2, 'eu'],
  'europe/kyiv': [2, 'eu'],
  'europe/kiev': [2, 'eu'],
  'europe/riga': [2, 'eu'],
  'europe/vilnius': [2, 'eu'],
  'europe/tallinn': [2, 'eu'],
  'europe/athens': [2, 'eu'],
  'europe/bucharest': [2, 'eu'],
  'europe/sofia': [2, 'eu'],
  'europe/istanbul': [3, 'none'],
  'europe/moscow': [3, 'none'],
  'europe/minsk': [3, 'none'],
  'asia/tbilisi': [4, 'none'],
  'asia/yerevan': [4, 'none'],
  'asia/dubai': [4, 'none'],
  'europe/samara': [4, 'none'],
  'asia/yekaterinburg': [5, 'none'],
  'asia/almaty': [5, 'none'],
  'asia/tashkent': [5, 'none'],
  'asia/kolkata': [5.5, 'none'],
  'asia/calcutta': [5.5, 'none'],
  'asia/novosibirsk': [7, 'none'],
  'asia/bangkok': [7, 'none'],
  'asia/singapore': [8, 'none'],
  'asia/shanghai': [8, 'none'],
  'asia/hong_kong': [8, 'none'],
  'asia/tokyo': [9, 'none'],
  'asia/seoul': [9, 'none'],
  'australia/brisbane': [10, 'none'],
  'asia/vladivostok': [10, 'none'],
  'america/new_york': [-5, 'us'],
  'america/toronto': [-5, 'us'],
  'america/chicago': [-6, 'us'],
  'america/denver': [-7, 'us'],
  'america/phoenix': [-7, 'none'],
  'america/los_angeles': [-8, 'us'],
  'america/vancouver': [-8, 'us'],
  'america/sao_paulo': [-3, 'none'],
  'america/argentina/buenos_aires': [-3, 'none'],
};

/**
 * Milliseconds that a zone's wall clock is ahead of UTC at an instant (epoch milliseconds); `UTC+3` is understood too.
 * Null for a zone that the table does not know.
 */
export function zoneOffsetMs(zone: string, atMs: number): number | null {
  const name = zone.trim().toLowerCase().replaceAll(' ', '_');
  const fixed = /^(?:utc|gmt)([+-])(\d{1,2})(?::?(\d{2}))?$/.exec(name);
  if (fixed !== null) {
    const hours = Number(fixed[2]) + Number(fixed[3] ?? 0) / 60;
    return (fixed[1] === '-' ? -hours : hours) * HOUR_MS;
  }
  const entry = Object.hasOwn(ZONES, name) ? ZONES[name] : undefined;
  if (entry === undefined) return null;
  const [offsetHours, rule] = entry;
  return (offsetHours + (isSummer(rule, atMs, offsetHours) ? 1 : 0)) * HOUR_MS;
}

function isSummer(rule: SummerTime, atMs: number, offsetHours: number): boolean {
  if (rule === 'none') return false;
  const year = new Date(atMs).getUTCFullYear();
  if (rule === 'eu') {
    return atMs >= sundayMs(year, 2, -1) + HOUR_MS && atMs < sundayMs(year, 9, -1) + HOUR_MS;
  }
  const start = sundayMs(year, 2, 2) + (2 - offsetHours) * HOUR_MS;
  const end = sundayMs(year, 10, 1) + (1 - offsetHours) * HOUR_MS;
  return atMs >= start && atMs < end;
}

/** Midnight UTC of the n-th Sunday of a month (from 0), or of the last one (-1). */
function sundayMs(year: number, month: number, n: number): number {
  if (n < 0) {
    const last = Date.UTC(year, month + 1, 0);
    return last - new Date(last).getUTCDay() * DAY_MS;
  }
  const first = Date.UTC(year, month, 1);
  return first + (((7 - new Date(first).getUTCDay()) % 7) + (n - 1) * 7) * DAY_MS;
}
