import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { builtInConfig } from '../config/defaults.ts';
import { UNCONFINED_WARNING } from '../confine/index.ts';
import type { LaunchGateStatus, MergeQueueStatus, RunView, WorkItemStatus } from '../domain/protocol.ts';
import { buildServer } from './index.ts';
import type { ServerOptions } from './index.ts';
import { mapLimited } from './items.ts';
import type { ItemClient } from './items.ts';

let server: FastifyInstance | null = null;
afterEach(async () => {
  await server?.close();
  server = null;
});

interface FakeWorkflow {
  id: string;
  type: string;
  status?: string;
  title?: string;
  query: () => Promise<unknown>;
}

/** Visibility and queries of a Temporal that cannot run here; counts how often it is asked. */
class FakeTemporal {
  asked = 0;
  busy = 0;
  mostBusy = 0;
  readonly #workflows: FakeWorkflow[];

  constructor(workflows: FakeWorkflow[]) {
    this.#workflows = workflows;
  }

  client(): ItemClient {
    const fake = {
      withDeadline: async <R>(deadline: number, work: () => Promise<R>): Promise<R> => {
        const late = sleep(deadline - Date.now(), null, { ref: false }).then(() => {
          throw Object.assign(new Error('late'), { code: 4 });
        });
        return await Promise.race([work(), late]);
      },
      workflow: {
        list: ({ query }: { query: string }) => this.#list(query),
        count: async (query: string) => ({
          count: query.includes('cancelled') ? 1 : query.includes('Completed') ? 3 : 0,
        }),
        getHandle: (id: string) => ({ query: () => this.#query(id) }),
      },
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in for the few calls that are made
    return fake as unknown as ItemClient;
  }

  async *#list(query: string): AsyncGenerator {
    this.asked += 1;
    const wanted = /WorkflowType='(\w+)'/.exec(query)?.[1];
    const open = query.includes("ExecutionStatus='Running'");
    for (const workflow of this.#workflows) {
      const status = workflow.status ?? 'RUNNING';
      if (workflow.type !== wanted || (status === 'RUNNING') !== open) continue;
      yield {
        workflowId: workflow.id,
        runId: `run-${workflow.id}`,
        status: { name: status },
        startTime: new Date(0),
        memo: { title: workflow.title ?? workflow.id },
        typedSearchAttributes: { getAll: () => [{ key: { name: 'Stage' }, value: 'review' }] },
      };
    }
  }

  async #query(id: string): Promise<unknown> {
    this.asked += 1;
    this.busy += 1;
    this.mostBusy = Math.max(this.mostBusy, this.busy);
    try {
      await sleep(5);
      const workflow = this.#workflows.find((candidate) => candidate.id === id);
      if (workflow === undefined) throw Object.assign(new Error('no such workflow'), { code: 5 });
      return await workflow.query();
    } finally {
      this.busy -= 1;
    }
  }
}

function item(id: string, changes: Partial<WorkItemStatus> = {}): FakeWorkflow {
  const status = {
    itemId: id,
    project: 'ET',
    title: `Title of ${id}`,
    stage: 'development',
    state: 'running',
    waiting: null,
    branch: null,
    head: null,
    pullRequest: null,
    developerAttempts: 1,
    maxDeveloperAttempts: 3,
    permanentTries: 1,
    transientTries: 2,
    relaunches: 0,
    lastReason: null,
    lastGate: null,
    stages: [],
    runs: [],
    merged: null,
    approvals: [],
    outbox: 0,
    usage: { inputTokens: 0, outputTokens: 0, cachedTokens: 0, costUsd: 0.5, turns: 0, durationMs: 0 },
    startedAtMs: 1000,
    updatedAtMs: 2000,
    ...changes,
  } satisfies WorkItemStatus;
  return { id, type: 'workItem', query: async () => status };
}

function run(number: number, changes: Partial<RunView> = {}): RunView {
  return {
    runId: `r${number}`,
    number,
    stage: 'development',
    role: 'developer',
    agent: 'claude',
    model: 'claude-opus-4-8',
    effort: 'xhigh',
    outcome: 'succeeded',
    attempt: 1,
    startedAtMs: number * 1000,
    endedAtMs: null,
    usage: null,
    exit: null,
    runDir: null,
    ...changes,
  };
}

function start(workflows: FakeWorkflow[], options: Partial<ServerOptions> = {}): FakeTemporal {
  const temporal = new FakeTemporal(workflows);
  server = buildServer({
    config: builtInConfig('/nowhere'),
    client: temporal.client(),
    readiness: () => ({ ready: true, parts: {} }),
    preflight: () => [{ agent: 'claude', ok: false, reason: 'not logged in', checkedAtMs: Date.now() - 30_000 }],
    ...options,
  });
  return temporal;
}

async function get(
  url: string,
  headers: Record<string, string> = { host: 'localhost:8080' },
): Promise<{ code: number; body: any; type: string }> {
  const response = await server!.inject({ method: 'GET', url, headers });
  const type = String(response.headers['content-type']);
  return { code: response.statusCode, body: type.includes('json') ? response.json() : response.body, type };
}

describe('who may read', () => {
  const reads = ['/status', '/queue', '/work-items/ET-1', '/'];

  it.each(['localhost', 'localhost:8080', '127.0.0.1:1', '[::1]:8080', 'LOCALHOST:8080'])(
    'a Host of %s may',
    async (host) => {
      start([item('ET-1')]);
      for (const url of reads) expect((await get(url, { host })).code, url).toBe(200);
    },
  );

  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example:8080',
    '10.0.0.5',
    'localhost:8080@evil',
    ' ',
  ])('a Host of "%s" may not', async (host) => {
    start([item('ET-1')]);
    for (const url of reads)
      expect(await get(url, { host }), url).toMatchObject({
        code: 403,
        body: { error: { message: expect.stringMatching(/Host/) } },
      });
  });

