import { randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { attachRun } from './attach.ts';
import {
  createHome,
  dist,
  ensureCompiled,
  fixtures,
  isAlive,
  markedPids,
  readText,
  supervisorPid,
  type TestHome,
  until,
  untilEnded,
  untilOutput,
} from './fixtures/harness.ts';
import { launchRun } from './launch.ts';
import { readRunState } from './state.ts';

let test: TestHome;
beforeAll(() => {
  ensureCompiled();
  test = createHome();
});
afterAll(async () => test.cleanUp());

const never = new AbortController().signal;
const flood = [process.execPath, path.join(fixtures, 'flood.mjs')];

function listen(): { lines: string[]; onLine: (line: string) => void } {
  const lines: string[] = [];
  return { lines, onLine: (line) => void lines.push(line) };
}

it.concurrent('passes on every line, a last one without newline too, and the exit record', async () => {
  const run = test.prepare(['sh', '-c', 'echo 1; sleep 0.2; echo 2; printf 3; exit 6']);
  await launchRun(run.runDir, run.launch);
  const { lines, onLine } = listen();
  const end = await attachRun(run.runDir, { signal: never, onLine, renew: () => true });
  expect(end).toMatchObject({ kind: 'ended', exit: { exit: 6 } });
  expect(lines).toEqual(['1', '2', '3']);
});

it.concurrent('reads an ended run as if it had been there, from any byte', async () => {
  const run = test.prepare(['sh', '-c', 'echo one; echo two']);
  await launchRun(run.runDir, run.launch);
  await untilEnded(run.runDir);
  const whole = listen();
  const rest = listen();
  await attachRun(run.runDir, { signal: never, onLine: whole.onLine, renew: () => true });
  await attachRun(run.runDir, { signal: never, onLine: rest.onLine, renew: () => true, fromByte: 4 });
  expect([whole.lines, rest.lines]).toEqual([['one', 'two'], ['two']]);
});

it.concurrent('notices the end at once, not at its next look', async () => {
  const run = test.prepare(['sh', '-c', 'sleep 0.3']);
  await launchRun(run.runDir, run.launch);
  const end = await attachRun(run.runDir, {
    signal: never,
    onLine: () => undefined,
    renew: () => true,
    pollMs: 20_000,
  });
  expect(Date.now() - (end.kind === 'ended' ? end.exit.endedAtMs : 0)).toBeLessThan(500);
});

it.concurrent('keeps a run alive by renewing its lease, and lets it go when renewing stops', async () => {
  const run = test.prepare(['sh', path.join(fixtures, 'polite.sh')], { leaseMs: 700 });
  await launchRun(run.runDir, run.launch);
  let isWanted = true;
  const attached = attachRun(run.runDir, { signal: never, onLine: () => undefined, renew: () => isWanted });
  await sleep(1800);
  expect(readRunState(run.runDir).state).toBe('running');
  isWanted = false;
  expect(await attached).toMatchObject({ kind: 'ended', exit: { cause: 'lease' } });
});

it.concurrent('holds silence off while a tool call is open', async () => {
  const run = test.prepare(['sh', path.join(fixtures, 'polite.sh')], { silenceMs: 600 });
  await launchRun(run.runDir, run.launch);
  let isOpen = true;
  const options = { signal: never, onLine: () => undefined, renew: () => true, quietOk: () => isOpen };
  const attached = attachRun(run.runDir, options);
  await sleep(1500);
  expect(readRunState(run.runDir).state).toBe('running');
  isOpen = false;
  expect(await attached).toMatchObject({ kind: 'ended', exit: { cause: 'silence' } });
});

it.concurrent('detaches on abort with the signal’s reason, and leaves the run as it is', async () => {
  const run = test.prepare(['sh', path.join(fixtures, 'polite.sh')]);
  await launchRun(run.runDir, run.launch);
  const controller = new AbortController();
  const attached = attachRun(run.runDir, { signal: controller.signal, onLine: () => undefined, renew: () => true });
  await untilOutput(run.runDir, 'ready');
  const reason = new Error('the worker shuts down');
  controller.abort(reason);
  await expect(attached).rejects.toBe(reason);
  const lease = readText(path.join(run.runDir, 'lease'));
  await sleep(200);
  expect(readText(path.join(run.runDir, 'lease'))).toBe(lease);
  expect(readRunState(run.runDir).state).toBe('running');
  expect(existsSync(path.join(run.runDir, 'stop'))).toBe(false);
  const again = attachRun(run.runDir, {
    signal: AbortSignal.abort(reason),
    onLine: () => undefined,
    renew: () => true,
  });
  await expect(again).rejects.toBe(reason);
});

it.concurrent('finds a run lost within seconds of its supervisor’s death, having passed on its log and ended its tree', async () => {
  const pidFile = path.join(test.home, randomUUID());
  const run = test.prepare([process.execPath, path.join(fixtures, 'escape.mjs'), pidFile, 'stay']);
  await launchRun(run.runDir, run.launch);
  const { lines, onLine } = listen();
  const attached = attachRun(run.runDir, { signal: never, onLine, renew: () => true });
  await untilOutput(run.runDir, 'ready');
  const startedMs = performance.now();
  process.kill(supervisorPid(run.runDir), 'SIGKILL');
  expect(await attached).toEqual({ kind: 'lost' });
  expect(performance.now() - startedMs).toBeLessThan(5000);
  expect(lines).toEqual(['{"ready":true}']);
  expect(markedPids(run.runId)).toEqual([]);
  expect(isAlive(Number(readFileSync(pidFile, 'utf8')))).toBe(false);
});

it.concurrent('attends a run with damaged records as long as its supervisor lives', async () => {
  const run = test.prepare(['sh', '-c', 'echo ready; sleep 2.5; echo done']);
  await launchRun(run.runDir, run.launch);
  writeFileSync(path.join(run.runDir, 'launch.json'), 'damaged');
  const { lines, onLine } = listen();
  const end = await attachRun(run.runDir, { signal: never, onLine, renew: () => true });
  expect(end.kind).toBe('ended');
  expect(lines).toEqual(['ready', 'done']);
});

it.concurrent('starts the supervisor that a dead launcher left out', async () => {
  const run = test.prepare(['sh', '-c', 'echo ready']);
  mkdirSync(run.runDir, { recursive: true });
  writeFileSync(path.join(run.runDir, 'launch.json'), JSON.stringify(run.launch));
  const { lines, onLine } = listen();
  expect((await attachRun(run.runDir, { signal: never, onLine, renew: () => true })).kind).toBe('ended');
  expect(lines).toEqual(['ready']);
});

it.concurrent('calls a directory that is gone lost', async () => {
  const run = test.prepare(['sh', path.join(fixtures, 'polite.sh')]);
  await launchRun(run.runDir, run.launch);
  const attached = attachRun(run.runDir, { signal: never, onLine: () => undefined, renew: () => true });
  await untilOutput(run.runDir, 'ready');
  rmSync(run.runDir, { recursive: true });
  expect(await attached).toEqual({ kind: 'lost' });
});

it.concurrent('outlives the worker that started it: killed in the middle, the next one attaches and nothing is started twice', async () => {
  const run = test.prepare(['sh', '-c', 'echo started; sleep 1; echo finished']);
  const argv = [path.join(fixtures, 'attendant.mjs'), dist, run.runDir, JSON.stringify(run.launch)];
  const worker = spawn(process.execPath, argv, { stdio: 'ignore' });
  await untilOutput(run.runDir, 'started');
  await until('the worker to attend', () => readText(path.join(run.runDir, 'lease')) >= '000000000000002');
  worker.kill('SIGKILL');
  const { lines, onLine } = listen();
  expect(await launchRun(run.runDir, run.launch)).toEqual({ launched: false });
  const end = await attachRun(run.runDir, { signal: never, onLine, renew: () => true });
  expect(end).toMatchObject({ kind: 'ended', exit: { exit: 0, cause: null } });
  expect(lines).toEqual(['started', 'finished']);
});

it.each([
  ['200 MB of lines', '1024', 200 * 1024, 1024 - 1],
  ['one endless line of 200 MB', '0', 1, 64 * 1024],
])('keeps its memory flat: %s', async (_name, lineBytes, lineCount, length) => {
  const bytes = 200 * 1024 * 1024;
  const run = test.prepare([...flood, String(bytes), lineBytes]);
  await launchRun(run.runDir, run.launch);
  const before = process.memoryUsage.rss();
  let peak = before;
  let count = 0;
  const onLine = (line: string): void => {
    count += 1;
    if (line.length !== length) throw new Error(`a line of ${line.length}`);
    if (count % 10_000 === 0) peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const end = await attachRun(run.runDir, { signal: never, onLine, renew: () => true }).finally(() =>
    clearInterval(timer),
  );
  expect(end).toMatchObject({ kind: 'ended', exit: { exit: 0 } });
  expect(count).toBe(lineCount);
  expect((peak - before) / 1024 / 1024).toBeLessThan(100);
});

it.concurrent('lets what `onLine` throws through', async () => {
  const run = test.prepare(['sh', '-c', 'echo one']);
  await launchRun(run.runDir, run.launch);
  const fault = new Error('the reader broke');
  const onLine = (): void => {
    throw fault;
  };
  await expect(attachRun(run.runDir, { signal: never, onLine, renew: () => true })).rejects.toBe(fault);
});
