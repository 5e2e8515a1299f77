import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readProcess } from '../supervisor.ts';
import {
  createHome,
  ensureCompiled,
  fixtures,
  isAlive,
  readText,
  supervisorPid,
  type TestHome,
  untilEnded,
  untilOutput,
} from './fixtures/harness.ts';
import { launchRun, warmSupervisor } from './launch.ts';
import { readChildRecord } from './records.ts';
import { readRunState } from './state.ts';
import { requestStop, stopRun } from './stop.ts';

let test: TestHome;
beforeAll(() => {
  ensureCompiled();
  test = createHome();
});
afterAll(async () => test.cleanUp());

it.concurrent('returns when the child is at work under a supervisor in a session of its own', async () => {
  const run = test.prepare(['sh', '-c', 'echo ready; exec sleep 30']);
  expect(await launchRun(run.runDir, run.launch)).toEqual({ launched: true });
  const child = readChildRecord(run.runDir);
  if (child.read !== 'ok') throw new Error('no child record');
  expect(isAlive(child.record.pid)).toBe(true);
  expect(readProcess(child.record.pid)?.group).toBe(child.record.pid);
  expect(readProcess(supervisorPid(run.runDir))?.group).toBe(supervisorPid(run.runDir));
  expect(readRunState(run.runDir)).toMatchObject({ state: 'running', launch: run.launch });
  expect(statSync(run.runDir).mode & 0o777).toBe(0o700);
});

it.concurrent('launches a run id once, however often and by how many it is asked', async () => {
  const run = test.prepare(['sh', '-c', 'echo started; exec sleep 30']);
  const answers = await Promise.all([1, 2, 3].map(() => launchRun(run.runDir, run.launch)));
  expect(answers.filter(({ launched }) => launched)).toHaveLength(1);
  await untilOutput(run.runDir, 'started');
  expect(await launchRun(run.runDir, { ...run.launch, argv: ['false'] })).toEqual({ launched: false });
  expect(readText(path.join(run.runDir, 'events.jsonl'))).toBe('started\n');
});

it.concurrent('goes on where a launcher died after its record', async () => {
  const run = test.prepare(['sh', '-c', 'echo started']);
  mkdirSync(run.runDir, { recursive: true });
  writeFileSync(path.join(run.runDir, 'launch.json'), JSON.stringify(run.launch));
  expect(await launchRun(run.runDir, run.launch)).toEqual({ launched: false });
  expect(await untilEnded(run.runDir)).toMatchObject({ exit: 0 });
});

it.concurrent('never starts an ended or lost run again', async () => {
  const ended = test.prepare(['sh', '-c', 'echo once']);
  await launchRun(ended.runDir, ended.launch);
  await untilEnded(ended.runDir);
  expect(await launchRun(ended.runDir, ended.launch)).toEqual({ launched: false });
  expect(readText(path.join(ended.runDir, 'events.jsonl'))).toBe('once\n');

  const lost = test.prepare(['sh', '-c', 'echo once; exec sleep 30']);
  await launchRun(lost.runDir, lost.launch);
  await untilOutput(lost.runDir, 'once');
  process.kill(supervisorPid(lost.runDir), 'SIGKILL');
  expect(await launchRun(lost.runDir, lost.launch)).toEqual({ launched: false });
  expect(readText(path.join(lost.runDir, 'events.jsonl'))).toBe('once\n');
});

it.concurrent.each([
  ['a binary that is not there', { argv: ['no-such-binary-anywhere'] }, 'ENOENT'],
  ['a file that may not be executed', { argv: [path.join(fixtures, 'harness.ts')] }, 'EACCES'],
  ['a working directory that is not there', { cwd: '/no/such/directory' }, 'CWD_ENOENT'],
  ['a stdin that is not there', { stdinPath: '/no/such/file' }, 'STDIN_ENOENT'],
])('records why the child did not start: %s', async (_name, change, code) => {
  const run = test.prepare(['true'], change);
  await launchRun(run.runDir, run.launch);
  expect(await untilEnded(run.runDir)).toMatchObject({ launchError: code, exit: null, cause: null, childPid: null });
});

it.concurrent('starts nothing after a stop request that came first', async () => {
  const run = test.prepare(['sh', '-c', 'echo started']);
  expect(await stopRun(run.runDir, 'cancelled before', { waitMs: 1000 })).toBeNull();
  await launchRun(run.runDir, run.launch);
  const exit = await untilEnded(run.runDir);
  expect(exit).toMatchObject({ cause: 'stop', exit: -9, stopReason: 'cancelled before', childPid: null });
  expect(existsSync(path.join(run.runDir, 'events.jsonl'))).toBe(false);
});

