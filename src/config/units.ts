/**
 * Human units in YAML: `60m`, `1h 30m`, `250ms`, plain numbers of seconds; `1GiB`, `100MB`, plain bytes.
 * Everything behind this door is milliseconds and bytes, so that no number is ever read in the wrong unit.
 */
const MS_PER_UNIT: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const BYTES_PER_UNIT: Record<string, number> = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/** What a duration may look like, for error messages. */
export const DURATION_FORM = 'a duration such as 90s, 15m, 1h 30m, or a number of seconds';
/** What a size may look like, for error messages. */
export const SIZE_FORM = 'a size such as 100MB or 1GiB, or a number of bytes';

/** Milliseconds of a duration, or null where the value is none (negative, not finite, unknown unit). */
export function parseDurationMs(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.round(value * 1000) : null;
  if (typeof value !== 'string') return null;
  const text = value.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (!/^(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$/.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)/g)) {
    total += Number(amount) * (MS_PER_UNIT[unit ?? ''] ?? Number.NaN);
  }
  return Number.isFinite(total) ? Math.round(total) : null;
}

/** Bytes of a size, or null where the value is none. */
export function parseSizeBytes(value: unknown): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : null;
  if (typeof value !== 'string') return null;
  const match = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb|kib|mib|gib)?$/.exec(value.trim().toLowerCase());
  if (match === null) return null;
  const bytes = Number(match[1]) * (BYTES_PER_UNIT[match[2] ?? 'b'] ?? Number.NaN);
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : null;
}
