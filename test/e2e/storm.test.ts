/**
 * A storm of signals at one item. An execution refuses its signal 10,001 for ever, so an item has to continue as new well
 * before, with everything it knows, and without disturbing what is in flight.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultPayloadConverter } from '@temporalio/common';
import { afterEach, describe, expect, it } from 'vitest';
import type { DecisionResult, ItemEvent, WorkItemInput } from '../../src/domain/protocol.ts';
import { SIGNAL_EVENT } from '../../src/domain/protocol.ts';
import { agentPid, eventually, exitRecord, isAlive } from '../support/processes.ts';
import { sharedTemporal } from '../support/temporal.ts';
import { createWorld } from '../support/world.ts';
import type { World, WorldOptions } from '../support/world.ts';

const ONLY_DEVELOPMENT = {
  skipStages: ['analysis', 'architecture', 'review', 'testing', 'deploy-staging', 'deploy'],
};

describe('a storm of signals', () => {
  let world: World;
  afterEach(() => world.close());

  async function open(options: Partial<WorldOptions> = {}): Promise<void> {
    world = await createWorld({ address: sharedTemporal().address, ...options });
    await world.startWorker();
  }

  async function untilAsked(id: string): Promise<string> {
    const asked = await world.until(id, 'approval', (status) => status.waiting?.kind === 'approval');
    await world.until(id, 'an empty outbox', (status) => status.outbox === 0);
    return asked.waiting?.commit ?? '';
  }

  /**
   * Sends `count` events with ids of their own, `lanes` at a time. A server refuses to continue an execution as new while
   * signals keep coming in between, and at 10,000 it refuses signals instead: a sender then comes again, as a webhook's
   * does, and the next execution takes it.
   */
  async function storm(id: string, count: number, lanes: number, prefix = 'e'): Promise<void> {
    const handle = world.client.workflow.getHandle(id);
    let next = 0;
    async function send(): Promise<void> {
      while (next < count) {
        const event: ItemEvent = { id: `${prefix}${next}`, kind: 'board' };
        next += 1;
        for (let tries = 1; ; tries += 1) {
          try {
            await handle.signal(SIGNAL_EVENT, event);
            break;
          } catch (error) {
            if (!String((error as Error).cause).includes('limit for signal events') || tries === 100) throw error;
            await sleep(200);
          }
        }
      }
    }
    await Promise.all(Array.from({ length: lanes }, () => send()));
  }

  it('10,000 signals while a person is waited for: none is lost, the item takes more, the approval still stands', async () => {
    await open();
    const id = await world.submit('stormy');
    const commit = await untilAsked(id);
    const said = await world.comments(id);
    const before = await world.status(id);

    await storm(id, 10_000, 50);

    await world.client.workflow.getHandle(id).signal(SIGNAL_EVENT, { id: 'last', kind: 'board' });
    const history = await readChain(world, id);
    expect(history.executions).toBeGreaterThan(1);
    expect(history.eventIds).toHaveLength(10_001);
    expect(new Set(history.eventIds).size).toBe(10_001);

    const after = await world.status(id);
    expect(after).toMatchObject({
      stage: 'analysis',
      waiting: { kind: 'approval', commit },
      developerAttempts: before.developerAttempts,
      startedAtMs: before.startedAtMs,
      branch: before.branch,
    });
    expect(after.runs).toEqual(before.runs);
    expect(await world.comments(id)).toEqual(said);
    expect(await world.decide(id, 'approve', { stage: 'analysis', commit })).toMatchObject({ result: 'applied' });
    const further = await world.until(id, 'architecture left', (status) => status.approvals.length === 1);
    expect(further.approvals[0]).toMatchObject({ stage: 'analysis', commit });
  }, 180_000);

  it('what was handled before stays handled in the next execution', async () => {
    await open();
    const id = await world.submit('remembers', { input: { maxSignals: 40 } });
    const commit = await untilAsked(id);
    const update = { commit: 'fffffffffff', id: 'd1' };
    await expect(world.decide(id, 'approve', update)).rejects.toThrow();
    await storm(id, 300, 10);
    await expect.poll(async () => (await readChain(world, id)).executions, { timeout: 15_000 }).toBeGreaterThan(1);
    const history = await readChain(world, id);
    expect(history.carriedIds.length).toBeGreaterThanOrEqual(40);
    // All of an execution's ids go with it, in their order; only the oldest are ever dropped.
    expect(history.eventIds.slice(0, history.carriedIds.length)).toEqual(history.carriedIds);
    expect(await world.decide(id, 'approve', { commit })).toMatchObject({ result: 'applied' });
  });

  it('with the board away the outbox goes along, a person is heard, and everything is said once, in order', async () => {
    await open();
    const id = await world.submit('board away', { input: { maxSignals: 40 } });
    const commit = await untilAsked(id);
    const comments = path.join(world.home, 'tracker', 'T', id, 'comments');
    renameSync(comments, `${comments}.away`);
    writeFileSync(comments, 'not a directory\n');
    const handle = world.client.workflow.getHandle(id);
    await handle.signal('pause', { id: 'p1' });
    await world.until(id, 'a write that cannot be delivered', (status) => status.outbox > 0);
    await storm(id, 200, 10);
    // The threshold is passed and a delivery is out: neither may keep a person waiting.
    const decided = await Promise.race([
      world.decide(id, 'approve', { commit }),
      sleep(15_000).then((): DecisionResult => ({ result: 'refused', message: 'nobody answered', by: '' })),
    ]);
    rmSync(comments);
    renameSync(`${comments}.away`, comments);
    expect(decided).toMatchObject({ result: 'applied' });
    await handle.signal('resume', { id: 'r1' });
    const done = await world.until(id, 'on', (status) => status.outbox === 0 && status.runs.length > 1, 90_000);
    expect(done.approvals).toHaveLength(1);
    const bodies = await world.comments(id);
    expect(new Set(bodies).size).toBe(bodies.length);
    const place = (text: RegExp): number => bodies.findIndex((body) => text.test(body));
    expect(place(/paused/i)).toBeGreaterThan(0);
    expect(place(/approved/i)).toBeGreaterThan(place(/paused/i));
  });

  it('a storm during a run: the next execution attends the same agent, which is paid once and not disturbed', async () => {
    const flag = path.join(mkdtempSync(path.join(os.tmpdir(), 'stagewright-storm-')), 'over');
    const untilOver = ['sh', '-c', 'while ! test -e "$0"; do sleep 0.1; done', flag];
    await open({
      project: ONLY_DEVELOPMENT,
      script: { developer: [{ run: untilOver, write: { 'feature-{item}.txt': 'work\n' }, result: 'done' }] },
    });
    const id = await world.submit('storm in flight', { input: { maxSignals: 40 } });
    const runDir = await eventually('an agent', () => world.runDirs(id).find((dir) => agentPid(dir) !== null));
    const pid = agentPid(runDir) ?? 0;
    await storm(id, 200, 10);
    // A delivery that is out is waited for first.
    await expect.poll(async () => (await readChain(world, id)).executions, { timeout: 15_000 }).toBeGreaterThan(1);
    expect(isAlive(pid)).toBe(true);
    mkdirSync(flag);
    const status = await world.until(id, 'done', (found) => found.stage === 'done');
    expect(status.runs).toHaveLength(1);
    expect(status.runs[0]).toMatchObject({ outcome: 'succeeded', exit: 0 });
    expect(status.relaunches).toBe(0);
    expect(status.stages.find((stage) => stage.stage === 'development')?.entries).toBe(1);
    expect(world.runDirs(id)).toEqual([runDir]);
    expect(exitRecord(runDir)).toMatchObject({ childPid: pid, cause: null, signals: [] });
    await world.client.workflow.getHandle(id).result();
    const bodies = await world.comments(id);
    expect(new Set(bodies).size).toBe(bodies.length);
    rmSync(path.dirname(flag), { recursive: true });
  });

  it('a cancel in the middle of a storm in flight still ends agent and item', async () => {
    await open({ project: ONLY_DEVELOPMENT, script: { developer: [{ sleepMs: 60_000, result: 'done' }] } });
    const id = await world.submit('cancelled in a storm', { input: { maxSignals: 40 } });
    const runDir = await eventually('an agent', () => world.runDirs(id).find((dir) => agentPid(dir) !== null));
    const pid = agentPid(runDir) ?? 0;
    const handle = world.client.workflow.getHandle(id);
    await Promise.all([storm(id, 300, 10), sleep(150).then(() => handle.signal('cancel', { id: 'c1', reason: 'no' }))]);
    expect(await handle.result()).toMatchObject({ stage: 'cancelled' });
    expect(isAlive(pid)).toBe(false);
    expect(world.runDirs(id)).toEqual([runDir]);
    expect(exitRecord(runDir)).toMatchObject({ cause: 'stop', exit: -9 });
  });
});

