/**
 * Regression markers: lines of `item, string, file` that say what must not be lost from main. A later item once undid an
 * earlier one's mend without anybody noticing; a candidate that loses a marker, or another item's line, does not land.
 */
import { isValidItemId } from './names.ts';

export interface Marker {
  /** The item that owns the line. */
  itemId: string;
  /** Text that must stand in the file. */
  string: string;
  /** Path within the repository, with `/`. */
  file: string;
  /** Line number in the marker file, from 1. */
  line: number;
}

export interface MarkerProblem {
  /** `removed`: another item's line is gone; `missing`: the line is there and its string is not in the file. */
  kind: 'removed' | 'missing';
  marker: Marker;
  /** One sentence that names the owner. */
  reason: string;
}

/**
 * Reads a marker file. The string may be quoted (`"a, ""b"""`); unquoted, it reaches from the first comma to the last.
 * Blank lines and lines starting with `#` are passed over; a line that cannot be read is an error of its own and the
 * rest still counts.
 */
export function parseMarkers(text: string): { markers: Marker[]; errors: string[] } {
  const markers: Marker[] = [];
  const errors: string[] = [];
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  for (const [index, raw] of lines.entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const result = parseLine(line);
    if (typeof result === 'string') errors.push(`line ${index + 1}: ${result}`);
    else markers.push({ ...result, line: index + 1 });
  }
  return { markers, errors };
}

/**
 * What is wrong with a candidate. Every marker of main must hold in it, unless the line's own item is the one that
 * removed it; lines that the candidate adds must hold as well, else main would be broken by its own marker file.
 */
export function checkMarkers(request: {
  mainMarkers: readonly Marker[];
  candidateMarkers: readonly Marker[];
  itemId: string;
  contains: (file: string, string: string) => boolean;
}): MarkerProblem[] {
  const problems: MarkerProblem[] = [];
  const kept = new Set(request.candidateMarkers.map(identityOf));
  for (const marker of uniqueMarkers(request.mainMarkers)) {
    if (kept.has(identityOf(marker)) || marker.itemId === request.itemId) continue;
    problems.push({
      kind: 'removed',
      marker,
      reason: `the marker line of ${marker.itemId} for ${marker.file} was removed`,
    });
  }
  for (const marker of uniqueMarkers(request.candidateMarkers)) {
    if (request.contains(marker.file, marker.string)) continue;
    const reason = `${marker.file} no longer holds what ${marker.itemId} marked: ${quote(marker.string)}`;
    problems.push({ kind: 'missing', marker, reason });
  }
  return problems;
}

function parseLine(line: string): Omit<Marker, 'line'> | string {
  const comma = line.indexOf(',');
  if (comma < 0) return 'expected `item, string, file`';
  const itemId = line.slice(0, comma).trim();
  if (!isValidItemId(itemId)) return `${quote(itemId)} is no item id`;
  const rest = splitStringAndFile(line.slice(comma + 1).trim());
  if (rest === null) return 'expected `item, string, file`';
  if (rest.string.trim() === '') return 'the string is empty';
  if (!isRepositoryPath(rest.file)) return `${quote(rest.file)} is no path within the repository`;
  return { itemId, string: rest.string, file: rest.file };
}

function splitStringAndFile(rest: string): { string: string; file: string } | null {
  const quoted = /^"((?:[^"]|"")*)"\s*,\s*(.+)$/.exec(rest);
  if (quoted !== null) return { string: (quoted[1] ?? '').replaceAll('""', '"'), file: unquote(quoted[2] ?? '') };
  const comma = rest.lastIndexOf(',');
  if (comma < 0) return null;
  return { string: rest.slice(0, comma).trim(), file: unquote(rest.slice(comma + 1).trim()) };
}

function unquote(text: string): string {
  return /^"[^"]*"$/.test(text) ? text.slice(1, -1) : text;
}

function isRepositoryPath(file: string): boolean {
  if (file === '' || file.startsWith('/') || file.includes('\\') || file.includes('"')) return false;
  return file.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function identityOf(marker: Marker): string {
  return JSON.stringify([marker.itemId, marker.string, marker.file]);
}

function uniqueMarkers(markers: readonly Marker[]): Marker[] {
  return [...new Map(markers.map((marker) => [identityOf(marker), marker])).values()];
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);
}
