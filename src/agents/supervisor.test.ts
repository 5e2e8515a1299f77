import { randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { utimes } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compiled } from '../paths.ts';
import { RUN_FILES } from './record.ts';
import { readProcess } from './supervisor.ts';
import { bumpCounter } from './run/counter.ts';
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
} from './run/fixtures/harness.ts';
import { launchRun } from './run/launch.ts';
import { readChildRecord } from './run/records.ts';
import { readRunState } from './run/state.ts';
import { requestStop, stopRun } from './run/stop.ts';
import { endTree } from './run/sweep.ts';

let test: TestHome;
beforeAll(() => {
  ensureCompiled();
  test = createHome();
});
afterAll(async () => test.cleanUp());

const polite = ['sh', path.join(fixtures, 'polite.sh')];
const stubborn = ['sh', path.join(fixtures, 'stubborn.sh')];
const onTerm = ['sh', path.join(fixtures, 'on-term.sh')];
const escape = [process.execPath, path.join(fixtures, 'escape.mjs')];

describe('the child’s own end', () => {
  it.concurrent('is recorded as it was, with both outputs in their files', async () => {
    const run = test.prepare(['sh', '-c', 'echo out; echo err >&2; exit 3']);
    await launchRun(run.runDir, run.launch);
    const exit = await untilEnded(run.runDir);
    expect(exit).toMatchObject({ runId: run.runId, exit: 3, realExit: 3, signal: null, cause: null, signals: [] });
    expect(exit).toMatchObject({ strays: 0, launchError: null, stopReason: null });
    expect(readText(path.join(run.runDir, 'events.jsonl'))).toBe('out\n');
    expect(readText(path.join(run.runDir, 'stderr.log'))).toBe('err\n');
    expect(readText(path.join(run.runDir, 'supervisor.log'))).toBe('');
  });

  it.concurrent('by somebody else’s signal is no end of ours', async () => {
    const run = test.prepare(['sh', '-c', 'kill -9 $$']);
    await launchRun(run.runDir, run.launch);
    expect(await untilEnded(run.runDir)).toMatchObject({ exit: null, realExit: null, signal: 'SIGKILL', cause: null });
  });

  it.concurrent('stands where it came before the first signal, though a stop was asked for', async () => {
    const run = test.prepare(['sh', '-c', 'echo ready; sleep 0.3; exit 4']);
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    const child = readChildRecord(run.runDir);
    const pid = child.read === 'ok' ? child.record.pid : 0;
    // Held up itself, the supervisor has not reaped the child when it wakes and finds the request.
    process.kill(supervisorPid(run.runDir), 'SIGSTOP');
    await until('the child to end', () => readProcess(pid)?.state === 'Z');
    requestStop(run.runDir, 'too late');
    const exit = await untilEnded(run.runDir);
    expect(exit).toMatchObject({ exit: 4, realExit: 4, cause: null, stopReason: null, signals: [] });
  });

  it.concurrent('reads stdin from the file of the launch record, else finds it empty', async () => {
    const given = test.prepare(['cat'], { stdinPath: path.join(fixtures, 'polite.sh') });
    const empty = test.prepare(['cat']);
    await Promise.all([given, empty].map((run) => launchRun(run.runDir, run.launch)));
    await Promise.all([given, empty].map((run) => untilEnded(run.runDir)));
    expect(readText(path.join(given.runDir, 'events.jsonl'))).toBe(readText(path.join(fixtures, 'polite.sh')));
    expect(readText(path.join(empty.runDir, 'events.jsonl'))).toBe('');
  });

  it.concurrent('gives the child only the environment of the launch record, and the marker', async () => {
    process.env['STAGEWRIGHT_TEST_SECRET'] = 'a secret of the worker';
    const run = test.prepare(['/usr/bin/env']);
    await launchRun(run.runDir, run.launch);
    delete process.env['STAGEWRIGHT_TEST_SECRET'];
    await untilEnded(run.runDir);
    const lines = readText(path.join(run.runDir, 'events.jsonl')).trim().split('\n').toSorted();
    expect(lines).toEqual([`PATH=${run.launch.env['PATH']}`, `STAGEWRIGHT_RUN_${run.runId.replaceAll('-', '_')}=1`]);
  });
});

