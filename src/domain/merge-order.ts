/**
 * The order of a merge queue as pure functions over a plain list. A list that is kept in order, instead of sorted when
 * asked, so that a person's `move` holds also against later requests of higher priority.
 */
import type { MergeRequest } from './protocol.ts';

export interface QueueEntry {
  request: MergeRequest;
  /** Passed over until released; keeps its place. */
  held: boolean;
  /** Placed by a person: its priority does not count any more. */
  moved: boolean;
}

/**
 * Adds a request behind everything of the same or a higher priority; what a person has moved to the front stays in
 * front. A key that is known changes nothing.
 */
export function enqueue(queue: readonly QueueEntry[], request: MergeRequest): QueueEntry[] {
  if (queue.some((entry) => entry.request.key === request.key)) return [...queue];
  const lower = queue.findIndex((entry) => !entry.moved && entry.request.priority < request.priority);
  return queue.toSpliced(lower < 0 ? queue.length : lower, 0, { request, held: false, moved: false });
}

/** Takes a request out; unknown keys change nothing. */
export function withdraw(queue: readonly QueueEntry[], key: string): QueueEntry[] {
  return queue.filter((entry) => entry.request.key !== key);
}

/** Puts a request at a place of the list (0 = next; beyond the end = last), whatever its priority. */
export function move(queue: readonly QueueEntry[], key: string, position: number): QueueEntry[] {
  const entry = queue.find((candidate) => candidate.request.key === key);
  if (entry === undefined) return [...queue];
  const rest = withdraw(queue, key);
  const index = Math.min(Math.max(Math.trunc(position) || 0, 0), rest.length);
  return rest.toSpliced(index, 0, { ...entry, moved: true });
}

/** Holds a request, or releases it; it keeps its place. */
export function hold(queue: readonly QueueEntry[], key: string, held: boolean): QueueEntry[] {
  return queue.map((entry) => (entry.request.key === key ? { ...entry, held } : entry));
}

/** The entry whose turn it is, or null where none may go. */
export function next(queue: readonly QueueEntry[]): QueueEntry | null {
  return queue.find((entry) => !entry.held) ?? null;
}
