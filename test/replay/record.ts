/**
 * Records what the present workflows really did, for all later ones to be replayed against. Run by
 * `node scripts/record-histories.mjs`: real server, worker, agents and repositories; paths and identities of the machine
 * are taken out of what is kept.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { temporal } from '@temporalio/proto';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { WorkItemStatus } from '../../src/domain/protocol.ts';
import { launchGateId, mergeQueueId } from '../../src/domain/protocol.ts';
import { agentPid, eventually, isAlive, supervisorPid } from '../support/processes.ts';
import { createWorld, goodScript } from '../support/world.ts';
import type { World, WorldOptions } from '../support/world.ts';

type History = temporal.api.history.v1.IHistory;

const DIR = 'docs/work-items/{item}';
/** Analysis and development alone: a person and an agent. */
const SHORT = ['architecture', 'review', 'testing', 'deploy-staging', 'deploy'];
const ONLY_DEVELOPMENT = ['analysis', ...SHORT];

interface Case {
  name: string;
  /** The names that `play` returns. */
  keeps: string[];
  options?: Partial<WorldOptions>;
  /** Plays the case; returns the workflow ids whose histories are kept, by the name of the file. */
  play: (world: World) => Promise<Record<string, string>>;
}

/** Writes `<case>-<date>.json` for every case, never over a file that is there. Returns the files written. */
export async function recordHistories(request: {
  address: string;
  directory: string;
  date: string;
  /** Names of the files to record; empty or missing: all. */
  only?: readonly string[];
  report: (line: string) => void;
}): Promise<string[]> {
  mkdirSync(request.directory, { recursive: true });
  const files: string[] = [];
  const only = request.only ?? [];
  for (const { name, keeps, options, play } of CASES) {
    if (only.length > 0 && !keeps.some((kept) => only.includes(kept))) continue;
    const world = await createWorld({ address: request.address, ...options });
    try {
      await world.startWorker();
      for (const [kept, workflowId] of Object.entries(await play(world))) {
        for (const [number, history] of (await readChain(world, workflowId)).entries()) {
          const file = freshFile(request.directory, number === 0 ? kept : `${kept}-${number + 1}`, request.date);
          writeFileSync(file, `${clean(historyToJSON(history), world)}\n`);
          files.push(file);
          request.report(`${name}: ${path.basename(file)} (${history.events?.length ?? 0} events)`);
        }
      }
    } finally {
      await world.close();
    }
  }
  return files;
}

