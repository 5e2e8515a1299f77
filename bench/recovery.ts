/**
 * The worker is killed again and again in the middle of runs, with one agent at a time and items waiting: how soon after
 * a new worker's start is the run attended again, and was any healthy run ended, or a second one started beside it?
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunOutcome } from '../src/domain/types.ts';
import { agentPid, eventually, exitRecord, isAlive } from '../test/support/processes.ts';
import type { World } from '../test/support/world.ts';
import { untilDone, withWorld } from './bench-world.ts';
import { median, percentile } from './report.ts';
import type { Bench } from './report.ts';

const GOAL_MS = 10_000;
const KILLS = 20;
/** One at work and five waiting, for as long as workers are killed. */
const WAITING = 5;
const KILLS_PER_RUN = 4;
const ITEMS = KILLS / KILLS_PER_RUN + WAITING;
const SAMPLE_MS = 50;
const LIMIT_MS = 60_000;
const DEVELOPMENT_ALONE = ['analysis', 'architecture', 'review', 'testing', 'deploy-staging', 'deploy'];

export const recovery: Bench = {
  name: 'recovery',
  summary: `${KILLS} SIGKILLs of the worker: attached again, never two agents, no run ended`,
  async run(say) {
    return await withWorld({ project: { skipStages: DEVELOPMENT_ALONE } }, async ({ world }) => {
      const gate = (id: string): string => path.join(world.home, `release-${id}`);
      // The agent works until its item is released; a run so lasts as long as the kills need.
      const untilReleased = ['sh', '-c', 'until [ -e "$0" ]; do sleep 0.1; done', gate('{item}')];
      world.setScript({
        developer: [{ run: untilReleased, write: { 'feature-{item}.txt': 'work\n' }, result: 'done' }],
      });
      let mostAgents = 0;
      mkdirSync(path.join(world.home, 'runs'), { recursive: true, mode: 0o700 });
      const sampling = setInterval(() => {
        const together = countTogether(world);
        if (together > Math.max(mostAgents, 1)) say(`${together} agents at once`);
        mostAgents = Math.max(mostAgents, together);
      }, SAMPLE_MS);
      try {
        const { attachedMs, ids } = await killWorkers(world, gate, say);
        for (const id of ids) writeFileSync(gate(id), '');
        const ended = await untilDone(world, ids, LIMIT_MS);
        const runs = ids.flatMap((id) => world.runDirs(id));
        const outcomes = ended.flatMap((status) => status.runs.map((run) => run.outcome));
        const unhealthy = runs.filter((runDir) => exitRecord(runDir).cause !== null).length;
        return {
          figures: [
            { what: 'attached again: best', value: Math.min(...attachedMs), unit: 'ms' },
            { what: 'attached again: p50', value: median(attachedMs), unit: 'ms' },
            { what: 'attached again: p95', value: percentile(attachedMs, 0.95), unit: 'ms', goal: GOAL_MS },
            { what: 'attached again: worst', value: Math.max(...attachedMs), unit: 'ms' },
            { what: 'kills', value: attachedMs.length, unit: '' },
            { what: 'agents alive at once, at most', value: mostAgents, unit: '', goal: 1 },
            { what: 'healthy runs ended or lost', value: unhealthy + countLost(outcomes), unit: '', goal: 0 },
            { what: 'runs beyond one per item', value: runs.length - ids.length, unit: '', goal: 0 },
          ],
          notes: [
            'from the spawn of the new worker’s process to the first change of the run’s lease after it',
            `one agent at a time, ${WAITING} items or more waiting, ${KILLS_PER_RUN} kills per run`,
          ],
        };
      } finally {
        clearInterval(sampling);
      }
    });
  },
};

/** Looked at twice: between two reads of one look, one agent may have ended and the next one begun. */
function countTogether(world: World): number {
  const first = findAgents(world);
  if (first.length < 2) return first.length;
  const second = new Set(findAgents(world));
  return first.filter((pid) => second.has(pid)).length;
}

/** Agents alone: the test command of the item before may well run beside the next item's agent. */
function findAgents(world: World): number[] {
  return readdirSync(path.join(world.home, 'runs'))
    .flatMap((id) => world.runDirs(id))
    .filter((runDir) => !existsSync(path.join(runDir, 'exit.json')))
    .flatMap((runDir) => agentPid(runDir) ?? [])
    .filter(isAlive);
}

function countLost(outcomes: readonly (RunOutcome | 'queued' | 'running')[]): number {
  return outcomes.filter((outcome) => outcome !== 'succeeded').length;
}

async function killWorkers(
  world: World,
  gate: (id: string) => string,
  say: (line: string) => void,
): Promise<{ attachedMs: number[]; ids: string[] }> {
  const ids: string[] = [];
  for (let n = 0; n < ITEMS; n += 1) ids.push(await world.submit(`item ${n}`));
  const attachedMs: number[] = [];
  const released = new Set<string>();
  let worker = await world.startWorker();
  while (attachedMs.length < KILLS) {
    const held = ids.filter((id) => !released.has(id));
    const { id, runDir } = await findRunAtWork(world, held);
    for (let n = 0; n < KILLS_PER_RUN; n += 1) {
      // Anywhere within the two seconds of lease, heartbeat and looks at the supervisor.
      await sleep(200 + Math.random() * 2_000);
      await worker.kill('SIGKILL');
      const before = readLease(runDir);
      const startedMs = performance.now();
      const starting = world.startWorker();
      await eventually('the run is attended again', () => readLease(runDir) !== before, LIMIT_MS);
      attachedMs.push(performance.now() - startedMs);
      worker = await starting;
      say(`kill ${attachedMs.length} of ${KILLS}: attached after ${Math.round(attachedMs.at(-1) ?? 0)} ms`);
    }
    released.add(id);
    if (attachedMs.length < KILLS) writeFileSync(gate(id), '');
  }
  return { attachedMs, ids };
}

async function findRunAtWork(world: World, ids: readonly string[]): Promise<{ id: string; runDir: string }> {
  return await eventually(
    'an agent at work',
    () => {
      for (const id of ids) {
        const runDir = world.runDirs(id).find((candidate) => isAlive(agentPid(candidate) ?? 0));
        if (runDir !== undefined) return { id, runDir };
      }
      return null;
    },
    LIMIT_MS,
  );
}

function readLease(runDir: string): string {
  return readFileSync(path.join(runDir, 'lease'), 'utf8');
}
