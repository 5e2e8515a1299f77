/**
 * Real runs under Temporal's six reasons to abort an attempt. What breaks without the distinction: a worker's restart, a
 * server's hiccup or a laptop's sleep ends an agent at work, and its hour is paid again.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RUN_FILES } from '../src/agents/record.ts';
import { ensureCompiled, isAlive, until } from '../src/agents/run/fixtures/harness.ts';
import { readRunState } from '../src/agents/run/state.ts';
import { stopRun as endRun } from '../src/agents/run/stop.ts';
import type { Step } from '../src/agents/scripted/scenario.ts';
import { writeScenario } from '../src/agents/scripted/scenario.ts';
import { DEFAULT_LIMITS } from '../src/domain/budgets.ts';
import type { RunResult } from '../src/domain/types.ts';
import { BRANCH, ITEM, createWorld } from '../src/git/testing.ts';
import type { World } from '../src/git/testing.ts';
import type { Deps } from './deps.ts';
import { runDirectory } from './deps.ts';
import { runAgent } from './run-agent.ts';
import { PROJECT, testConfig, testDeps } from './testing.ts';
import type { RunInput } from './types.ts';

type Reason = Parameters<MockActivityEnvironment['cancel']>[0];

let world: World;
let deps: Deps;
const launched: string[] = [];

beforeAll(async () => {
  ensureCompiled();
  world = await createWorld();
  const scenario = path.join(world.root, 'scenario.json');
  const configDir = path.join(world.root, 'agent');
  const limits = { ...DEFAULT_LIMITS, interruptMs: 1_000, graceMs: 1_000 };
  deps = testDeps(testConfig(world.home, { limits, agents: { scripted: { scenario, configDir } } }), {
    openProject: () => Promise.resolve({ forge: world.forge, repo: world.repo }),
  });
});
afterEach(async () => {
  for (const runDir of launched.splice(0)) await endRun(runDir, 'end of the test', { waitMs: 10_000 });
});
afterAll(() => world.remove());

function play(...developer: Step[]): void {
  rmSync(path.join(world.root, 'agent'), { recursive: true, force: true });
  writeScenario(path.join(world.root, 'scenario.json'), { speed: 1, default: { developer } });
}

function newRun(): { input: RunInput; runDir: string } {
  const runId = randomUUID();
  const runDir = runDirectory(world.home, ITEM, runId);
  launched.push(runDir);
  const input: RunInput = {
    itemId: ITEM,
    project: PROJECT,
    runId,
    number: 1,
    stage: 'development',
    entry: 1,
    role: 'developer',
    agent: 'scripted',
    model: 'claude-opus-4-8',
    effort: null,
    budgetMs: 60_000,
    silenceMs: 0,
    branch: BRANCH,
    commit: world.start,
    detached: false,
    expected: [],
    reasons: [],
    resumeSessionId: null,
  };
  return { input, runDir };
}

type RunAgent = (input: RunInput) => Promise<RunResult>;

interface Attempt {
  environment: MockActivityEnvironment;
  end: Promise<RunResult>;
}

function attend(input: RunInput): Attempt {
  const environment = new MockActivityEnvironment();
  const end = environment.run<[RunInput], RunResult, RunAgent>((given) => runAgent(deps, given), input);
  end.catch(() => undefined);
  return { environment, end };
}

async function untilAgent(runDir: string): Promise<number> {
  return await until('an agent', () => {
    const file = path.join(runDir, RUN_FILES.child);
    return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid;
  });
}

/** Cancels the attempt and returns what it threw, beside what Temporal gave it as the reason. */
async function abort(
  attempt: Attempt,
  reason: Reason,
  details: ActivityCancellationDetails,
): Promise<[unknown, unknown]> {
  attempt.environment.cancel(reason, details);
  const thrown: unknown = await attempt.end.then(
    () => 'it returned',
    (error: unknown) => error,
  );
  return [thrown, attempt.environment.context.cancellationSignal.reason];
}