  it.each(['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'X-Forwarded-Proto'])(
    'nobody with the header %s',
    async (name) => {
      start([item('ET-1')]);
      for (const url of reads) {
        expect(await get(url, { host: 'localhost', [name]: '' }), url).toMatchObject({
          code: 403,
          body: { error: { message: expect.stringMatching(/proxy/) } },
        });
      }
    },
  );

  it.each(['0.0.0.0', '::', '192.168.1.4', 'example.org'])(
    'nobody where the server is bound to %s, but probes are answered',
    async (host) => {
      const config = { ...builtInConfig('/nowhere'), http: { host, port: 1 } };
      start([item('ET-1')], { config });
      for (const url of reads)
        expect(await get(url), url).toMatchObject({
          code: 403,
          body: { error: { message: expect.stringMatching(/loopback bind/) } },
        });
      expect((await get('/health', { host: 'probe', 'x-forwarded-for': '1.2.3.4' })).code).toBe(200);
      expect((await get('/ready', { host: 'probe' })).code).toBe(200);
    },
  );
});

describe('health and readiness', () => {
  it('answers 503 with the part that is not ready', async () => {
    start([], { readiness: () => ({ ready: false, parts: { temporal: { ok: false, reason: 'away' } } }) });
    expect(await get('/ready')).toMatchObject({ code: 503, body: { parts: { temporal: { reason: 'away' } } } });
    expect(await get('/health')).toMatchObject({ code: 200, body: { status: 'ok' } });
  });
});

describe('/status', () => {
  it('lists open items under active_tasks, and one that cannot answer beside the others', async () => {
    const broken: FakeWorkflow = {
      ...item('ET-2'),
      title: 'Broken',
      query: () => Promise.reject(new Error('query failed')),
    };
    const closed: FakeWorkflow = { ...item('ET-9', { state: 'done' }), status: 'COMPLETED' };
    start([item('ET-1', { runs: [run(1, { outcome: 'running' })] }), broken, closed]);
    const { body } = await get('/status');
    expect(body.active_tasks).toMatchObject([
      {
        id: 'ET-1',
        stage: 'development',
        state: 'running',
        agent: 'claude',
        model: 'claude-opus-4-8',
        effort: 'xhigh',
      },
      { id: 'ET-2', title: 'Broken', stage: 'review', state: 'unknown', error: 'query failed' },
    ]);
    expect(body.active_tasks).toHaveLength(2);
    expect(body.problems).toEqual(['ET-2: query failed']);
  });

  it('is not held up by an item that never answers', async () => {
    start([{ ...item('ET-1'), query: () => new Promise(() => undefined) }, item('ET-2')]);
    const { body } = await get('/status');
    expect(body.active_tasks).toMatchObject([
      { id: 'ET-1', error: 'no worker answers' },
      { id: 'ET-2', state: 'running' },
    ]);
  });

  it('asks a bounded number at once, and rapid readers share one look', async () => {
    const temporal = start(Array.from({ length: 40 }, (_, index) => item(`ET-${index + 1}`)));
    const answers = await Promise.all([get('/status'), get('/status'), get('/status'), get('/queue')]);
    expect(answers.every(({ code }) => code === 200)).toBe(true);
    expect(temporal.mostBusy).toBeLessThanOrEqual(8);
    expect(temporal.asked).toBe(4 + 40);
    await get('/status');
    expect(temporal.asked).toBe(4 + 40);
  });

  it('answers 503 where there is no client, and asks anew the next time', async () => {
    let alive = false;
    const temporal = new FakeTemporal([item('ET-1')]);
    const getClient = (): ItemClient => {
      if (!alive) throw new Error('Temporal is away');
      return temporal.client();
    };
    start([], { getClient });
    expect(await get('/status')).toMatchObject({ code: 503, body: { error: { message: 'Temporal is away' } } });
    alive = true;
    expect((await get('/status')).body.active_tasks).toHaveLength(1);
  });
});

