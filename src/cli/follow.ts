/**
 * Follows one item until it is done or cancelled: on a terminal a picture that is redrawn, else a line per change. When
 * the item waits for a person, an attendant is asked; the item may be decided through another door meanwhile, which
 * takes the question back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WaitView, WorkItemStatus } from '../domain/protocol.ts';
import { messageOf } from '../errors.ts';
import { queryItem } from '../server/items.ts';
import type { ItemClient } from '../server/items.ts';
import { describeChanges } from './changes.ts';
import { createLiveView } from './live-view.ts';
import type { Output } from './output.ts';
import { unknownItem } from './find-item.ts';
import { runInFlight } from './render-item.ts';
import { openRunLog, renderEvent } from './run-log.ts';
import type { RunLog } from './run-log.ts';

/** Waits that only a person ends. */
const PERSON_WAITS: ReadonlySet<WaitView['kind']> = new Set(['approval', 'answer', 'attention']);

export interface Attendant {
  /**
   * Called once for each request to a person. `signal` is aborted when the request is over, whoever settled it. An error
   * is shown, and the request stays open.
   */
  attend(status: WorkItemStatus, signal: AbortSignal): Promise<void>;
}

export interface FollowOptions {
  client: ItemClient;
  itemId: string;
  output: Output;
  attendant?: Attendant;
  /** Ends the following; the item goes on. */
  signal?: AbortSignal;
  pollMs?: number;
}

const POLL_MS = 300;

/** The last status: done or cancelled, or where it stood when `signal` was aborted (null: it never answered). */
export async function followItem(options: FollowOptions): Promise<WorkItemStatus | null> {
  const { client, itemId, output, signal } = options;
  const view = createView(output);
  const asking = createAsking(options, view);
  const activity = createActivityReader();
  let last: WorkItemStatus | null = null;
  let silent = false;
  try {
    while (!isAborted(signal)) {
      const answer = await queryItem(client, itemId);
      if (answer.ok) {
        silent = false;
        const status = answer.value;
        if (asking.isOver(status)) await asking.stop();
        if (!asking.isOnScreen()) view.show(last, status, activity(status));
        asking.begin(status);
        last = status;
        if (status.state === 'done' || status.state === 'cancelled') return status;
      } else if (answer.why === 'not-found') {
        throw await unknownItem(client, itemId);
      } else if (!silent) {
        silent = true;
        output.progress(`${answer.message}; waiting for it`);
        view.release();
      }
      await sleep(options.pollMs ?? POLL_MS, null, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
    return last;
  } finally {
    await asking.stop();
    view.release();
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

interface View {
  show(previous: WorkItemStatus | null, next: WorkItemStatus, activity: string | null): void;
  release(): void;
}

function createView(output: Output): View {
  if (output.live) {
    const live = createLiveView(output);
    return { show: (_previous, next, activity) => live.draw(next, activity), release: () => live.release() };
  }
  return {
    show: (previous, next) => {
      for (const line of describeChanges(previous, next)) {
        output.progress(`${new Date().toISOString().slice(11, 19)} ${next.itemId} ${line}`);
      }
    },
    release: () => undefined,
  };
}

interface Asking {
  /** The question that is open is not what the item waits for any more. */
  isOver(status: WorkItemStatus): boolean;
  /** Asks what the item waits for, unless it is being asked or was. */
  begin(status: WorkItemStatus): void;
  /** A question to a person is on the screen: nothing may be redrawn over it. */
  isOnScreen(): boolean;
  stop(): Promise<void>;
}

/** One question at a time; a question whose request is over is taken back. */
function createAsking({ attendant, output }: FollowOptions, view: View): Asking {
  let current: { key: string; abort: AbortController; done: Promise<void>; settled: boolean } | null = null;
  return {
    isOver: (status) => current !== null && current.key !== requestKey(status),
    begin(status) {
      const key = requestKey(status);
      if (attendant === undefined || key === null || current?.key === key) return;
      view.release();
      const abort = new AbortController();
      const entry = { key, abort, done: Promise.resolve(), settled: false };
      entry.done = attendant
        .attend(status, abort.signal)
        .catch((error: unknown) => {
          if (!abort.signal.aborted) output.progress(messageOf(error));
        })
        .finally(() => {
          entry.settled = true;
        });
      current = entry;
    },
    isOnScreen: () => current !== null && !current.settled && output.live,
    async stop() {
      current?.abort.abort();
      await current?.done;
      current = null;
    },
  };
}

function requestKey({ waiting }: WorkItemStatus): string | null {
  return waiting !== null && PERSON_WAITS.has(waiting.kind) ? `${waiting.kind}:${waiting.sinceMs}` : null;
}

/** The last readable line of the run in flight, where its directory is on this host. */
function createActivityReader(): (status: WorkItemStatus) => string | null {
  let open: { runId: string; log: RunLog } | null = null;
  let text: string | null = null;
  return (status) => {
    const run = runInFlight(status);
    if (run?.runDir == null) return null;
    try {
      if (open?.runId !== run.runId) {
        open = { runId: run.runId, log: openRunLog(run.runDir, run.agent) };
        text = null;
      }
      for (const event of open.log.read().events) {
        if (event.type === 'activity') text = renderEvent(event) ?? text;
      }
    } catch {
      // Only an ornament: a log that cannot be read is not shown.
    }
    return text;
  };
}