describe('the stop sequence', () => {
  it.concurrent('on the budget lets the child write its result, and keeps its real exit beside -9', async () => {
    const run = test.prepare(polite, { budgetMs: 800 });
    await launchRun(run.runDir, run.launch);
    const exit = await untilEnded(run.runDir);
    expect(exit).toMatchObject({ exit: -9, realExit: 0, signal: null, cause: 'budget', signals: ['SIGINT'] });
    expect(readText(path.join(run.runDir, 'events.jsonl'))).toContain('{"result":"interrupted"}');
    expect(exit.endedAtMs - exit.startedAtMs).toBeGreaterThanOrEqual(800);
    expect(exit.endedAtMs - exit.startedAtMs).toBeLessThan(4000);
  });

  it.concurrent('goes on to SIGKILL after the grace where SIGINT and SIGTERM are ignored', async () => {
    const run = test.prepare(stubborn, { interruptMs: 200, graceMs: 400 });
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    const startedMs = performance.now();
    requestStop(run.runDir, 'no longer wanted');
    const exit = await untilEnded(run.runDir);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(600);
    expect(exit).toMatchObject({ exit: -9, realExit: null, signal: 'SIGKILL', cause: 'stop' });
    expect(exit).toMatchObject({ signals: ['SIGINT', 'SIGTERM', 'SIGKILL'], stopReason: 'no longer wanted' });
    expect(markedPids(run.runId)).toEqual([]);
  });

  it.concurrent('sends no SIGKILL to what leaves within the grace', async () => {
    const run = test.prepare(onTerm, { interruptMs: 150, graceMs: 10_000 });
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    const exit = await stopRun(run.runDir, 'stop', { waitMs: 8000 });
    expect(exit).toMatchObject({ exit: -9, realExit: 7, signal: null, signals: ['SIGINT', 'SIGTERM'], strays: 0 });
  });

  it.concurrent('gives SIGINT to the child alone, SIGTERM to its whole group', async () => {
    const run = test.prepare([process.execPath, path.join(fixtures, 'family.mjs')], { interruptMs: 300 });
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    expect(await stopRun(run.runDir, 'stop', { waitMs: 8000 })).toMatchObject({ signals: ['SIGINT', 'SIGTERM'] });
    const heard = readText(path.join(run.runDir, 'events.jsonl')).trim().split('\n').toSorted();
    expect(heard).toEqual(['leader: SIGINT', 'leader: SIGTERM', 'member: SIGTERM', 'ready']);
  });

  it.concurrent('skips SIGINT where the launch record gives it no time', async () => {
    const run = test.prepare(onTerm, { interruptMs: 0 });
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    expect(await stopRun(run.runDir, 'stop', { waitMs: 8000 })).toMatchObject({ signals: ['SIGTERM'], realExit: 7 });
  });

  it.concurrent('ends a grandchild that fled into a session of its own', async () => {
    const pidFile = path.join(test.home, randomUUID());
    const run = test.prepare([...escape, pidFile, 'stay'], { interruptMs: 1000, graceMs: 1000 });
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    const grandchild = Number(readFileSync(pidFile, 'utf8'));
    expect(isAlive(grandchild)).toBe(true);
    const exit = await stopRun(run.runDir, 'stop', { waitMs: 8000 });
    expect(exit?.strays).toBe(1);
    expect(isAlive(grandchild)).toBe(false);
  });

  it.concurrent('also sweeps after a normal end: the group, and marked processes outside', async () => {
    const [pidFile, bareFile] = [path.join(test.home, randomUUID()), path.join(test.home, randomUUID())];
    // One member of the group has wiped its environment, marker and all.
    const script = `env -i sleep 300 & echo $! > ${bareFile}; ${escape.join(' ')} ${pidFile} leave`;
    const run = test.prepare(['sh', '-c', script]);
    await launchRun(run.runDir, run.launch);
    const exit = await untilEnded(run.runDir);
    expect(exit).toMatchObject({ exit: 0, cause: null, signals: [], strays: 2 });
    expect(isAlive(Number(readFileSync(pidFile, 'utf8')))).toBe(false);
    expect(isAlive(Number(readFileSync(bareFile, 'utf8')))).toBe(false);
  });

  it.concurrent('of one run leaves another run’s processes alone', async () => {
    const [first, second] = [test.prepare(polite), test.prepare(polite)];
    await Promise.all([first, second].map((run) => launchRun(run.runDir, run.launch)));
    await Promise.all([first, second].map((run) => untilOutput(run.runDir, 'ready')));
    await stopRun(first.runDir, 'stop', { waitMs: 8000 });
    expect(readRunState(second.runDir).state).toBe('running');
    expect(markedPids(second.runId).length).toBeGreaterThan(0);
  });

  it.concurrent('is what SIGTERM to the supervisor comes to; SIGINT is not for it', async () => {
    const run = test.prepare(polite);
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    process.kill(supervisorPid(run.runDir), 'SIGINT');
    await sleep(150);
    expect(readRunState(run.runDir).state).toBe('running');
    process.kill(supervisorPid(run.runDir), 'SIGTERM');
    expect(await untilEnded(run.runDir)).toMatchObject({
      exit: -9,
      realExit: 0,
      cause: 'shutdown',
      signals: ['SIGINT'],
    });
  });
});

