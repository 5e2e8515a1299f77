import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execFileSync } from 'node:child_process';
import { sharedTemporal } from '../support/temporal.ts';
import { createWorld, goodScript } from '../support/world.ts';
import type { World } from '../support/world.ts';

const DIR = 'docs/work-items/{item}';

describe('people decide', () => {
  let world: World;

  beforeAll(async () => {
    world = await createWorld({
      address: sharedTemporal().address,
      limits: { concurrentRuns: 3, gateSlots: 2, reminderFirst: '1s', reminderEvery: '2s' },
      project: { allowSkip: true },
    });
    await world.startWorker();
  });
  afterAll(() => world.close());

  async function untilApproval(id: string): Promise<string> {
    const status = await world.until(id, 'approval', (found) => found.waiting?.kind === 'approval');
    return status.waiting?.commit ?? '';
  }

  it('refuses a wrong stage, a head that has moved, and a command that is not asked for, each with the reason', async () => {
    const id = await world.submit('careful');
    await expect(world.decide(id, 'approve', {})).rejects.toMatchObject({
      cause: { message: expect.stringContaining('waits for no decision') as string },
    });
    const commit = await untilApproval(id);
    await expect(world.decide(id, 'approve', { stage: 'review' })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('is in analysis, not in review') as string },
    });
    await expect(world.decide(id, 'approve', { commit: '0123456789abcdef' })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('the head has moved') as string },
    });
    await expect(world.decide(id, 'retry', {})).rejects.toMatchObject({
      cause: { message: expect.stringContaining('possible are approve, reject') as string },
    });
    await expect(world.decide(id, 'reject', { text: ' ' })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('needs a reason') as string },
    });
    // Nothing of that has moved it.
    expect((await world.status(id)).waiting?.commit).toBe(commit);
    const refused = await world.decide(id, 'approve', {
      commit,
      evidence: { kind: 'token', person: 'mallory', nonce: 'n', at: Date.now(), mac: 'ff' },
    });
    expect(refused.result).toBe('refused');
    expect((await world.status(id)).stage).toBe('analysis');
  });

  it('a push to an approved file voids the request: what was not shown is not approved', async () => {
    const id = await world.submit('changed under the request');
    const commit = await untilApproval(id);
    const status = await world.status(id);
    const clone = `${world.home}/clone-${id}`;
    execFileSync('git', ['clone', '-q', '-b', status.branch ?? '', world.forge, clone]);
    execFileSync('sh', ['-c', `echo more >> docs/work-items/${id}/02-spec.md`], { cwd: clone });
    world.git(['commit', '-qam', 'sneak'], clone);
    world.git(['push', '-q'], clone);
    const answer = await world.decide(id, 'approve', { commit });
    expect(answer).toMatchObject({ result: 'refused', message: expect.stringContaining('02-spec.md') as string });
    const again = await world.until(
      id,
      'asked anew',
      (found) => found.waiting?.kind === 'approval' && found.waiting.commit !== commit,
    );
    expect(again.stage).toBe('analysis');
    expect((await world.decide(id, 'approve', { commit: again.waiting?.commit ?? '' })).result).toBe('applied');
  });

  it('questions wait for an answer, which reaches the next run; reminders launch nothing', async () => {
    const id = await world.submit('ask me', {
      script: {
        analyst: [
          { write: { [`${DIR}/01-questions.md`]: 'Which colour?\n' }, result: 'asked' },
          ...(goodScript().analyst ?? []),
        ],
      },
    });
    const asked = await world.until(id, 'question', (status) => status.waiting?.kind === 'answer');
    expect(asked.waiting?.reason).toContain('Which colour?');
    await world.until(id, 'still the only run', (status) => status.runs.length === 1 && status.outbox === 0);
    await expect(world.decide(id, 'approve', {})).rejects.toMatchObject({
      cause: { message: expect.stringContaining('waits for answer') as string },
    });
    expect((await world.decide(id, 'answer', { text: 'Blue, always blue.' })).result).toBe('applied');
    const commit = await untilApproval(id);
    expect(commit).not.toBe('');
    const [, second] = world.runDirs(id);
    expect(execFileSync('cat', [`${second}/prompt.md`], { encoding: 'utf8' })).toContain('Blue, always blue.');
    await world.until(id, 'reminded', (status) => status.outbox === 0 && status.runs.length === 2);
  });

  it('old questions do not ask again', async () => {
    const id = await world.submit('leftover', {
      script: {
        analyst: [
          { write: { [`${DIR}/01-questions.md`]: 'Which colour?\n' }, result: 'asked' },
          { say: 'nothing written', result: 'nothing' },
        ],
      },
    });
    await world.until(id, 'question', (status) => status.waiting?.kind === 'answer');
    await world.decide(id, 'answer', { text: 'blue' });
    const status = await world.until(id, 'attention', (found) => found.state === 'attention');
    expect(status.waiting?.reason).toMatch(/2 tries are used up/);
  });

  it('a conflict file sends architecture back to analysis, with its words on the board', async () => {
    const id = await world.submit('contradiction', {
      script: {
        architect: [{ write: { [`${DIR}/10-conflict.md`]: 'The spec contradicts itself.\n' }, result: 'conflict' }],
      },
    });
    await world.decide(id, 'approve', { commit: await untilApproval(id) });
    const back = await world.until(
      id,
      'back in analysis',
      (status) =>
        status.stages.find((stage) => stage.stage === 'analysis')?.entries === 2 && status.waiting?.kind === 'approval',
    );
    expect(back.developerAttempts).toBe(0);
    expect((await world.comments(id)).join('\n')).toContain('The spec contradicts itself.');
  });

  it('three developer attempts whatever the reason, then a person; retry grants one more', async () => {
    const id = await world.submit('never good enough', {
      script: {
        developer: [1, 2, 3, 4].map((n) => ({ write: { 'feature.txt': `${n}\n` }, result: `${n}` })),
        reviewer: [
          { write: { [`${DIR}/12-review.md`]: '---\nverdict: REQUEST_CHANGES\n---\n{session}: no\n' }, result: 'no' },
        ],
      },
    });
    await world.decide(id, 'approve', { commit: await untilApproval(id) });
    const parked = await world.until(id, 'the cap', (status) => status.state === 'attention', 90_000);
    expect(parked.stage).toBe('development');
    expect(parked.runs.filter((run) => run.role === 'developer')).toHaveLength(3);
    expect(parked.developerAttempts).toBe(3);
    expect(parked.waiting?.reason).toContain('3 developer attempts are used up');
    await world.until(id, 'said on the board', (status) => status.outbox === 0);
    expect(await world.boardState(id)).toBe('blocked');
    expect((await world.decide(id, 'retry', {})).result).toBe('applied');
    const again = await world.until(
      id,
      'the cap again',
      (status) => status.state === 'attention' && status.developerAttempts === 4,
      90_000,
    );
    expect(again.runs.filter((run) => run.role === 'developer')).toHaveLength(4);
    const stale = await world.decide(id, 'reject', { text: 'start over' });
    expect(stale.result).toBe('applied');
    const rejected = await world.until(
      id,
      'one stage back',
      (status) => status.stages.find((stage) => stage.stage === 'architecture')?.entries === 2,
    );
    expect(rejected.developerAttempts).toBe(4);
  });

  it('pause holds launches, stop-run keeps the session, resume goes on', async () => {
    const id = await world.submit('pause me', {
      script: { analyst: [{ sleepMs: 4_000, ...goodScript().analyst?.[0] }] },
    });
    await world.until(
      id,
      'running',
      (status) => status.runs.at(-1)?.outcome === 'running' && world.runDirs(id).length === 1,
    );
    await new Promise((resolve) => setTimeout(resolve, 700));
    const handle = world.client.workflow.getHandle(id);
    await handle.signal('pause', { stopRun: true });
    const paused = await world.until(
      id,
      'paused',
      (status) => status.state === 'paused' && status.waiting?.kind === 'paused',
    );
    expect(paused.runs.map((run) => run.outcome)).toEqual(['stopped']);
    await handle.signal('resume', {});
    await untilApproval(id);
    const status = await world.status(id);
    expect(status.runs).toHaveLength(2);
    expect(status.permanentTries).toBe(0);
    const launch = JSON.parse(execFileSync('cat', [`${world.runDirs(id)[1]}/launch.json`], { encoding: 'utf8' })) as {
      argv: string[];
    };
    expect(launch.argv).toContain('--resume');
  });

  it('skip where the project allows it; cancel while a person is waited for', async () => {
    const id = await world.submit('skip it', { script: { architect: [{ say: 'no file', result: 'nothing' }] } });
    await world.decide(id, 'approve', { commit: await untilApproval(id) });
    await world.until(id, 'attention', (status) => status.state === 'attention' && status.stage === 'architecture');
    expect((await world.decide(id, 'skip', {})).message).toContain('development');
    await world.until(id, 'further', (status) => ['development', 'review'].includes(status.stage));
    await world.client.workflow.getHandle(id).signal('cancel', { reason: 'enough' });
    expect(await world.client.workflow.getHandle(id).result()).toMatchObject({ stage: 'cancelled' });
    expect(await world.boardState(id)).toBe('cancelled');
    await expect(world.decide(id, 'approve', {})).rejects.toThrow();
  });
});
