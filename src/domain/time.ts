/** Instants for people, in UTC and without Intl: the same text on every machine and in every replay. */

/** `2026-11-21 14:05 UTC`; an unreadable instant is a dash. */
export function formatUtc(atMs: number): string {
  const at = new Date(atMs);
  return Number.isNaN(at.getTime()) ? '—' : `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
