/** decide, control and follow against a stand-in for Temporal: what is signed, what is refused, what is said. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeTestDirectory } from '../config/test-repository.ts';
import type { TestDirectory } from '../config/test-repository.ts';
import type { ControlInput, DecisionInput, WorkItemStatus } from '../domain/protocol.ts';
import { verifyEvidence } from '../people/evidence.ts';
import { readPeople } from '../people/store.ts';
import type { ItemClient } from '../server/items.ts';
import { openLocalTracker } from '../trackers/local/index.ts';
import { control } from './control.ts';
import { BOT_NAME, decide } from './decide.ts';
import { followItem } from './follow.ts';
import { createOutput } from './output.ts';

const COMMIT = 'c'.repeat(40);
let directory: TestDirectory;
let itemId: string;

beforeEach(async () => {
  directory = makeTestDirectory();
  const tracker = openLocalTracker({ home: directory.path, botName: BOT_NAME });
  itemId = (await tracker.createItem({ project: 'ET', title: 'A title', createdBy: 'anna' })).id;
});
afterEach(() => directory.remove());

interface Fake {
  statuses: (Partial<WorkItemStatus> | Error)[];
  update?: (name: string, input: DecisionInput) => unknown;
  signal?: (name: string, input: ControlInput) => unknown;
}

/** Answers the statuses one after the other; the last one stays. */
function fakeClient(fake: Fake): ItemClient {
  let asked = 0;
  const client = {
    withDeadline: async <R>(_deadline: number, work: () => Promise<R>): Promise<R> => work(),
    workflow: {
      list: async function* () {
        yield {
          workflowId: itemId,
          runId: 'r',
          status: { name: 'RUNNING' },
          startTime: new Date(0),
          typedSearchAttributes: { getAll: () => [] },
        };
      },
      getHandle: (id: string) => ({
        query: async () => {
          if (id !== itemId) throw Object.assign(new Error('nothing'), { code: 5 });
          const status = fake.statuses[Math.min(asked++, fake.statuses.length - 1)];
          if (status instanceof Error) throw status;
          return {
            itemId,
            title: 'A title',
            project: 'ET',
            stage: 'analysis',
            state: 'waiting',
            waiting: null,
            stages: [],
            runs: [],
            approvals: [],
            lastGate: null,
            merged: null,
            lastReason: null,
            ...status,
          };
        },
        executeUpdate: async (name: string, { args, updateId }: { args: [DecisionInput]; updateId: string }) => {
          expect(updateId).toBe(args[0].id);
          return fake.update?.(name, args[0]);
        },
        signal: async (name: string, input: ControlInput) => fake.signal?.(name, input),
      }),
    },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in for the few calls that are made
  return client as unknown as ItemClient;
}

function waiting(kind: 'approval' | 'answer' | 'attention'): Partial<WorkItemStatus> {
  return {
    waiting: {
      kind,
      reason: 'please',
      sinceMs: 1,
      ...(kind === 'approval' ? { commit: COMMIT, files: ['a.md'] } : {}),
    },
  };
}

const env = { STAGEWRIGHT_PERSON: 'anna' };
const noWorker = Object.assign(new Error('late'), { code: 4 });

function approve(answer: NonNullable<Fake['update']>): Promise<unknown> {
  const client = fakeClient({ statuses: [waiting('approval')], update: answer });
  return decide({ client, home: directory.path, env, itemId, command: 'approve' });
}

function update(): unknown {
  return { result: 'applied', message: 'ok', by: 'anna' };
}

describe('decide', () => {
  it('sends stage and commit as they were shown, with a proof that holds for exactly that', async () => {
    const sent: DecisionInput[] = [];
    const client = fakeClient({
      statuses: [waiting('approval')],
      update: (_name, input) => {
        sent.push(input);
        return { result: 'applied', message: 'approved', by: 'anna' };
      },
    });
    await decide({ client, home: directory.path, env, itemId, command: 'approve' });
    const [input] = sent;
    expect(input).toMatchObject({ stage: 'analysis', commit: COMMIT });
    expect(input).not.toHaveProperty('text');
    const check = {
      evidence: input!.evidence!,
      people: readPeople(directory.path).people,
      itemId,
      command: 'approve',
      stage: 'analysis',
      commit: COMMIT,
      text: null,
      nowMs: Date.now(),
      maxAgeMs: 60_000,
    };
    expect(verifyEvidence(check)).toEqual({ ok: true, person: 'anna', approver: true });
    expect(verifyEvidence({ ...check, commit: 'd'.repeat(40) })).toMatchObject({ ok: false });
  });

  it('is refused with the reason, by the validator and by the activity alike', async () => {
    await expect(
      approve(() => ({ result: 'refused', message: 'the head has moved', by: 'anna' })),
    ).rejects.toMatchObject({ exit: 'refused', message: 'the head has moved' });
    const thrown = Object.assign(new Error('Workflow Update failed', { cause: new Error('it waits for answer') }), {
      name: 'WorkflowUpdateFailedError',
    });
    await expect(approve(() => Promise.reject(thrown))).rejects.toMatchObject({
      exit: 'refused',
      message: 'it waits for answer',
    });
  });

  it('writes the answer on the board, and nothing where nobody asked', async () => {
    const tracker = openLocalTracker({ home: directory.path, botName: BOT_NAME });
    const request = { home: directory.path, env, itemId, command: 'answer', text: 'Five.' } as const;
    await expect(
      decide({ ...request, client: fakeClient({ statuses: [waiting('approval')], update }) }),
    ).rejects.toMatchObject({ exit: 'refused' });
    expect(await tracker.listComments(itemId)).toEqual([]);
    await decide({ ...request, client: fakeClient({ statuses: [waiting('answer')], update }) });
    expect(await tracker.listComments(itemId)).toMatchObject([{ by: 'anna', body: 'Five.' }]);
  });

  it('names the nearest item, and says that no worker is up', async () => {
    const client = fakeClient({ statuses: [noWorker] });
    await expect(decide({ client, home: directory.path, env, itemId: 'ET-2', command: 'retry' })).rejects.toMatchObject(
      { exit: 'notFound', mend: `did you mean ${itemId}?` },
    );
    await expect(decide({ client, home: directory.path, env, itemId, command: 'retry' })).rejects.toMatchObject({
      code: 'no_worker',
      exit: 'unreachable',
    });
  });
});

describe('control', () => {
  const request = { env, patienceMs: 300 };

  it('says that it has taken effect; its proof holds whatever stage the item is in by then', async () => {
    const sent: ControlInput[] = [];
    const client = fakeClient({
      statuses: [{ state: 'running' }, { state: 'paused' }],
      signal: (_name, input) => sent.push(input),
    });
    const done = await control({ ...request, client, home: directory.path, itemId, command: 'pause', stopRun: true });
    expect(done).toEqual({ result: 'applied', message: `${itemId} is paused`, state: 'paused' });
    expect(sent).toMatchObject([{ stopRun: true }]);
    const check = {
      evidence: sent[0]!.evidence!,
      people: readPeople(directory.path).people,
      itemId,
      command: 'pause',
      stage: null,
      commit: null,
      text: null,
      nowMs: Date.now(),
      maxAgeMs: 60_000,
    };
    expect(verifyEvidence(check)).toMatchObject({ ok: true });
  });

  it('says that it is recorded while no worker is up', async () => {
    const client = fakeClient({ statuses: [noWorker] });
    const done = await control({
      ...request,
      client,
      home: directory.path,
      itemId,
      command: 'cancel',
      reason: 'not wanted',
    });
    expect(done).toMatchObject({ result: 'recorded', message: expect.stringContaining('no worker answers') });
  });

  it('gives up looking after a while, without calling it done', async () => {
    const client = fakeClient({ statuses: [{ state: 'running' }] });
    expect(await control({ ...request, client, home: directory.path, itemId, command: 'cancel' })).toMatchObject({
      result: 'recorded',
      state: 'running',
    });
  });

  it('tells a refusal that the workflow wrote on the board', async () => {
    const tracker = openLocalTracker({ home: directory.path, botName: BOT_NAME });
    const signal = (_name: string, input: ControlInput): unknown =>
      tracker.addComment(itemId, { key: `${itemId}:refused:${input.id ?? ''}`, body: 'anna may not' });
    const client = fakeClient({ statuses: [{ state: 'running' }], signal });
    await expect(control({ ...request, client, home: directory.path, itemId, command: 'pause' })).rejects.toMatchObject(
      { exit: 'refused', message: 'anna may not' },
    );
  });

  it('is refused for a closed item, and unknown for none', async () => {
    const closed = Object.assign(new Error('workflow execution already completed'), { code: 5 });
    const client = fakeClient({ statuses: [{ state: 'done' }], signal: () => Promise.reject(closed) });
    await expect(control({ ...request, client, home: directory.path, itemId, command: 'pause' })).rejects.toMatchObject(
      { exit: 'refused', message: `${itemId} is done` },
    );
    await expect(
      control({ ...request, client, home: directory.path, itemId: 'ET-77', command: 'pause' }),
    ).rejects.toMatchObject({ exit: 'notFound' });
  });
});

describe('followItem', () => {
  const quiet = { write: () => true };
  const output = createOutput({ json: false, color: false, env: {}, stdout: quiet, stderr: quiet });

  it('asks once for each request, takes a question back that another door settled, and ends with the item', async () => {
    const first = waiting('approval');
    const client = fakeClient({
      statuses: [first, first, noWorker, first, { ...waiting('answer') }, { state: 'done', stage: 'done' }],
    });
    const asked: string[] = [];
    const taken: string[] = [];
    const attendant = {
      attend: async (status: WorkItemStatus, signal: AbortSignal) => {
        const kind = status.waiting?.kind ?? '';
        asked.push(kind);
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve());
        });
        taken.push(kind);
      },
    };
    const last = await followItem({ client, itemId, output, attendant, pollMs: 5 });
    expect(last?.state).toBe('done');
    expect(asked).toEqual(['approval', 'answer']);
    expect(taken).toEqual(['approval', 'answer']);
  });

  it('ends when it is told to, and goes on after an attendant that failed', async () => {
    const abort = new AbortController();
    const client = fakeClient({ statuses: [waiting('attention')] });
    const attendant = { attend: () => Promise.reject(new Error('refused')) };
    const following = followItem({ client, itemId, output, attendant, pollMs: 5, signal: abort.signal });
    await sleep(30);
    abort.abort();
    expect(await following).toMatchObject({ itemId, state: 'waiting' });
  });

  it('does not wait for an item that is not there', async () => {
    await expect(followItem({ client: fakeClient({ statuses: [{}] }), itemId: 'ET-99', output })).rejects.toMatchObject(
      { exit: 'notFound' },
    );
  });
});
