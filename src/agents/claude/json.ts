/**
 * Tolerant access to parsed JSON. CLI output grows keys and changes types between versions; a strict schema would turn a
 * harmless novelty into a lost run.
 */
export type JsonRecord = Record<string, unknown>;

/** The value as an object, or null for anything else (arrays included). */
export function asRecord(value: unknown): JsonRecord | null {
  return isRecord(value) ? value : null;
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value as an array of objects; everything else in it is left out. */
export function asRecords(value: unknown): JsonRecord[] {
  return Array.isArray(value) ? value.map(asRecord).filter((entry) => entry !== null) : [];
}

/** A non-empty string, or null. */
export function asText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** A finite number, or null. */
export function asNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** A non-negative finite number, else 0. */
export function asCount(value: unknown): number {
  return Math.max(0, asNumber(value) ?? 0);
}

/** Parses without throwing. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** One readable line of at most `limit` characters, without control characters. */
export function oneLine(text: string, limit = 200): string {
  const flat = text
    .slice(0, limit * 4)
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  return flat.length > limit ? `${flat.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/u, '')}…` : flat;
}