it.concurrent('keeps the first reason of several stop requests', () => {
  const run = test.prepare(['true']);
  requestStop(run.runDir, 'first');
  requestStop(run.runDir, 'second');
  expect(readFileSync(path.join(run.runDir, 'stop'), 'utf8')).toBe('first\n');
});

it.concurrent('records a launch record that the supervisor cannot use', async () => {
  const run = test.prepare(['true'], { budgetMs: 0 });
  await launchRun(run.runDir, run.launch);
  expect(await untilEnded(run.runDir)).toMatchObject({ launchError: 'BAD_LAUNCH_RECORD' });
});

it.concurrent('keeps the marks of the runs around it, but not the run’s own, from the supervisor', async () => {
  const run = test.prepare(['sh', '-c', 'echo ready; exec sleep 30']);
  const own = `STAGEWRIGHT_RUN_${run.runId.replaceAll('-', '_')}`;
  Object.assign(process.env, { STAGEWRIGHT_RUN_outer: '1', [own]: '1', STAGEWRIGHT_SECRET_token: 'x' });
  const launched = launchRun(run.runDir, run.launch);
  for (const name of ['STAGEWRIGHT_RUN_outer', own, 'STAGEWRIGHT_SECRET_token']) delete process.env[name];
  await launched;
  const environment = readFileSync(`/proc/${supervisorPid(run.runDir)}/environ`, 'utf8').split('\0');
  expect(environment).toContain('STAGEWRIGHT_RUN_outer=1');
  expect(environment.join(' ')).not.toContain(own);
  expect(environment.join(' ')).not.toContain('STAGEWRIGHT_SECRET');
});

it.concurrent('stops a lost run’s tree at once instead of waiting for a record that nobody writes', async () => {
  const run = test.prepare(['sh', '-c', 'echo ready; exec sleep 30']);
  await launchRun(run.runDir, run.launch);
  process.kill(supervisorPid(run.runDir), 'SIGKILL');
  const child = readChildRecord(run.runDir);
  const startedMs = performance.now();
  expect(await stopRun(run.runDir, 'stop', { waitMs: 20_000 })).toBeNull();
  expect(performance.now() - startedMs).toBeLessThan(5000);
  expect(child.read === 'ok' && isAlive(child.record.pid)).toBe(false);
  rmSync(run.runDir, { recursive: true });
});

it.concurrent('takes a supervisor that was started ahead, which has touched nothing before', async () => {
  const run = test.prepare(['sh', '-c', 'echo ready; exec sleep 30']);
  const warm = warmSupervisor(run.runDir, run.runId);
  await sleep(300);
  expect(readRunState(run.runDir)).toEqual({ state: 'absent' });
  const [waiting] = supervisorsOf(run.runDir);
  expect(await launchRun(run.runDir, run.launch, warm)).toEqual({ launched: true });
  expect(supervisorPid(run.runDir)).toBe(waiting);
  await untilOutput(run.runDir, 'ready');
});

it.concurrent('lets a supervisor that was started ahead go: without a word, and beside a run at work', async () => {
  const unused = test.prepare(['true']);
  warmSupervisor(unused.runDir, unused.runId).discard();
  const run = test.prepare(['sh', '-c', 'echo ready; exec sleep 30']);
  await launchRun(run.runDir, run.launch);
  await launchRun(run.runDir, run.launch, warmSupervisor(run.runDir, run.runId));
  for (const end = performance.now() + 10_000; performance.now() < end; await sleep(20)) {
    if (supervisorsOf(unused.runDir).length === 0 && supervisorsOf(run.runDir).length === 1) break;
  }
  expect(supervisorsOf(unused.runDir)).toEqual([]);
  expect(supervisorsOf(run.runDir)).toEqual([supervisorPid(run.runDir)]);
  expect(readRunState(unused.runDir)).toEqual({ state: 'absent' });
});

it.concurrent('starts another supervisor where the one started ahead has died', async () => {
  const run = test.prepare(['sh', '-c', 'echo ready; exec sleep 30']);
  const warm = warmSupervisor(run.runDir, run.runId);
  const [waiting = 0] = supervisorsOf(run.runDir);
  process.kill(waiting, 'SIGKILL');
  await sleep(100);
  await launchRun(run.runDir, run.launch, warm);
  expect(supervisorPid(run.runDir)).not.toBe(waiting);
  await untilOutput(run.runDir, 'ready');
});

/** Living processes that were started to supervise this directory. */
function supervisorsOf(runDir: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1 && isAlive(pid) && readText(`/proc/${pid}/cmdline`).split('\0').includes(runDir));
}
