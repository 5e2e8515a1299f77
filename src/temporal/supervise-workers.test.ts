import { GracefulShutdownPeriodExpiredError } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { type RunnableWorker, superviseWorkers } from './supervise-workers.ts';

interface FakeWorker extends RunnableWorker {
  die(error?: Error): void;
  shutdowns: number;
}

/** Ends when it is shut down (with `onShutdown`, if given) or told to die. */
function createFakeWorker(onShutdown?: Error): FakeWorker {
  let end: ((error?: Error) => void) | undefined;
  let state: 'INITIALIZED' | 'RUNNING' | 'STOPPED' = 'INITIALIZED';
  const worker: FakeWorker = {
    shutdowns: 0,
    getState: () => state,
    die: (error) => end?.(error),
    shutdown() {
      worker.shutdowns += 1;
      end?.(onShutdown);
    },
    run() {
      state = 'RUNNING';
      return new Promise((resolve, reject) => {
        end = (error) => {
          state = 'STOPPED';
          if (error === undefined) resolve();
          else reject(error);
        };
      });
    },
  };
  return worker;
}

test('when one dies the others are shut down, and run rejects with its reason', async () => {
  const [first, second, third] = [createFakeWorker(), createFakeWorker(), createFakeWorker()];
  const running = superviseWorkers([first, second, third], []).run();
  second.die(new Error('poll refused'));
  await expect(running).rejects.toMatchObject({
    code: 'worker_died',
    message: 'A Temporal worker ended by itself: poll refused',
  });
  expect([first.shutdowns, second.shutdowns, third.shutdowns]).toEqual([1, 0, 1]);
});

test('one that simply stops without being asked has died too', async () => {
  const [first, second] = [createFakeWorker(), createFakeWorker()];
  const running = superviseWorkers([first, second], []).run();
  first.die();
  await expect(running).rejects.toThrow('it stopped without being asked');
});

test('a shutdown that had to be forced is a shutdown; any other error in it is not hidden', async () => {
  const forced = superviseWorkers(
    [createFakeWorker(new GracefulShutdownPeriodExpiredError('late')), createFakeWorker()],
    [],
  );
  const forcedRun = forced.run();
  await forced.shutdown();
  await expect(forcedRun).resolves.toBeUndefined();

  const broken = superviseWorkers([createFakeWorker(new Error('lost'))], []);
  const brokenRun = broken.run();
  await Promise.all([broken.shutdown(), expect(brokenRun).rejects.toThrow('lost')]);
});

test('claims can be stopped first, and everything be shut down twice', async () => {
  const [claim, main] = [createFakeWorker(), createFakeWorker()];
  const workers = superviseWorkers([claim, main], [claim]);
  const running = workers.run();
  await workers.stopClaims();
  expect([claim.shutdowns, main.shutdowns]).toEqual([1, 0]);
  await workers.shutdown();
  await workers.shutdown();
  await running;
  expect([claim.shutdowns, main.shutdowns]).toEqual([1, 1]);
});
