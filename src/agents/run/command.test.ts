import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CommandResult } from '../../domain/types.ts';
import type { LaunchRecord } from '../record.ts';
import { runCommand } from './command.ts';
import {
  createHome,
  ensureCompiled,
  fixtures,
  markedPids,
  supervisorPid,
  type TestHome,
  until,
} from './fixtures/harness.ts';
import { requestStop } from './stop.ts';

let test: TestHome;
beforeAll(() => {
  ensureCompiled();
  test = createHome();
});
afterAll(async () => test.cleanUp());

const options = { signal: new AbortController().signal, renew: () => true };

function prepare(argv: string[], limits: Partial<LaunchRecord> = {}): ReturnType<TestHome['prepare']> {
  return test.prepare(argv, { kind: 'command', interruptMs: 0, graceMs: 500, ...limits });
}

async function execute(argv: string[], limits: Partial<LaunchRecord> = {}): Promise<CommandResult> {
  const run = prepare(argv, limits);
  return runCommand(run.runDir, run.launch, options);
}

it.concurrent.each([0, 1, 3, 42])('passes a command’s own exit code %i through', async (code) => {
  const result = await execute(['sh', '-c', `exit ${code}`]);
  expect(result).toMatchObject({ status: 'completed', exit: code, signal: null });
});

it.concurrent('merges both outputs in order, and keeps the last 2 KiB in whole lines', async () => {
  const small = await execute(['sh', '-c', 'echo out; echo err >&2; echo out again']);
  expect(small.tail).toBe('out\nerr\nout again\n');
  expect(existsSync(small.logPath)).toBe(true);
  const large = await execute(['sh', '-c', 'i=0; while [ $i -lt 400 ]; do echo "строка $i"; i=$((i+1)); done']);
  expect(Buffer.byteLength(large.tail)).toBeLessThanOrEqual(2048);
  expect(large.tail).toMatch(/^строка \d+\n/);
  expect(large.tail.endsWith('строка 399\n')).toBe(true);
});

it.concurrent('calls the time limit a timeout, never red, and leaves nothing behind', async () => {
  const run = prepare(['sh', '-c', 'sleep 300 & sleep 300; exit 1'], { budgetMs: 400 });
  const result = await runCommand(run.runDir, run.launch, options);
  expect(result).toMatchObject({ status: 'timeout', exit: -9 });
  expect(markedPids(run.runId)).toEqual([]);
});

it.concurrent.each([
  ['a binary that is not there', ['no-such-binary-anywhere'], 'could not start: ENOENT'],
  ['an unknown command in a shell line', ['sh', '-c', 'no-such-binary-anywhere'], 'command not found (exit 127)'],
  [
    'a file in a shell line that is no program',
    ['sh', '-c', path.join(fixtures, 'harness.ts')],
    'command cannot be executed (exit 126)',
  ],
])('says that it could not be started: %s', async (_name, argv, reason) => {
  expect(await execute(argv)).toMatchObject({ status: 'not-started', reason });
});

it.concurrent('takes 127 of a command that is no shell line as its own', async () => {
  const result = await execute([process.execPath, '-e', 'process.exit(127)']);
  expect(result).toMatchObject({ status: 'completed', exit: 127 });
});

it.concurrent.each([
  ['directly', ['sh', '-c', 'kill -9 $$'], 'SIGKILL'],
  ['below a shell line', ['sh', '-c', `sh -c 'kill -9 $$'; exit $?`], 'SIGKILL'],
])('calls a signal of others killed: %s', async (_name, argv, signal) => {
  expect(await execute(argv)).toMatchObject({ status: 'killed', signal });
});

it.concurrent('calls its output limit killed', async () => {
  const result = await execute(['sh', '-c', 'exec cat /dev/zero'], { outputLimitBytes: 1000, budgetMs: 2000 });
  expect(result).toMatchObject({ status: 'killed', reason: 'ended at its output limit' });
});

it.concurrent('says that it was stopped, and why', async () => {
  const run = prepare(['sh', '-c', 'echo ready; exec sleep 300']);
  const result = runCommand(run.runDir, run.launch, options);
  await until('it to run', () => markedPids(run.runId).length > 0);
  requestStop(run.runDir, 'cancelled by ann');
  expect(await result).toMatchObject({ status: 'stopped', reason: 'stopped: cancelled by ann' });
});

it.concurrent('is lost with its supervisor', async () => {
  const run = prepare(['sh', '-c', 'echo ready; exec sleep 300']);
  const result = runCommand(run.runDir, run.launch, options);
  await until('it to run', () => markedPids(run.runId).length > 0);
  process.kill(supervisorPid(run.runDir), 'SIGKILL');
  expect(await result).toMatchObject({ status: 'lost', exit: null, tail: 'ready\n' });
  expect(markedPids(run.runId)).toEqual([]);
});

it.concurrent('gives the same result to whoever comes later, without running again', async () => {
  const run = prepare(['sh', '-c', 'echo once >> "$PWD/count"; exit 3']);
  const first = await runCommand(run.runDir, run.launch, options);
  expect(await runCommand(run.runDir, run.launch, options)).toEqual(first);
  expect(path.basename(first.logPath)).toBe('events.jsonl');
});
