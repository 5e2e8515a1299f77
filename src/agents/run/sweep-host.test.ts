import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  createHome,
  ensureCompiled,
  fixtures,
  markedPids,
  supervisorPid,
  type TestHome,
  until,
  untilEnded,
  untilOutput,
} from './fixtures/harness.ts';
import { launchRun } from './launch.ts';
import { readRunState } from './state.ts';
import { sweepHost } from './sweep-host.ts';

let test: TestHome;
beforeAll(ensureCompiled);
beforeEach(() => {
  test = createHome();
});
afterEach(async () => test.cleanUp());

const polite = ['sh', path.join(fixtures, 'polite.sh')];

it('ends lost trees, leaves living runs alone, and passes over what is corrupt', async () => {
  const [living, lost, ended] = [test.prepare(polite), test.prepare(polite), test.prepare(['true'])];
  await Promise.all([living, lost, ended].map((run) => launchRun(run.runDir, run.launch)));
  await Promise.all([living, lost].map((run) => untilOutput(run.runDir, 'ready')));
  await untilEnded(ended.runDir);
  process.kill(supervisorPid(lost.runDir), 'SIGKILL');
  await until('lost', () => readRunState(lost.runDir).state === 'lost');
  const corrupt = path.join(test.home, 'runs', 'X-1', 'corrupt');
  mkdirSync(corrupt);
  writeFileSync(path.join(corrupt, 'launch.json'), '{');
  mkdirSync(path.join(test.home, 'runs', 'X-2', 'not-launched'), { recursive: true });
  writeFileSync(path.join(test.home, 'runs', 'a-file'), '');

  const report = await sweepHost(test.home);
  expect(report).toMatchObject({ looked: 5, ended: 1, living: [living.runDir], lost: [lost.runDir] });
  expect(report.corrupt).toEqual([{ runDir: corrupt, reason: 'launch.json: not JSON' }]);
  expect(report.strays).toBeGreaterThanOrEqual(1);
  expect(markedPids(lost.runId)).toEqual([]);
  expect(readRunState(living.runDir).state).toBe('running');
  expect(await sweepHost(test.home)).toMatchObject({ lost: [lost.runDir], strays: 0 });
});

it('finds nothing in a home without runs', async () => {
  expect(await sweepHost(path.join(test.home, 'new'))).toMatchObject({ looked: 0, lost: [], corrupt: [] });
});

it('does not even read the records of ended runs', async () => {
  for (let run = 0; run < 1000; run += 1) {
    const runDir = path.join(test.home, 'runs', `X-${run % 50}`, `run-${run}`);
    mkdirSync(runDir, { recursive: true });
    writeFileSync(path.join(runDir, 'exit.json'), '{}');
  }
  const startedMs = performance.now();
  expect(await sweepHost(test.home)).toMatchObject({ looked: 1000, ended: 1000, corrupt: [] });
  expect(performance.now() - startedMs).toBeLessThan(2000);
});