interface Chain {
  executions: number;
  /** Ids of all `event` signals of all executions, oldest first. */
  eventIds: string[];
  /** Ids that the second execution was started with. */
  carriedIds: string[];
}

/** Reads every execution of the item from its history: what was really accepted, and what was really carried over. */
async function readChain(world: World, id: string): Promise<Chain> {
  const chain: Chain = { executions: 0, eventIds: [], carriedIds: [] };
  for (let runId: string | undefined = await firstRunId(world, id); runId !== undefined; ) {
    const { events } = await world.client.workflow.getHandle(id, runId).fetchHistory();
    let following: string | undefined;
    for (const event of events ?? []) {
      const signalled = event.workflowExecutionSignaledEventAttributes;
      if (signalled?.signalName === SIGNAL_EVENT) {
        const payload = signalled.input?.payloads?.[0];
        if (payload !== undefined && payload !== null)
          chain.eventIds.push(defaultPayloadConverter.fromPayload<ItemEvent>(payload).id);
      }
      const continued = event.workflowExecutionContinuedAsNewEventAttributes;
      if (continued !== undefined && continued !== null) {
        following = continued.newExecutionRunId ?? undefined;
        const payload = continued.input?.payloads?.[0];
        if (chain.executions === 0 && payload !== undefined && payload !== null) {
          const input = defaultPayloadConverter.fromPayload<WorkItemInput>(payload);
          chain.carriedIds = (input.carried as { handledIds?: string[] } | undefined)?.handledIds ?? [];
        }
      }
    }
    chain.executions += 1;
    runId = following;
  }
  return chain;
}

async function firstRunId(world: World, id: string): Promise<string | undefined> {
  const { events } = await world.client.workflow.getHandle(id).fetchHistory();
  return events?.[0]?.workflowExecutionStartedEventAttributes?.firstExecutionRunId ?? undefined;
}