describe('/queue', () => {
  it('has counts, resilience, recent runs, the merge gate and the honest word about the sandbox', async () => {
    const untilMs = Date.now() + 120_000;
    const gate: LaunchGateStatus = {
      login: 'claude',
      state: 'breaker-open',
      reason: '3 transient failures',
      untilMs,
      consecutiveTransient: 3,
      grants: [],
    };
    const merge: MergeQueueStatus = {
      repositoryId: 'repo',
      base: 'main',
      current: null,
      queue: [],
      recent: [],
      counters: { attempts: 4, skippedRetests: 1, infraRetries: 2, red: 1, conflicts: 1, merges: 2 },
    };
    const waiting = { kind: 'backoff', reason: 'rate limited', sinceMs: Date.now() - 5000, untilMs } as const;
    start([
      item('ET-1', {
        runs: Array.from({ length: 12 }, (_, index) => run(index + 1, index === 11 ? { outcome: 'running' } : {})),
      }),
      item('ET-2', { state: 'waiting', waiting, lastReason: '429' }),
      item('ET-3', { state: 'attention' }),
      { id: 'launch-gate:claude', type: 'launchGate', query: async () => gate },
      { id: 'merge-queue:repo:main', type: 'mergeQueue', query: async () => merge },
    ]);
    const { body } = await get('/queue');
    expect(body.counts).toEqual({
      queued: 0,
      running: 1,
      waiting: 1,
      attention: 1,
      paused: 0,
      unknown: 0,
      done: 2,
      cancelled: 1,
      failed: 0,
    });
    expect(body.max_concurrency).toBe(1);
    expect(body.resilience).toMatchObject({
      breaker: { state: 'open', consecutive_transient: 3 },
      preflight_ok: false,
      preflight_reason: 'not logged in',
      preflight_age_s: 30,
    });
    expect(body.resilience.breaker.pause_remaining_s).toBeGreaterThan(110);
    expect(body.recent).toHaveLength(10);
    expect(body.recent[0]).toMatchObject({
      id: 'ET-1',
      run: 12,
      outcome: 'running',
      model: 'claude-opus-4-8',
      effort: 'xhigh',
    });
    expect(body.merge_gate).toMatchObject({
      attempts: 4,
      skipped_retests: 1,
      infra_retries: 2,
      red: 1,
      conflicts: 1,
      merges: 2,
    });
    expect(body.waiting).toMatchObject([
      {
        id: 'ET-2',
        reason: 'rate limited',
        until: new Date(untilMs).toISOString(),
        last_error: '429',
        tries: { developer: 1, permanent: 1, transient: 2 },
      },
      { id: 'ET-3', state: 'attention' },
    ]);
    expect(body.sandbox_warning).toBe(UNCONFINED_WARNING);
  });
});

describe('/work-items/:id and the page', () => {
  it('gives the status of one item, 404 for none, and never asks for what is no id', async () => {
    const temporal = start([item('ET-1')]);
    expect(await get('/work-items/ET-1')).toMatchObject({ code: 200, body: { itemId: 'ET-1', stage: 'development' } });
    expect(await get('/work-items/ET-7')).toMatchObject({ code: 404, body: { error: { code: 'not_found' } } });
    const before = temporal.asked;
    expect((await get('/work-items/launch-gate:claude')).code).toBe(404);
    expect(temporal.asked).toBe(before);
  });

  it('shows the queue without obeying what is in a title', async () => {
    start([item('ET-1', { title: '<script>alert(1)</script>' })]);
    const { body, type } = await get('/');
    expect(type).toContain('text/html');
    expect(body).toContain('&lt;script&gt;');
    expect(body).not.toContain('<script>');
  });
});

describe('mapLimited', () => {
  it('keeps the order and passes an error on', async () => {
    expect(await mapLimited([30, 10, 20], 2, async (wait) => sleep(wait, wait))).toEqual([30, 10, 20]);
    await expect(mapLimited([1], 2, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});
