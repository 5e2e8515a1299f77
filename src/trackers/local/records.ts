/** What the tracker's files hold, and their reading: a record that does not fit is refused with the reason. */
import { createHash } from 'node:crypto';
import type { BoardState } from '../../domain/types.ts';
import type { TrackerComment, TrackerItem } from '../port.ts';

export interface ItemRecord {
  id: string;
  project: string;
  title: string;
  description: string;
  createdBy: string;
  createdAtMs: number;
}

export interface StateRecord {
  state: BoardState;
  updatedAtMs: number;
}

export interface CommentRecord {
  id: string;
  itemId: string;
  by: string;
  body: string;
  createdAtMs: number;
  /** Orders comments of the same millisecond that one process wrote. */
  sequence: number;
  externalId?: string;
  /** Over author and body: tells a comment that was edited in its file. */
  digest: string;
}

const BOARD_STATES = [
  'todo',
  'in-progress',
  'in-review',
  'needs-input',
  'blocked',
  'done',
  'cancelled',
] as const satisfies BoardState[];

export function isBoardState(value: unknown): value is BoardState {
  return BOARD_STATES.some((state) => state === value);
}

/** Throws a message that names the field. `id` and `project` must be those of the directory. */
export function readItem(value: unknown, expected: { id: string; project: string }): ItemRecord {
  const record = toMapping(value);
  const id = toText(record, 'id');
  const project = toText(record, 'project');
  if (id !== expected.id || project !== expected.project) throw new Error(`it is the record of ${id}`);
  return {
    id,
    project,
    title: toText(record, 'title'),
    description: toText(record, 'description'),
    createdBy: toText(record, 'createdBy'),
    createdAtMs: toInstant(record, 'createdAtMs'),
  };
}

export function readState(value: unknown): StateRecord {
  const record = toMapping(value);
  if (!isBoardState(record.state)) throw new Error('`state` is no board state');
  return { state: record.state, updatedAtMs: toInstant(record, 'updatedAtMs') };
}

export function readComment(value: unknown, expected: { id: string; itemId: string }): CommentRecord {
  const record = toMapping(value);
  const id = toText(record, 'id');
  const itemId = toText(record, 'itemId');
  if (id !== expected.id || itemId !== expected.itemId) throw new Error(`it is comment ${id} of ${itemId}`);
  return {
    id,
    itemId,
    by: toText(record, 'by'),
    body: toText(record, 'body'),
    createdAtMs: toInstant(record, 'createdAtMs'),
    sequence: toInstant(record, 'sequence'),
    ...(record.externalId === undefined ? {} : { externalId: toText(record, 'externalId') }),
    digest: toText(record, 'digest'),
  };
}

export function digestOf(comment: { by: string; body: string }): string {
  return createHash('sha256')
    .update(JSON.stringify([comment.by, comment.body]))
    .digest('hex');
}

export function toTrackerItem(item: ItemRecord, state: StateRecord | null, commentedAtMs: number): TrackerItem {
  return {
    ...item,
    state: state?.state ?? 'todo',
    updatedAtMs: Math.max(item.createdAtMs, state?.updatedAtMs ?? 0, commentedAtMs),
  };
}

export function toTrackerComment(record: CommentRecord): TrackerComment {
  const { sequence: _sequence, digest, ...comment } = record;
  return { ...comment, edited: digest !== digestOf(record) };
}

/** By time, then by the writer's sequence, then by id, so that the order is the same for every reader. */
export function compareComments(a: CommentRecord, b: CommentRecord): number {
  return a.createdAtMs - b.createdAtMs || a.sequence - b.sequence || (a.id < b.id ? -1 : 1);
}

function toMapping(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is no JSON object');
  return { ...value };
}

function toText(record: Record<string, unknown>, key: string): string {
  const value = record[key];
  if (typeof value !== 'string') throw new Error(`\`${key}\` is no text`);
  return value;
}

function toInstant(record: Record<string, unknown>, key: string): number {
  const value = record[key];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`\`${key}\` is no number`);
  return value;
}
