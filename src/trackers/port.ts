/**
 * The board as the orchestrator needs it. Every write is create-or-get by an effect key, so that repeating it after an
 * ambiguous answer does nothing twice. Adapters throw `TrackerError` and nothing else.
 */
import type { BoardState } from '../domain/types.ts';

export interface TrackerItem {
  /** The board's own id, e.g. `ET-12`. Also the Temporal workflow id. */
  id: string;
  project: string;
  title: string;
  description: string;
  state: BoardState;
  createdBy: string;
  /** Epoch milliseconds, by the server's clock. */
  createdAtMs: number;
  updatedAtMs: number;
}

export interface TrackerComment {
  id: string;
  itemId: string;
  by: string;
  body: string;
  createdAtMs: number;
  /** True once anybody changed it after it was written. */
  edited: boolean;
  /** Effect key of a comment that we wrote; absent on people's comments. */
  externalId?: string;
}

export interface NewItem {
  project: string;
  title: string;
  description?: string;
  createdBy: string;
}

export interface Tracker {
  createItem(item: NewItem): Promise<TrackerItem>;
  /** Null where the board answers and has no such item. */
  getItem(id: string): Promise<TrackerItem | null>;
  listItems(project: string): Promise<TrackerItem[]>;
  setState(id: string, state: BoardState): Promise<void>;
  /** Creates the comment, or returns the one that already carries this key. */
  addComment(id: string, comment: { key: string; body: string }): Promise<TrackerComment>;
  /** A person's comment (the local board's own door; real boards have theirs). */
  addPersonComment(id: string, comment: { by: string; body: string }): Promise<TrackerComment>;
  /** Oldest first; `sinceMs` compares with `createdAtMs`, exclusive. */
  listComments(id: string, sinceMs?: number): Promise<TrackerComment[]>;
}

export class TrackerError extends Error {
  override readonly name = 'TrackerError';
  /** False: asking again can never help (no such thing, refused). */
  readonly retryable: boolean;

  constructor(message: string, retryable: boolean) {
    super(message);
    this.retryable = retryable;
  }
}
