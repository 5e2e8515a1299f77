/**
 * From the end of one agent to the spawn of the next, in a whole pipeline with instant agents and gates: read from the
 * run directories, with the item's history saying where the time went.
 */
import { readActivities, readHistory } from './histories.ts';
import type { ActivitySpan } from './histories.ts';
import { untilClosed, withWorld } from './bench-world.ts';
import { readRunTimes } from './instant-agent.ts';
import type { RunTimes } from './instant-agent.ts';
import { measurePolling, POLL_MS } from './polling-queue.ts';
import { median, percentile } from './report.ts';
import type { Bench, BenchResult, Figure } from './report.ts';

const GOAL_MS = 250;
const GOAL_ACTIVITIES = 8;
/** A person stands between analysis and architecture, the merge queue before deploy: neither is a hand-off. */
const WHOLE_ITEMS = 12;
/** Besides, for more hand-offs over the tests: items of development and review alone. */
const SHORT_ITEMS = 22;
const POLLING_QUEUES = 60;
/** The first item of a fresh worker compiles and caches what the others find ready. */
const WARM_UP = 1;
const ITEM_LIMIT_MS = 60_000;

interface HandOff {
  from: string;
  to: string;
  totalMs: number;
  /** Activities between the two runs, the board's among them. */
  activities: number;
  /** What the time went into, in order. */
  parts: [name: string, ms: number][];
}

export const handOff: Bench = {
  name: 'hand-off',
  summary: 'agent exit → next agent’s spawn, against a queue polled every 2 s',
  async run(say) {
    say(`${POLLING_QUEUES} polled queues`);
    const polled = await measurePolling(POLLING_QUEUES);
    const whole = await measure(say, WHOLE_ITEMS, ['analysis']);
    const short = await measure(say, SHORT_ITEMS, ['analysis', 'architecture', 'testing', 'deploy-staging', 'deploy']);
    const all = [...whole, ...short].filter(({ to }) => to !== 'deploy');
    const tested = all.filter(({ from }) => from === 'development');
    const plain = all.filter(({ from }) => from !== 'development');
    return report(plain, tested, polled);
  },
};

async function measure(say: (line: string) => void, items: number, skipStages: string[]): Promise<HandOff[]> {
  const options = { project: { skipStages, commands: { test: ['true'] } } };
  return await withWorld(options, async ({ world }) => {
    await world.startWorker();
    const handOffs: HandOff[] = [];
    for (let n = 0; n < items + WARM_UP; n += 1) {
      const id = await world.submit(`hand-off ${n}`);
      await untilClosed(world, [id], ITEM_LIMIT_MS);
      const { history } = await readHistory(world.client, id);
      const runs = world.runDirs(id).map(readRunTimes);
      const found = findHandOffs(runs, readActivities(history));
      say(`item ${n + 1} of ${items + WARM_UP}: ${found.map(({ totalMs }) => Math.round(totalMs)).join(', ')} ms`);
      if (n >= WARM_UP) handOffs.push(...found);
    }
    return handOffs;
  });
}

function findHandOffs(runs: RunTimes[], spans: ActivitySpan[]): HandOff[] {
  return runs.slice(1).map((next, at) => {
    const previous = runs[at];
    const from = spans.find(({ type, runId }) => type === 'runAgent' && runId === previous?.runId);
    const to = spans.find(({ type, runId }) => type === 'runAgent' && runId === next.runId);
    if (previous === undefined || from === undefined || to === undefined) throw new Error('a run without its activity');
    const between = spans.filter(
      (span) => span.scheduledMs >= from.completedMs && span.scheduledMs <= to.scheduledMs && span !== to,
    );
    const parts: [string, number][] = [
      ['agent’s end → exit record', previous.recordedMs - previous.endedMs],
      ['exit record → workflow told', from.completedMs - previous.recordedMs],
    ];
    let reachedMs = from.completedMs;
    for (const step of [...between.filter(({ type }) => type !== 'deliver'), to]) {
      parts.push([`→ ${step.type}`, step.startedMs - reachedMs]);
      reachedMs = step === to ? next.spawnedMs : step.completedMs;
      parts.push([step === to ? 'prepare, launch, spawn' : step.type, reachedMs - step.startedMs]);
    }
    return {
      from: previous.stage,
      to: next.stage,
      totalMs: next.spawnedMs - previous.endedMs,
      activities: between.length,
      parts,
    };
  });
}

function report(plain: HandOff[], tested: HandOff[], polled: number[]): BenchResult {
  const figures: Figure[] = [];
  for (const [name, handOffs] of [
    ['plain', plain],
    ['development → review', tested],
  ] as const) {
    const times = handOffs.map(({ totalMs }) => totalMs);
    figures.push(
      { what: `${name}: best`, value: Math.min(...times), unit: 'ms' },
      { what: `${name}: p50`, value: percentile(times, 0.5), unit: 'ms' },
      { what: `${name}: p95`, value: percentile(times, 0.95), unit: 'ms', goal: GOAL_MS },
      { what: `${name}: hand-offs`, value: handOffs.length, unit: '' },
      {
        what: `${name}: activities between, at most`,
        value: Math.max(...handOffs.map(({ activities }) => activities)),
        unit: '',
        goal: GOAL_ACTIVITIES,
      },
    );
  }
  const own = percentile(
    plain.map(({ totalMs }) => totalMs),
    0.95,
  );
  figures.push(
    { what: `queue polled every ${POLL_MS / 1_000} s: p50`, value: percentile(polled, 0.5), unit: 'ms' },
    { what: `queue polled every ${POLL_MS / 1_000} s: p95`, value: percentile(polled, 0.95), unit: 'ms' },
    { what: 'p95 of the polled queue / p95 plain', value: percentile(polled, 0.95) / own, unit: 'x' },
  );
  return {
    figures,
    notes: [
      'from the agent’s last act (its log’s time of change) to the supervisor’s record of the next agent’s pid',
      'development → review runs the test command `true` in a fresh checkout, under a supervisor of its own',
      `plain, medians: ${describeParts(plain)}`,
      `development → review, medians: ${describeParts(tested)}`,
    ],
  };
}

function describeParts(handOffs: HandOff[]): string {
  const names = [...new Set(handOffs.flatMap(({ parts }) => parts.map(([name]) => name)))];
  return names
    .map((name) => {
      const times = handOffs.flatMap(({ parts }) => parts.filter(([part]) => part === name).map(([, ms]) => ms));
      return `${name} ${Math.round(median(times))}`;
    })
    .join(', ');
}
