/**
 * Many at once: twenty items from eight submitters over two projects, with two agents at a time. Each is started once,
 * in the order of its claim, and the limit holds at every look.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { openLocalTracker } from '../../src/trackers/local/index.ts';
import { MAIN_QUEUE, WORK_ITEM_WORKFLOW } from '../../src/domain/protocol.ts';
import { agentPid, isAlive } from '../support/processes.ts';
import { sharedTemporal } from '../support/temporal.ts';
import { createRepository, createWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

const ITEMS = 20;
const SUBMITTERS = 8;
const AGENTS = 2;
const ONLY_DEVELOPMENT = {
  skipStages: ['analysis', 'architecture', 'review', 'testing', 'deploy-staging', 'deploy'],
};

describe('twenty items, eight submitters, two projects, two agents', () => {
  let world: World;

  beforeAll(async () => {
    world = await createWorld({
      address: sharedTemporal().address,
      project: ONLY_DEVELOPMENT,
      limits: { concurrentRuns: AGENTS, gateSlots: 2 },
      script: {
        developer: [{ sleepMs: 300, write: { 'feature-{item}.txt': 'work\n' }, result: 'done' }],
      },
    });
    addProject(world, 'U');
    await world.startWorker();
  });
  afterAll(() => world.close());

  it('starts each once, never more than two at a time, oldest claim first, and finishes all', async () => {
    const tracker = openLocalTracker({ home: world.home, botName: 'stagewright' });
    const ids: string[] = [];
    let most = 0;
    let looks = 0;
    const sampling = setInterval(() => {
      most = Math.max(most, agentsAtWork(world, ids));
      looks += 1;
    }, 20);

    async function submitSome(submitter: number): Promise<void> {
      for (let n = submitter; n < ITEMS; n += SUBMITTERS) {
        const project = n % 2 === 0 ? 'T' : 'U';
        const title = `item ${n} of submitter ${submitter}`;
        const { id } = await tracker.createItem({ project, title, createdBy: `submitter-${submitter}` });
        ids.push(id);
        await world.client.workflow.start(WORK_ITEM_WORKFLOW, {
          workflowId: id,
          taskQueue: MAIN_QUEUE,
          args: [{ itemId: id, project, title }],
        });
      }
    }
    await Promise.all(Array.from({ length: SUBMITTERS }, (_, submitter) => submitSome(submitter)));
    expect(new Set(ids).size).toBe(ITEMS);

    for (const id of ids) {
      const status = await world.until(id, 'done', (found) => found.stage === 'done', 100_000);
      expect(status.runs.map((run) => run.outcome)).toEqual(['succeeded']);
      expect(status.stages.find((stage) => stage.stage === 'development')?.entries).toBe(1);
      expect(world.runDirs(id)).toHaveLength(1);
    }
    clearInterval(sampling);
    expect(looks).toBeGreaterThan(100);
    expect(most).toBe(AGENTS);
    expect(ids.filter((id) => id.startsWith('U-'))).toHaveLength(ITEMS / 2);

    // First claimed, first served: who started before whom follows the order in which the server took the claims.
    const claims = new Map<string, number>();
    for (const id of ids) claims.set(id, await claimedAtMs(world, id));
    const byStart = ids.toSorted((a, b) => startedAtMs(world, a) - startedAtMs(world, b));
    const byClaim = ids.toSorted((a, b) => (claims.get(a) ?? 0) - (claims.get(b) ?? 0));
    for (const [place, id] of byStart.entries()) {
      // Two run side by side, so neighbours change places.
      expect(Math.abs(place - byClaim.indexOf(id))).toBeLessThanOrEqual(2 * AGENTS);
    }
  }, 180_000);
});

/** Alive at both looks is alive at the moment between them; gate commands, which have slots of their own, do not count. */
function agentsAtWork(world: World, ids: readonly string[]): number {
  const pids = ids.flatMap((id) => world.runDirs(id)).map((runDir) => agentPid(runDir) ?? 0);
  const alive = pids.filter((pid) => pid > 0 && isAlive(pid));
  return alive.filter((pid) => isAlive(pid)).length;
}

/** A second project beside the world's own, before any worker reads the configuration. */
function addProject(world: World, key: string): void {
  const file = world.env['STAGEWRIGHT_CONFIG'] ?? '';
  const repository = path.join(path.dirname(file), `source-${key}`);
  createRepository(repository, { 'README.md': '# second\n', 'check.sh': 'true\n' });
  const config = parse(readFileSync(file, 'utf8')) as { projects: Record<string, object> };
  config.projects[key] = { ...config.projects[world.project], repository };
  writeFileSync(file, stringify(config));
}

function startedAtMs(world: World, id: string): number {
  const file = path.join(world.runDirs(id)[0] ?? '', 'supervisor.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { startedAtMs: number }).startedAtMs;
}

/** When the server took the item's claim for a slot. */
async function claimedAtMs(world: World, id: string): Promise<number> {
  const { events } = await world.client.workflow.getHandle(id).fetchHistory();
  const claim = events?.find((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'claimSlot');
  const { seconds = 0, nanos = 0 } = claim?.eventTime ?? {};
  return Number(seconds) * 1_000 + Number(nanos) / 1e6;
}
