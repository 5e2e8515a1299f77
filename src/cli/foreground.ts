/**
 * A stack that lives as long as this command: up, work, down again, whatever happens in between. The first Ctrl-C ends
 * it in order; the third gives up on order, because a person must always get their terminal back.
 */
import { StagewrightError } from '../errors.ts';
import type { Stack, StackOptions, StopMode } from '../stack.ts';
import { EXIT_INTERRUPTED } from './failures.ts';
import type { Output } from './output.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface ForegroundOptions {
  stack: StackOptions;
  /** What becomes of the runs at the end. */
  how: StopMode;
  output: Output;
  /** Said at the first Ctrl-C. */
  farewell?: string;
}

/** Thrown where the person ended it; the exit code is that of an interrupted program. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Runs `work` beside a stack. `signal` is aborted by Ctrl-C, SIGTERM and SIGHUP. Throws what failed. */
export async function withStack<T>(
  options: ForegroundOptions,
  work: (stack: Stack, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const stopListening = listenForEnd(options, abort);
  try {
    const { startStack } = await import('../stack.ts');
    const stack = await startStack(options.stack);
    try {
      if (abort.signal.aborted) throw new Interrupted('interrupted');
      return await Promise.race([work(stack, abort.signal), failure(stack)]);
    } finally {
      await stack.stop(options.how);
    }
  } catch (error) {
    // What breaks because everything is being ended is no news.
    throw abort.signal.aborted && !(error instanceof StagewrightError && error.exit === 'config')
      ? new Interrupted('interrupted')
      : error;
  } finally {
    stopListening();
  }
}

async function failure(stack: Stack): Promise<never> {
  throw await stack.failed;
}

function listenForEnd({ output, farewell }: ForegroundOptions, abort: AbortController): () => void {
  let asked = 0;
  const onSignal = (): void => {
    asked += 1;
    if (asked === 1) {
      output.progress(farewell ?? 'ending …');
      abort.abort();
    } else if (asked === 2) {
      output.progress('still ending; once more leaves at once');
    } else {
      process.exit(EXIT_INTERRUPTED);
    }
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return () => {
    for (const name of SIGNALS) process.off(name, onSignal);
  };
}

/** Resolves when `signal` is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
