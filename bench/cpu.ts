/**
 * What a run costs the orchestrator itself: CPU time of worker, Temporal server, supervisors and git, over whole items
 * with instant agents. The agents' own time is shown beside it and not in it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { attachRun } from '../src/agents/run/attach.ts';
import { baseEnvironment } from '../src/agents/run/environment.ts';
import { launchRun } from '../src/agents/run/launch.ts';
import { RUN_FORMAT } from '../src/agents/record.ts';
import { untilClosed, withWorld } from './bench-world.ts';
import { withCleanup } from './cleanup.ts';
import { readRunTimes } from './instant-agent.ts';
import { cpuBetween, readCpu } from './machine.ts';
import { sum } from './report.ts';
import type { Bench } from './report.ts';

const GOAL_MS = 300;
const ITEMS = 6;
/** Items at a time, and agents at a time: enough that nothing waits for a turn, as far as two cores go. */
const AGENTS = 3;
const LIMIT_MS = 240_000;
const SUPERVISORS = 20;

export const cpu: Bench = {
  name: 'cpu',
  summary: 'CPU of worker, server and supervisors per run; items per minute',
  async run(say) {
    say(`${SUPERVISORS} supervisors of nothing`);
    const supervisorMs = await measureSupervisor();
    const options = {
      project: { skipStages: ['analysis'], commands: { test: ['true'] } },
      limits: { concurrentRuns: AGENTS },
    };
    return await withWorld(options, async ({ world, server }) => {
      const worker = await world.startWorker();
      say('warming up');
      await untilClosed(world, [await world.submit('warm-up')], LIMIT_MS);
      const before = { worker: readCpu(worker.pid), server: readCpu(server.pid) };
      const startedMs = performance.now();
      const ids: string[] = [];
      for (let n = 0; n < ITEMS; n += 1) ids.push(await world.submit(`item ${n}`));
      say(`${ITEMS} items at once`);
      await untilClosed(world, ids, LIMIT_MS);
      const tookMs = performance.now() - startedMs;
      const ofWorker = cpuBetween(before.worker, readCpu(worker.pid));
      const ofServer = cpuBetween(before.server, readCpu(server.pid));
      const runs = ids.flatMap((id) => world.runDirs(id)).map(readRunTimes);
      const agentsMs = sum(runs.map(({ agentCpuMs }) => agentCpuMs));
      const perRun = (ms: number): number => ms / runs.length;
      const totalMs = ofWorker.ownMs + ofServer.ownMs + ofWorker.childrenMs - agentsMs;
      return {
        figures: [
          { what: 'orchestrator per run', value: perRun(totalMs), unit: 'ms', goal: GOAL_MS },
          { what: '  worker process', value: perRun(ofWorker.ownMs), unit: 'ms' },
          { what: '  Temporal server', value: perRun(ofServer.ownMs), unit: 'ms' },
          {
            what: '  supervisors, git, gate commands',
            value: perRun(ofWorker.childrenMs - agentsMs),
            unit: 'ms',
          },
          { what: 'one supervisor alone', value: supervisorMs, unit: 'ms' },
          { what: 'the agent itself, beside it', value: perRun(agentsMs), unit: 'ms' },
          { what: 'runs', value: runs.length, unit: '' },
          {
            what: `items per minute, ${AGENTS} agents at a time`,
            value: (ids.length / tookMs) * 60_000,
            unit: 'per minute',
          },
        ],
        notes: [
          `${ITEMS} items of 6 runs, 1 test and 1 merge each; what these cost is in the figure per run`,
          'children are counted when they have ended: every run and gate of these items has',
        ],
      };
    });
  },
};

/** User and system time of a supervisor that attends `true`, milliseconds, mean. */
async function measureSupervisor(): Promise<number> {
  const root = mkdtempSync(path.join(os.tmpdir(), 'stagewright-supervisors-'));
  return await withCleanup(
    async () => rmSync(root, { recursive: true, force: true }),
    async () => {
      const before = readCpu(process.pid).childrenMs;
      for (let n = 0; n < SUPERVISORS; n += 1) await superviseNothing(path.join(root, `run-${n}`), `run-${n}`);
      // The last one leaves right after its record.
      await new Promise((resolve) => setTimeout(resolve, 200));
      return (readCpu(process.pid).childrenMs - before) / SUPERVISORS;
    },
  );
}

async function superviseNothing(runDir: string, runId: string): Promise<void> {
  await launchRun(runDir, {
    format: RUN_FORMAT,
    runId,
    itemId: 'bench',
    kind: 'command',
    argv: ['true'],
    env: baseEnvironment(process.env),
    cwd: path.dirname(runDir),
    budgetMs: 60_000,
    silenceMs: 0,
    outputLimitBytes: 0,
    leaseMs: 60_000,
    interruptMs: 0,
    graceMs: 1_000,
    agent: null,
    model: null,
    effort: null,
    sessionId: null,
    meta: {},
  });
  await attachRun(runDir, { signal: new AbortController().signal, onLine: () => undefined, renew: () => true });
}