describe('reasons to abort an attempt', () => {
  it.each([
    ['CANCELLED', { cancelRequested: true }],
    ['PAUSED', { paused: true }],
  ] as const)('%s stops the agent, and the failure is Temporal’s own', async (reason, details) => {
    play({ sleepMs: 60_000 });
    const { input, runDir } = newRun();
    const attempt = attend(input);
    const pid = await untilAgent(runDir);
    const [thrown, given] = await abort(attempt, reason, new ActivityCancellationDetails(details));
    expect(thrown).toBeInstanceOf(CancelledFailure);
    expect(thrown).toBe(given);
    expect(isAlive(pid)).toBe(false);
    expect(readRunState(runDir)).toMatchObject({ state: 'ended', exit: { cause: 'stop', exit: -9 } });
  });

  it.each([
    ['NOT_FOUND', { notFound: true }],
    ['TIMED_OUT', { timedOut: true }],
    ['RESET', { reset: true }],
    ['WORKER_SHUTDOWN', { workerShutdown: true }],
  ] as const)(
    '%s detaches: the agent lives, nothing is touched, and the next attempt attends it',
    async (reason, details) => {
      const flag = path.join(world.root, `end-${reason}`);
      play({ run: ['sh', '-c', 'while ! test -e "$0"; do sleep 0.05; done', flag], result: 'done' });
      const { input, runDir } = newRun();
      const attempt = attend(input);
      const pid = await untilAgent(runDir);
      const [thrown, given] = await abort(attempt, reason, new ActivityCancellationDetails(details));
      expect(thrown).toBeInstanceOf(CancelledFailure);
      expect(thrown).toBe(given);
      await sleep(700);
      expect(isAlive(pid)).toBe(true);
      expect(existsSync(path.join(runDir, RUN_FILES.stop))).toBe(false);
      expect(readRunState(runDir).state).toBe('running');

      const next = attend(input);
      await world.write(world.root, path.basename(flag), '');
      expect(await next.end).toMatchObject({ outcome: 'succeeded', attached: true, exit: 0 });
      expect(await untilAgent(runDir)).toBe(pid);
    },
  );
});

describe('an attempt is a spectator', () => {
  it('a second one beside a living first launches nothing, and both see the same end', async () => {
    play({ sleepMs: 1_500, result: 'once' }, { result: 'twice' });
    const { input, runDir } = newRun();
    const first = attend(input);
    const pid = await untilAgent(runDir);
    const second = attend(input);
    const [one, two] = await Promise.all([first.end, second.end]);
    expect(one).toMatchObject({ outcome: 'succeeded', tail: 'once', attached: false });
    expect(two).toEqual({ ...one, attached: true });
    expect(readRunState(runDir)).toMatchObject({ exit: { childPid: pid, cause: null } });
  });

  it('two that begin at the same moment make one agent', async () => {
    play({ sleepMs: 500, result: 'once' }, { result: 'twice' });
    const { input } = newRun();
    const ends = await Promise.all([attend(input).end, attend(input).end, attend(input).end]);
    expect(ends.map((end) => end.tail)).toEqual(['once', 'once', 'once']);
    expect(new Set(ends.map((end) => end.sessionId)).size).toBe(1);
  });

  it('one on an ended run returns its outcome and launches nothing', async () => {
    play({ result: 'once' }, { result: 'twice' });
    const { input, runDir } = newRun();
    const first = await attend(input).end;
    const before = statSync(path.join(runDir, RUN_FILES.supervisor)).mtimeMs;
    expect(await attend(input).end).toEqual({ ...first, attached: true });
    expect(statSync(path.join(runDir, RUN_FILES.supervisor)).mtimeMs).toBe(before);
  });

  it('one that comes after a stop was asked for starts no agent', async () => {
    play({ result: 'never' });
    const { input, runDir } = newRun();
    await endRun(runDir, 'cancelled', { waitMs: 100 });
    expect(await attend(input).end).toMatchObject({ outcome: 'stopped', usage: null });
    expect(existsSync(path.join(runDir, RUN_FILES.child))).toBe(false);
  });
});