describe('silence', () => {
  it.concurrent('ends a run whose events stop growing', async () => {
    const run = test.prepare(['sh', '-c', 'echo ready; exec sleep 60'], { silenceMs: 500 });
    await launchRun(run.runDir, run.launch);
    expect(await untilEnded(run.runDir)).toMatchObject({ cause: 'silence', exit: -9 });
  });

  it.concurrent('is broken by each event', async () => {
    const run = test.prepare(['sh', '-c', 'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done'], { silenceMs: 800 });
    await launchRun(run.runDir, run.launch);
    const exit = await untilEnded(run.runDir);
    expect(exit).toMatchObject({ cause: null, exit: 0 });
    expect(exit.endedAtMs - exit.startedAtMs).toBeGreaterThan(1500);
  });

  it.concurrent('is healthy while somebody who knows of an open tool call says so', async () => {
    const run = test.prepare(['sh', '-c', 'echo ready; sleep 1.6; exit 0'], { silenceMs: 700 });
    await launchRun(run.runDir, run.launch);
    const timer = setInterval(() => bumpCounter(path.join(run.runDir, RUN_FILES.quietOk)), 100);
    const exit = await untilEnded(run.runDir).finally(() => clearInterval(timer));
    expect(exit).toMatchObject({ cause: null, exit: 0 });
  });
});

describe('the output limit', () => {
  it.concurrent('ends a flood by the size of both files', async () => {
    const run = test.prepare(['sh', '-c', 'while :; do head -c 100000 /dev/zero >&2; sleep 0.01; done'], {
      outputLimitBytes: 1_000_000,
      budgetMs: 10_000,
      interruptMs: 200,
    });
    await launchRun(run.runDir, run.launch);
    expect(await untilEnded(run.runDir)).toMatchObject({ cause: 'output', exit: -9 });
    const { size } = statSync(path.join(run.runDir, 'stderr.log'));
    expect(size).toBeGreaterThan(1_000_000);
    expect(size).toBeLessThan(100_000_000);
  });
});

describe('the lease', () => {
  it.concurrent('ends a run that nobody attends', async () => {
    const run = test.prepare(polite, { leaseMs: 800 });
    await launchRun(run.runDir, run.launch);
    const exit = await untilEnded(run.runDir);
    expect(exit).toMatchObject({ cause: 'lease', exit: -9, realExit: 0 });
    expect(exit.endedAtMs - exit.startedAtMs).toBeGreaterThanOrEqual(800);
  });

  it.concurrent('does not run while the supervisor itself is stopped', async () => {
    const run = test.prepare(polite, { leaseMs: 800, silenceMs: 800, budgetMs: 1600 });
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    process.kill(supervisorPid(run.runDir), 'SIGSTOP');
    await sleep(2000);
    process.kill(supervisorPid(run.runDir), 'SIGCONT');
    await sleep(150);
    expect(readRunState(run.runDir).state).toBe('running');
    // It is awake, and holds the lease against what it sees from here on.
    expect(await untilEnded(run.runDir)).toMatchObject({ exit: -9, realExit: 0 });
  });
});

describe('the run directory', () => {
  it.concurrent('takes the child with it when it is removed', async () => {
    const run = test.prepare(stubborn, { graceMs: 300 });
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    const pid = supervisorPid(run.runDir);
    rmSync(run.runDir, { recursive: true });
    await until('the tree to end', () => markedPids(run.runId).length === 0);
    await until('the supervisor to leave', () => !isAlive(pid));
    expect(existsSync(run.runDir)).toBe(false);
  });

  it.concurrent('is no longer the run’s own when another takes its place', async () => {
    const run = test.prepare(polite);
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    const pid = supervisorPid(run.runDir);
    renameSync(run.runDir, `${run.runDir}.away`);
    cpSync(`${run.runDir}.away`, run.runDir, { recursive: true });
    await until('the tree to end', () => markedPids(run.runId).length === 0);
    await until('the supervisor to leave', () => !isAlive(pid));
    expect(existsSync(path.join(run.runDir, 'exit.json'))).toBe(false);
  });
});

