/**
 * Reads the options that the proxies are really made with: a ceiling that could be retried would be a fresh one each
 * time, and so none at all.
 */
import { beforeEach, describe, expect, it, vi } from 'vitest';

interface Options {
  taskQueue?: string;
  startToCloseTimeout?: number | string;
  scheduleToStartTimeout?: number | string;
  scheduleToCloseTimeout?: number | string;
  heartbeatTimeout?: string;
  retry?: { maximumAttempts?: number; nonRetryableErrorTypes?: string[] };
}

const made = vi.hoisted((): { options: Options[] } => ({ options: [] }));
vi.mock('@temporalio/workflow', () => ({
  proxyActivities: (options: Options) => {
    made.options.push(options);
    return {};
  },
}));
const proxies = await import('./proxies.ts');

beforeEach(() => {
  made.options = [];
});

function optionsOf(make: () => unknown): Options {
  make();
  const [options] = made.options;
  if (options === undefined) throw new Error('no proxy was made');
  return options;
}

describe('the proxies', () => {
  it('a run: the plan’s own ceiling and host wait, the ceiling final, a dead worker noticed within seconds', () => {
    expect(optionsOf(() => proxies.runActivities('h1', { ceilingMs: 123, hostWaitMs: 45 }))).toMatchObject({
      taskQueue: 'host:h1',
      startToCloseTimeout: 123,
      scheduleToStartTimeout: 45,
      heartbeatTimeout: '5 seconds',
      retry: { nonRetryableErrorTypes: ['TemporalTimeout:StartToClose'] },
    });
  });

  it('a gate command and a re-test: the ceiling that they are given, final too', () => {
    const options = optionsOf(() => proxies.gateActivities(678, 1));
    expect(options).toMatchObject({
      startToCloseTimeout: 678,
      heartbeatTimeout: '5 seconds',
      retry: { nonRetryableErrorTypes: ['TemporalTimeout:StartToClose'] },
    });
    // Waiting for a free gate is queueing, without an end.
    expect(options.scheduleToStartTimeout).toBeUndefined();
    expect(options.scheduleToCloseTimeout).toBeUndefined();
  });

  it('finishing steps give a host up after its lease, and are repeated until then', () => {
    const options = optionsOf(() => proxies.hostActivities('h1', 45));
    expect(options).toMatchObject({ scheduleToStartTimeout: 45 });
    expect(options.retry?.maximumAttempts).toBeUndefined();
    expect(options.retry?.nonRetryableErrorTypes).toBeUndefined();
  });

  it('no proxy limits attempts where the business counts them: a run or a gate is retried for infrastructure without end', () => {
    for (const make of [
      () => proxies.runActivities('h', { ceilingMs: 1, hostWaitMs: 1 }),
      () => proxies.gateActivities(1, 1),
      () => proxies.agentQueueActivities('login'),
    ]) {
      made.options = [];
      expect(optionsOf(make).retry?.maximumAttempts).toBeUndefined();
    }
  });
});
