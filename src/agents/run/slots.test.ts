import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  createHome,
  dist,
  ensureCompiled,
  fixtures,
  markedPids,
  supervisorPid,
  type TestHome,
  type TestRun,
  until,
  untilEnded,
} from './fixtures/harness.ts';
import { launchRun } from './launch.ts';
import { listSlots, releaseSlot, reserveSlot } from './slots.ts';
import { readRunState } from './state.ts';
import { stopRun } from './stop.ts';
import { endTree } from './sweep.ts';

let test: TestHome;
beforeAll(ensureCompiled);
beforeEach(() => {
  test = createHome();
});
afterEach(async () => test.cleanUp());

const run = promisify(execFile);
const sleeper = ['sh', '-c', 'exec sleep 30'];

function reserve({ runId, runDir }: TestRun, count: number, reserveMs = 120_000): Promise<boolean> {
  return reserveSlot(test.home, 'agent', count, { runId, runDir, reserveMs });
}

it('gives out as many as there are, to each run one, and agents and gates their own', async () => {
  const first = test.prepare(sleeper);
  const runs = [first, test.prepare(sleeper), test.prepare(sleeper)];
  expect(await Promise.all(runs.map((one) => reserve(one, 2)))).toEqual([true, true, false]);
  expect(await Promise.all(runs.map((one) => reserve(one, 2)))).toEqual([true, true, false]);
  expect(listSlots(test.home, 'agent').map(({ index, use }) => [index, use])).toEqual([
    [0, 'reserved'],
    [1, 'reserved'],
  ]);
  const { runId, runDir } = first;
  expect(await reserveSlot(test.home, 'gate', 1, { runId, runDir, reserveMs: 1000 })).toBe(true);
});

it('holds a slot for a living run beyond its reservation, and frees it at the end', async () => {
  const [first, second] = [test.prepare(sleeper), test.prepare(sleeper)];
  expect(await reserve(first, 1, 50)).toBe(true);
  await launchRun(first.runDir, first.launch);
  await sleep(60);
  expect(await reserve(second, 1)).toBe(false);
  expect(await reserve(first, 1)).toBe(true);
  expect(listSlots(test.home, 'agent')).toMatchObject([{ runId: first.runId, use: 'running', taken: true }]);
  await stopRun(first.runDir, 'stop', { waitMs: 8000 });
  expect(listSlots(test.home, 'agent')).toMatchObject([{ use: 'free', taken: false }]);
  expect(await reserve(second, 1)).toBe(true);
});

it('lets a reservation lapse that was never launched, unless it is asked for again', async () => {
  const [dead, waiting] = [test.prepare(sleeper), test.prepare(sleeper)];
  expect(await reserve(dead, 1, 300)).toBe(true);
  await sleep(200);
  expect(await reserve(dead, 1, 300)).toBe(true);
  await sleep(200);
  expect(await reserve(waiting, 1)).toBe(false);
  await sleep(150);
  expect(await reserve(waiting, 1)).toBe(true);
  expect(await reserve(dead, 1, 300)).toBe(false);
});

it('is given back by a claim that was called off, not by a run at work', async () => {
  const [first, second] = [test.prepare(sleeper), test.prepare(sleeper)];
  await reserve(first, 1);
  releaseSlot(test.home, 'agent', first.runId);
  expect(await reserve(second, 1)).toBe(true);
  await launchRun(second.runDir, second.launch);
  releaseSlot(test.home, 'agent', second.runId);
  expect(await reserve(first, 1)).toBe(false);
});

it('stays taken while the tree of a run without supervisor lives', async () => {
  const [lost, next] = [test.prepare(sleeper), test.prepare(sleeper)];
  await reserve(lost, 1);
  await launchRun(lost.runDir, lost.launch);
  process.kill(supervisorPid(lost.runDir), 'SIGKILL');
  await until('lost', () => readRunState(lost.runDir).state === 'lost');
  expect(markedPids(lost.runId)).toHaveLength(1);
  expect(await reserve(next, 1)).toBe(false);
  expect(listSlots(test.home, 'agent')).toMatchObject([{ use: 'leftover', taken: true }]);
  await endTree(lost.runId);
  expect(await reserve(next, 1)).toBe(true);
});

it('is free after a reboot, with a damaged file, and with a damaged run directory', async () => {
  const [first, second] = [test.prepare(sleeper), test.prepare(sleeper)];
  const slots = path.join(test.home, 'host', 'slots');
  await reserve(first, 1);
  const file = path.join(slots, readdirSync(slots)[0] ?? '');
  const reservation: Record<string, unknown> = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...reservation, bootId: 'an earlier boot' }));
  expect(await reserve(second, 1)).toBe(true);
  writeFileSync(path.join(slots, readdirSync(slots)[0] ?? ''), '');
  expect(await reserve(first, 1)).toBe(true);
  mkdirSync(first.runDir, { recursive: true });
  writeFileSync(path.join(first.runDir, 'launch.json'), 'damaged');
  expect(await reserve(second, 1)).toBe(true);
});

it('counts what is left over from a larger number', async () => {
  const [first, second, third] = [test.prepare(['true']), test.prepare(['true']), test.prepare(['true'])];
  await reserve(first, 2);
  await reserve(second, 2);
  await launchRun(first.runDir, first.launch);
  await untilEnded(first.runDir);
  expect(await reserve(third, 1)).toBe(false);
});

it('keeps no more than one file a slot', async () => {
  for (let round = 0; round < 5; round += 1) {
    const one = test.prepare(sleeper);
    expect(await reserve(one, 1)).toBe(true);
    releaseSlot(test.home, 'agent', one.runId);
  }
  expect(readdirSync(path.join(test.home, 'host', 'slots'))).toHaveLength(1);
});

it('never has more than its number inside, however its processes race', async () => {
  const racer = path.join(fixtures, 'slot-racer.mjs');
  const results = await Promise.all(
    ['a', 'b', 'c'].map((name) => run(process.execPath, [racer, dist, test.home, '2', '50', name])),
  );
  const reports = results.map(({ stdout }): { most: number; held: number } => JSON.parse(stdout));
  expect(reports.map(({ held }) => held)).toEqual([50, 50, 50]);
  expect(Math.max(...reports.map(({ most }) => most))).toBe(2);
});

it('is not kept by a process that was killed in the middle of claiming', async () => {
  const racer = path.join(fixtures, 'slot-racer.mjs');
  for (let round = 0; round < 5; round += 1) {
    const name = `killed-${round}`;
    const killed = execFile(process.execPath, [racer, dist, test.home, '2', '100000', name, '200']);
    await until('it to work', () => listSlots(test.home, 'agent').some(({ runId }) => runId.startsWith(`${name}-`)));
    await sleep(Math.random() * 30);
    killed.kill('SIGKILL');
    await new Promise((resolve) => killed.once('exit', resolve));
  }
  // Each may have left a reservation, a temporary file, or two generations: all of it lapses.
  await sleep(250);
  const runs = [test.prepare(sleeper), test.prepare(sleeper), test.prepare(sleeper)];
  expect(await Promise.all(runs.map((one) => reserve(one, 2)))).toEqual([true, true, false]);
});
