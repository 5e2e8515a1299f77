import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ExitRecord, RUN_FORMAT, type SupervisorRecord } from '../record.ts';
import { readBootId, readProcess } from '../supervisor.ts';
import { createHome, type TestHome, type TestRun } from './fixtures/harness.ts';
import { isSupervisorAlive, readRunState } from './state.ts';

let test: TestHome;
let run: TestRun;
beforeEach(() => {
  test = createHome();
  run = test.prepare(['true']);
  mkdirSync(run.runDir, { recursive: true });
});
afterEach(async () => test.cleanUp());

function write(name: string, value: unknown): void {
  writeFileSync(path.join(run.runDir, name), typeof value === 'string' ? value : JSON.stringify(value));
}

function living(): SupervisorRecord {
  const startTicks = readProcess(process.pid)?.startTicks ?? null;
  return { format: RUN_FORMAT, pid: process.pid, startTicks, bootId: readBootId(), hostId: null, startedAtMs: 0 };
}

function exit(): ExitRecord {
  return {
    format: RUN_FORMAT,
    runId: run.runId,
    exit: 0,
    realExit: 0,
    signal: null,
    cause: null,
    stopReason: null,
    launchError: null,
    childPid: 5,
    startedAtMs: 1,
    endedAtMs: 2,
    strays: 0,
    signals: [],
  };
}

it('is absent without a directory, and with one that only holds a prompt or a stop request', () => {
  expect(readRunState(path.join(test.home, 'nothing'))).toEqual({ state: 'absent' });
  write('stop', 'early');
  expect(readRunState(run.runDir)).toEqual({ state: 'absent' });
});

it('is launching after the launch record, for a while', () => {
  write('launch.json', run.launch);
  expect(readRunState(run.runDir)).toEqual({ state: 'launching', launch: run.launch });
  const old = new Date(Date.now() - 91_000);
  utimesSync(path.join(run.runDir, 'launch.json'), old, old);
  expect(readRunState(run.runDir)).toEqual({ state: 'lost', launch: run.launch, supervisor: null });
});

it('is running while that very supervisor lives', () => {
  write('launch.json', run.launch);
  write('supervisor.json', living());
  expect(readRunState(run.runDir)).toEqual({ state: 'running', launch: run.launch, supervisor: living() });
});

it.each([
  ['its number went to another process', (record: SupervisorRecord) => ({ ...record, startTicks: 1 })],
  ['the machine was rebooted', (record: SupervisorRecord) => ({ ...record, bootId: 'an earlier boot' })],
  ['it is gone', (record: SupervisorRecord) => ({ ...record, pid: 4_194_303 })],
])('is lost when %s', (_name, change) => {
  write('launch.json', run.launch);
  write('supervisor.json', change(living()));
  expect(isSupervisorAlive(change(living()))).toBe(false);
  expect(readRunState(run.runDir)).toEqual({ state: 'lost', launch: run.launch, supervisor: change(living()) });
});

it('does not take a zombie for a living supervisor', async () => {
  // Its parent never reaps it.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 30'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (data: Buffer) => resolve(Number(data))),
    );
    let found = readProcess(pid);
    for (let look = 0; look < 200 && found?.state !== 'Z'; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      found = readProcess(pid);
    }
    expect(found?.state).toBe('Z');
    expect(process.kill(pid, 0)).toBe(true);
    expect(isSupervisorAlive({ ...living(), pid, startTicks: found?.startTicks ?? null })).toBe(false);
  } finally {
    parent.kill('SIGKILL');
  }
});

it('has ended as soon as the exit record is there, whoever lives', () => {
  write('launch.json', run.launch);
  write('supervisor.json', living());
  write('exit.json', `${JSON.stringify(exit())}${' '.repeat(3000)}\n`);
  expect(readRunState(run.runDir)).toEqual({ state: 'ended', launch: run.launch, exit: exit() });
});

it('reads the previous format too, and no later one', () => {
  write('launch.json', { ...run.launch, format: RUN_FORMAT - 1 });
  expect(readRunState(run.runDir).state).toBe('launching');
  write('launch.json', { ...run.launch, format: RUN_FORMAT + 1 });
  expect(readRunState(run.runDir)).toEqual({
    state: 'corrupt',
    reason: `launch.json: unknown format ${RUN_FORMAT + 1}`,
  });
});

it('leaves a supervisor of an unknown format alone instead of calling it lost', () => {
  write('launch.json', run.launch);
  write('supervisor.json', { ...living(), format: RUN_FORMAT + 1 });
  expect(readRunState(run.runDir).state).toBe('corrupt');
});

it('calls a torn supervisor record of a power failure lost', () => {
  write('launch.json', run.launch);
  write('supervisor.json', '');
  expect(readRunState(run.runDir)).toEqual({ state: 'lost', launch: run.launch, supervisor: null });
});

it.each([
  ['an empty launch record', 'launch.json', ''],
  ['a launch record that is no JSON', 'launch.json', '{"format":1,'],
  ['a launch record without fields', 'launch.json', '{"format":1}'],
  ['an exit record that is no JSON', 'exit.json', 'garbage'],
  ['an exit record with a wrong type', 'exit.json', '{"format":1,"runId":7}'],
  ['a record that is null', 'exit.json', 'null'],
])('is corrupt with %s, and says where', (_name, file, content) => {
  write(file, content);
  expect(readRunState(run.runDir)).toMatchObject({ state: 'corrupt', reason: expect.stringContaining(file) });
});

it('follows no link and waits for no pipe that an agent put in a record’s place', () => {
  const secret = path.join(test.home, 'elsewhere.json');
  writeFileSync(secret, JSON.stringify(exit()));
  symlinkSync(secret, path.join(run.runDir, 'exit.json'));
  expect(readRunState(run.runDir).state).toBe('corrupt');
  rmSync(path.join(run.runDir, 'exit.json'));
  execFileSync('mkfifo', [path.join(run.runDir, 'launch.json')]);
  expect(readRunState(run.runDir).state).toBe('corrupt');
});

it('takes a file in a directory’s place for what it is', () => {
  const file = path.join(test.home, 'file');
  writeFileSync(file, '');
  expect(['absent', 'corrupt']).toContain(readRunState(file).state);
});
