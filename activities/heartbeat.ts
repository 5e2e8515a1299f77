/** Heartbeats on a timer for as long as something runs, so that a dead worker is noticed within seconds. */
import { Context } from '@temporalio/activity';

/** Well inside the shortest heartbeat timeout in use (5 s). */
const BEAT_MS = 1_000;

export async function whileBeating<T>(details: () => unknown, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current();
  context.heartbeat(details());
  const timer = setInterval(() => context.heartbeat(details()), BEAT_MS);
  try {
    return await run(context.cancellationSignal);
  } finally {
    clearInterval(timer);
  }
}
