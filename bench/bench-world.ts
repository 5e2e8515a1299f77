/**
 * The tests' own small world on a Temporal server of the bench's own, as `npm start` would start it (file, WAL, every
 * commit synced), with agents that do their work at once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkItemStatus } from '../src/domain/protocol.ts';
import { getTemporalCli } from '../src/temporal/binary.ts';
import { startDevServer } from '../src/temporal/dev-server.ts';
import type { DevServer } from '../src/temporal/dev-server.ts';
import { createWorld } from '../test/support/world.ts';
import type { World, WorldOptions } from '../test/support/world.ts';
import { withCleanup } from './cleanup.ts';
import { writeInstantAgent } from './instant-agent.ts';

export interface BenchWorld {
  world: World;
  server: DevServer;
}

/** Between two looks at the items; few, since every look is work for worker and server. */
const LOOK_MS = 200;

/** The server and everything under the world's directories are gone when it returns. */
export async function withWorld<T>(
  options: Omit<WorldOptions, 'address' | 'namespace' | 'config'>,
  use: (made: BenchWorld) => Promise<T>,
): Promise<T> {
  const root = mkdtempSync(path.join(os.tmpdir(), 'stagewright-bench-'));
  const removeRoot = async (): Promise<void> => rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  return await withCleanup(removeRoot, async () => {
    const server = await startDevServer({
      binary: await getTemporalCli(),
      dbFile: path.join(root, 'temporal.db'),
      logFile: path.join(root, 'temporal.log'),
      port: 'free',
      uiPort: null,
    });
    return await withCleanup(
      () => server.stop(),
      async () => {
        const world = await createWorld({
          ...options,
          address: server.address,
          namespace: server.namespace,
          // A relative scenario is found beside the configuration.
          config: { agents: { scripted: { scenario: 'scenario.json', binary: writeInstantAgent(root) } } },
        });
        return await withCleanup(
          () => world.close(),
          async () => use({ world, server }),
        );
      },
    );
  });
}

/** Waits until all items are done, approving what is asked for. Throws where one needs a person or the time is up. */
export async function untilDone(world: World, ids: readonly string[], timeoutMs: number): Promise<WorkItemStatus[]> {
  const end = Date.now() + timeoutMs;
  const done = new Map<string, WorkItemStatus>();
  while (done.size < ids.length) {
    for (const id of ids.filter((candidate) => !done.has(candidate))) {
      const status = await world.status(id);
      if (status.state === 'attention') throw new Error(`${id} needs a person: ${status.waiting?.reason ?? '?'}`);
      if (status.waiting?.kind === 'approval') {
        await world.decide(id, 'approve', { stage: status.stage, commit: status.waiting.commit ?? '' });
      }
      if (status.stage === 'done') done.set(id, status);
    }
    if (Date.now() > end) throw new Error(`${ids.length - done.size} of ${ids.length} items were not done in time`);
    await sleep(LOOK_MS);
  }
  await untilClosed(world, ids, timeoutMs);
  return ids.flatMap((id) => done.get(id) ?? []);
}

/** Waits until the executions are closed, without asking them anything. Throws where one is not in time. */
export async function untilClosed(world: World, ids: readonly string[], timeoutMs: number): Promise<void> {
  const closed = Promise.all(ids.map((id) => world.client.workflow.getHandle(id).result()));
  const late = Symbol('late');
  if ((await Promise.race([closed, sleep(timeoutMs, late, { ref: false })])) !== late) return;
  closed.catch(() => undefined);
  const states = await Promise.all(ids.map(async (id) => `${id}: ${JSON.stringify((await world.status(id)).waiting)}`));
  throw new Error(`not done in ${timeoutMs / 1_000} s: ${states.join('; ')}`);
}