describe('a dead supervisor', () => {
  it.concurrent('leaves a lost run, whose tree anybody can end', async () => {
    const pidFile = path.join(test.home, randomUUID());
    const run = test.prepare([...escape, pidFile, 'stay']);
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    process.kill(supervisorPid(run.runDir), 'SIGKILL');
    await until('lost', () => readRunState(run.runDir).state === 'lost');
    expect(markedPids(run.runId)).toHaveLength(2);
    expect(await endTree(run.runId)).toBe(2);
    expect(markedPids(run.runId)).toEqual([]);
    expect(isAlive(Number(readFileSync(pidFile, 'utf8')))).toBe(false);
  });

  it.concurrent('does not save a child that wiped its environment but stayed in its group', async () => {
    const run = test.prepare(['env', '-i', '/bin/sh', '-c', 'echo ready; /bin/sleep 300; exit']);
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    process.kill(supervisorPid(run.runDir), 'SIGKILL');
    await until('lost', () => readRunState(run.runDir).state === 'lost');
    const child = readChildRecord(run.runDir);
    expect(markedPids(run.runId)).toEqual([]);
    expect(await endTree(run.runId, run.runDir)).toBe(2);
    expect(child.read === 'ok' && isAlive(child.record.pid)).toBe(false);
  });
});

describe('the claim', () => {
  it.concurrent('lets one of several supervisors start the child', async () => {
    const run = test.prepare(['sh', '-c', 'echo child; sleep 0.5']);
    const launched = launchRun(run.runDir, run.launch);
    const rivals = await Promise.all(
      [1, 2, 3].map(async () => {
        await until('launch record', () => existsSync(path.join(run.runDir, 'launch.json')));
        const rival = spawn(process.execPath, [compiled('src/agents/supervisor.js'), run.runDir], { stdio: 'ignore' });
        return new Promise<number | null>((resolve) => rival.once('exit', resolve));
      }),
    );
    await launched;
    await untilEnded(run.runDir);
    expect(readText(path.join(run.runDir, 'events.jsonl'))).toBe('child\n');
    expect(rivals).toEqual([0, 0, 0]);
  });

  it.concurrent('is refused to a supervisor that comes when the run may have been given up', async () => {
    const run = test.prepare(['sh', '-c', 'echo child']);
    await launchRun(run.runDir, run.launch);
    await untilEnded(run.runDir);
    for (const name of ['exit.json', 'supervisor.json', 'child.json', 'events.jsonl'])
      rmSync(path.join(run.runDir, name));
    await ageLaunchRecord(run.runDir, 61_000);
    const late = spawn(process.execPath, [compiled('src/agents/supervisor.js'), run.runDir], { stdio: 'ignore' });
    await new Promise((resolve) => late.once('exit', resolve));
    expect(existsSync(path.join(run.runDir, 'events.jsonl'))).toBe(false);
    expect(readRunState(run.runDir).state).toBe('lost');
  });
});

async function ageLaunchRecord(runDir: string, ageMs: number): Promise<void> {
  const when = new Date(Date.now() - ageMs);
  await utimes(path.join(runDir, 'launch.json'), when, when);
}

describe('a full disk', () => {
  it.concurrent('does not take the exit record: its blocks are taken at launch and become exit.json', async () => {
    const run = test.prepare(['sh', '-c', 'echo ready; sleep 0.3']);
    await launchRun(run.runDir, run.launch);
    await untilOutput(run.runDir, 'ready');
    const reserve = statSync(path.join(run.runDir, 'exit.tmp'));
    expect(reserve.size).toBe(4096);
    expect(reserve.blocks * 512).toBeGreaterThanOrEqual(4096);
    await untilEnded(run.runDir);
    const record = statSync(path.join(run.runDir, 'exit.json'));
    expect(record.ino).toBe(reserve.ino);
    expect(record.size).toBe(4096);
  });

  it.concurrent('under a run at work neither loses its record nor its stop request', async () => {
    const report = await fillDisk('keep');
    expect(report).toMatchObject({ stateWhileFull: 'ended', supervisorWhileFull: false });
    expect(report.exit).toMatchObject({ cause: 'stop', exit: -9, realExit: 5 });
  });

  it.concurrent('keeps the supervisor until its record can be written', async () => {
    const report = await fillDisk('lose');
    expect(report).toMatchObject({ stateWhileFull: 'running', supervisorWhileFull: true });
    expect(report.exit).toMatchObject({ cause: 'stop', exit: -9, realExit: 5 });
  });
});

interface DiskReport {
  stateWhileFull: string;
  supervisorWhileFull: boolean;
  exit: unknown;
}

async function fillDisk(mode: 'keep' | 'lose'): Promise<DiskReport> {
  const scripts = ['full-disk.sh', 'full-disk.mjs'].map((name) => path.join(fixtures, name));
  const child = spawn('sh', [...scripts, dist, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  expect(code, 'needs user namespaces or a small /dev/shm, to have a disk that it may fill').toBe(0);
  return JSON.parse(output);
}