const CASES: Case[] = [
  {
    name: 'every stage, at once',
    keeps: ['happy', 'merge-queue', 'launch-gate'],
    async play(world) {
      const id = await world.submit('Say hello');
      await approve(world, id);
      await world.client.workflow.getHandle(id).result();
      return {
        happy: id,
        'merge-queue': mergeQueueId(`local-${world.project}`, 'main'),
        'launch-gate': launchGateId('scripted'),
      };
    },
  },
  {
    name: 'sent back by the reviewer, then by the merge gate',
    keeps: ['returned', 'merge-queue-red'],
    options: {
      project: { commands: { test: ['sh', 'check.sh'], retest: ['test', '-e', 'third.txt'] } },
      script: {
        developer: ['first', 'second', 'third'].map((file) => ({ write: { [`${file}.txt`]: 'x\n' }, result: file })),
        reviewer: [
          { write: { [`${DIR}/12-review.md`]: '---\nverdict: REQUEST_CHANGES\n---\n{session}\n' }, result: 'no' },
          ...(goodScript().reviewer ?? []),
        ],
      },
    },
    async play(world) {
      const id = await world.submit('Never right at once');
      await approve(world, id);
      await world.client.workflow.getHandle(id).result();
      return { returned: id, 'merge-queue-red': mergeQueueId(`local-${world.project}`, 'main') };
    },
  },
  {
    name: 'a rejected approval, a failed try, questions',
    keeps: ['rejected'],
    options: {
      project: { skipStages: SHORT, allowSkip: true },
      script: {
        analyst: [
          { write: { [`${DIR}/01-questions.md`]: 'Which colour?\n' }, result: 'asked' },
          ...(goodScript().analyst ?? []),
          { write: { [`${DIR}/02-spec.md`]: 'what, again\n' }, result: 'again' },
        ],
        developer: [{ end: 'error', once: true }, { end: 'error', once: true }, ...(goodScript().developer ?? [])],
      },
    },
    async play(world) {
      const id = await world.submit('Not like this');
      await world.until(id, 'questions', (status) => status.waiting?.kind === 'answer');
      await world.decide(id, 'answer', { text: 'blue' });
      await world.until(id, 'approval', (status) => status.waiting?.kind === 'approval');
      await world.decide(id, 'reject', { text: 'not like this' });
      await world.until(id, 'asked again', (status) => entries(status) === 2 && status.waiting?.kind === 'approval');
      await approve(world, id);
      await world.until(id, 'attention', (status) => status.state === 'attention');
      await world.decide(id, 'retry', {});
      await world.client.workflow.getHandle(id).result();
      return { rejected: id };
    },
  },
  {
    name: 'cancelled with a run in flight',
    keeps: ['cancelled'],
    options: {
      project: { skipStages: ONLY_DEVELOPMENT },
      script: { developer: [{ sleepMs: 60_000, result: 'never' }] },
    },
    async play(world) {
      const id = await world.submit('Not wanted');
      await untilAgent(world, id);
      await world.client.workflow.getHandle(id).signal('cancel', { id: 'c1', reason: 'not wanted' });
      await world.client.workflow.getHandle(id).result();
      return { cancelled: id };
    },
  },
  {
    name: 'paused and stopped, lost and taken up, limited and waited for',
    keeps: ['disturbed', 'launch-gate-transient'],
    options: {
      project: { skipStages: ONLY_DEVELOPMENT },
      script: {
        developer: [
          { apiError: { text: 'API Error: Repeated 529 Overloaded errors.', status: 529 }, once: true },
          { sleepMs: 3_000, write: { 'feature.txt': 'x\n' }, result: 'done' },
        ],
      },
    },
    async play(world) {
      const id = await world.submit('Disturbed');
      const handle = world.client.workflow.getHandle(id);
      await world.until(id, 'a second run', (status) => status.runs.length === 2);
      const second = await untilAgent(world, id);
      await handle.signal('pause', { id: 'p1', stopRun: true });
      await world.until(id, 'paused', (status) => status.waiting?.kind === 'paused');
      await handle.signal('resume', { id: 'r1' });
      const runDir = await untilAgent(world, id, [second]);
      process.kill(supervisorPid(runDir) ?? 0, 'SIGKILL');
      await world.until(id, 'done', (status) => status.stage === 'done', 60_000);
      await handle.result();
      return { disturbed: id, 'launch-gate-transient': launchGateId('scripted') };
    },
  },
  {
    name: 'continued as new, waiting and in flight',
    keeps: ['continued-as-new'],
    options: {
      project: { skipStages: SHORT },
      script: { developer: [{ sleepMs: 3_000, write: { 'feature.txt': 'x\n' }, result: 'done' }] },
    },
    async play(world) {
      const id = await world.submit('Stormy', { input: { maxSignals: 12 } });
      await world.until(id, 'approval', (status) => status.waiting?.kind === 'approval' && status.outbox === 0);
      const handle = world.client.workflow.getHandle(id);
      for (let n = 0; n < 14; n += 1) await handle.signal('event', { id: `a${n}`, kind: 'board' });
      await approve(world, id);
      await world.until(id, 'development', (status) => status.stage === 'development');
      await untilAgent(world, id);
      for (let n = 0; n < 14; n += 1) await handle.signal('event', { id: `b${n}`, kind: 'board' });
      await handle.result();
      return { 'continued-as-new': id };
    },
  },
];

function entries(status: WorkItemStatus): number {
  return status.stages.find((stage) => stage.stage === status.stage)?.entries ?? 0;
}

async function approve(world: World, id: string): Promise<void> {
  const asked = await world.until(id, 'approval', (status) => status.waiting?.kind === 'approval');
  await world.decide(id, 'approve', { stage: 'analysis', commit: asked.waiting?.commit ?? '' });
}

/** Waits for an agent of the item that is at work, other than those of the runs that were `seen`. */
async function untilAgent(world: World, id: string, seen: readonly string[] = []): Promise<string> {
  return await eventually('an agent', () =>
    world.runDirs(id).find((runDir) => {
      const pid = agentPid(runDir);
      return pid !== null && isAlive(pid) && !seen.includes(runDir) && !existsSync(path.join(runDir, 'exit.json'));
    }),
  );
}

/** The histories of all executions of a workflow, oldest first; the last may still be running. */
async function readChain(world: World, workflowId: string): Promise<History[]> {
  const latest = await world.client.workflow.getHandle(workflowId).fetchHistory();
  const started = latest.events?.[0]?.workflowExecutionStartedEventAttributes;
  const chain: History[] = [];
  for (
    let runId: string | null | undefined = started?.firstExecutionRunId;
    typeof runId === 'string' && runId !== '';
  ) {
    const history: History = await world.client.workflow.getHandle(workflowId, runId).fetchHistory();
    chain.push(history);
    runId = history.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
  }
  return chain;
}

/** Takes the machine out: paths of the world in payloads, and who the client and worker processes were. */
function clean(json: string, world: World): string {
  const root = path.dirname(world.home);
  return JSON.stringify(
    JSON.parse(json, (key, value: unknown) => {
      if (typeof value !== 'string') return value;
      if (key === 'identity') return 'recorded';
      if (key !== 'data') return value.replaceAll(root, '/world');
      const text = Buffer.from(value, 'base64').toString('utf8');
      return text.includes(root) ? Buffer.from(text.replaceAll(root, '/world')).toString('base64') : value;
    }),
  );
}

function freshFile(directory: string, name: string, date: string): string {
  for (let number = 1; ; number += 1) {
    const file = path.join(directory, `${name}-${date}${number === 1 ? '' : `-${number}`}.json`);
    if (!existsSync(file)) return file;
  }
}
