/**
 * Workers that come up and go down together. If one ends by itself the others are shut down and `run` rejects: a process
 * that serves some of its queues looks healthy while items wait for ever on the others.
 */
import { GracefulShutdownPeriodExpiredError, type Worker } from '@temporalio/worker';
import { messageOf, StagewrightError } from '../errors.ts';

export interface Workers {
  /** Resolves after `shutdown`; rejects with StagewrightError `worker_died` if one ends by itself, the others shut down. */
  run(): Promise<void>;
  /** Stops the claims only: no new run starts here, what is running goes on. For draining. */
  stopClaims(): Promise<void>;
  /** Takes all of them down, within about 10 s; idempotent, and no error if they never ran. */
  shutdown(): Promise<void>;
}

export type RunnableWorker = Pick<Worker, 'run' | 'shutdown' | 'getState'>;

export function superviseWorkers(all: readonly RunnableWorker[], claims: readonly RunnableWorker[]): Workers {
  const asked = new Set<RunnableWorker>();
  const ends = new Map<RunnableWorker, Promise<void>>();
  let death: { cause: unknown } | null = null;
  let running: Promise<void> | null = null;

  function stop(workers: readonly RunnableWorker[]): void {
    for (const worker of workers) {
      asked.add(worker);
      if (worker.getState() === 'RUNNING') worker.shutdown();
    }
  }
  async function runOne(worker: RunnableWorker): Promise<void> {
    try {
      await worker.run();
      if (!asked.has(worker)) throw new Error('it stopped without being asked');
    } catch (error) {
      // Forced: its activity ignored the shutdown. That worker is down all the same, which is what was asked for.
      if (asked.has(worker) && error instanceof GracefulShutdownPeriodExpiredError) return;
      death ??= { cause: error };
      stop(all);
    }
  }
  async function runAll(): Promise<void> {
    for (const worker of all) ends.set(worker, runOne(worker));
    await Promise.all(ends.values());
    if (death === null) return;
    throw new StagewrightError('worker_died', `A Temporal worker ended by itself: ${messageOf(death.cause)}`, {
      mend: 'Start it again; if it happens again, the log around this moment says why.',
      cause: death.cause,
    });
  }
  function run(): Promise<void> {
    running ??= runAll();
    return running;
  }
  return {
    run,
    async stopClaims() {
      stop(claims);
      for (const worker of claims) await ends.get(worker);
    },
    async shutdown() {
      // A worker that never ran would hold its connection open for ever.
      const done = run();
      stop(all);
      await done.catch(() => undefined);
    },
  };
}
