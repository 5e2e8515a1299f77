/** The command with nothing running: in this process, and, where it matters, as people start it. */
import { spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeRepository, makeTestDirectory } from '../config/test-repository.ts';
import type { TestDirectory } from '../config/test-repository.ts';
import { compiled } from '../paths.ts';
import { runCli } from './run.ts';

let directory: TestDirectory;
beforeEach(() => {
  // Where the tests run a server may be configured: nothing is running, here, is meant.
  vi.stubEnv('TEMPORAL_ADDRESS', undefined);
  directory = makeTestDirectory();
});
afterEach(() => {
  vi.unstubAllEnvs();
  directory.remove();
});

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function environment(changes: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: directory.path,
    STAGEWRIGHT_HOME: path.join(directory.path, 'home'),
    ...changes,
  };
}

/** In this process. */
async function stagewright(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const text = { out: '', err: '' };
  const io = {
    env: environment(env),
    cwd: directory.path,
    stdin: Readable.from([]),
    stdout: { write: (piece: string) => (text.out += piece) },
    stderr: { write: (piece: string) => (text.err += piece) },
  };
  const code = await runCli(io, args);
  return { code, ...text };
}

/** Compiled, in a process of its own. */
function spawnStagewright(args: string[]): Ended {
  const options = { cwd: directory.path, encoding: 'utf8', input: '', timeout: 20_000, env: environment({}) } as const;
  const ended = spawnSync(process.execPath, [compiled('src/cli/main.js'), ...args], options);
  return { code: ended.status, out: ended.stdout, err: ended.stderr };
}

describe('usage', async () => {
  it('--help names every command and the exit codes', async () => {
    const { code, out } = await stagewright(['--help']);
    expect(code).toBe(0);
    for (const name of 'start worker http demo submit status show logs approve reject answer retry recheck skip pause resume cancel queue doctor'.split(
      ' ',
    )) {
      expect(out).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    }
    for (const line of ['2  bad usage', '3  the configuration is wrong', '4  no Temporal', '5  refused', '6  no such'])
      expect(out).toContain(line);
    expect((await stagewright([])).out).toBe(out);
    expect((await stagewright(['--version'])).out).toMatch(/^\d+\.\d+\.\d+/);
  });

  it.each([
    [['statsu'], "unknown command 'statsu'", 'did you mean status?'],
    [['queue', 'shwo'], "unknown command 'queue shwo'", 'did you mean queue show?'],
    [['approve'], "missing required argument 'item'", 'stagewright --help'],
    [['answer', 'ET-1'], "missing required argument 'text'", 'stagewright --help'],
    [['status', '--jsn'], "unknown option '--jsn'", 'did you mean --json?'],
    [['submit', ''], 'the title is empty', null],
    [['submit', 'title'], 'which project?', 'name a repository: --repo PATH'],
    [['reject', 'ET-1', '-'], 'the text is empty', 'pipe it in'],
    [['approve', 'ET-1', '--commit', 'HEAD'], 'HEAD is no commit id', '7 or more'],
    [['queue', 'move', 'ET-1', 'first'], 'first is no place in a queue', '1 for next'],
    [['demo', '--interactive'], '--interactive needs a terminal', null],
  ])('%j is bad usage', async (args, message, mend) => {
    const { code, out, err } = await stagewright(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(`error: ${message}`);
    if (mend !== null) expect(err).toMatch(new RegExp(`  mend: .*${mend.replace('?', '\\?')}`));
    const json: { error: { message: string } } = JSON.parse((await stagewright([...args, '--json'])).out);
    expect(json.error.message).toBe(message);
  });
});

describe('with nothing running', () => {
  it.each([
    ['status'],
    ['show ET-1'],
    ['logs ET-1'],
    ['approve ET-1'],
    ['pause ET-1'],
    ['queue'],
    ['worker'],
    ['http'],
  ])('%s says so', async (command) => {
    const { code, err } = await stagewright(command.split(' '));
    expect(code).toBe(4);
    expect(err).toMatch(/^error: nothing is running here\n  mend: start it with `npm start`/);
  });

  it('is found out at once, also where a killed instance left its record', async () => {
    await stagewright(['doctor']);
    const home = path.join(directory.path, 'home');
    makeRepository(home, { 'instance.json': JSON.stringify({ pid: 1, address: '127.0.0.1:9', namespace: 'default' }) });
    const started = performance.now();
    expect((await stagewright(['status'])).code).toBe(4);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('a command that only asks makes no files', async () => {
    await stagewright(['status']);
    expect(existsSync(path.join(directory.path, 'home'))).toBe(false);
  });
});

describe('a wrong configuration', () => {
  it.each(['start', 'worker', 'http', 'submit title'])('keeps %s from starting anything', async (command) => {
    writeFileSync(
      path.join(directory.path, 'stagewright.yaml'),
      'limts: {}\nprojects:\n  ET:\n    repository: ./none\n    branch: 7\n',
    );
    const { code, err } = await stagewright(command.split(' '));
    expect(code).toBe(3);
    expect(err).toContain('error: 2 problems in the configuration; nothing was started');
    expect(err).toContain('stagewright.yaml:1:1 limts: unknown key; did you mean "limits"?');
    expect(err).toContain('stagewright.yaml:5:13 projects.ET.branch: expected string, got number');
    expect(existsSync(path.join(directory.path, 'home'))).toBe(false);
  });

  it('is shown by doctor beside everything else, with exit code 1', async () => {
    writeFileSync(path.join(directory.path, 'stagewright.yaml'), 'limts: {}\n');
    const { code, out } = await stagewright(['doctor', '--json']);
    const report: {
      ok: boolean;
      checks: { name: string; status: string; detail: string; mend?: string }[];
    } = JSON.parse(out);
    expect(code).toBe(1);
    expect(report.ok).toBe(false);
    expect(report.checks).toContainEqual(
      expect.objectContaining({ name: 'configuration', status: 'fail', mend: 'write limits instead of limts' }),
    );
    expect(report.checks.map((check) => check.name)).toEqual(expect.arrayContaining(['Node', 'git', 'disk']));
  });
});

describe('doctor', () => {
  it('passes on a machine with nothing prepared, and says what is not fenced, switched off or fallen back', async () => {
    makeRepository(path.join(directory.path, 'repo'), { 'a.test.mjs': '' });
    writeFileSync(
      path.join(directory.path, 'stagewright.yaml'),
      'defaults: { agent: scripted }\nlimits: { silence: 0, lease: never }\nprojects: { ET: { repository: ./repo, commands: { test: node --test }, skipRetest: false } }\n',
    );
    const { code, out } = await stagewright(['doctor']);
    expect(out).toMatch(/^ok {4}project ET: .*node --test$/m);
    expect(out).toMatch(/^warn {2}configuration: stagewright\.yaml:2:\d+ limits\.lease/m);
    expect(out).toMatch(/^warn {2}sandbox: sandbox: none — a program of the same user can still read/m);
    expect(out).toMatch(/^warn {2}switches: off: silence watch; skipping a re-test/m);
    expect(code).toBe(0);
  });
});

describe('submit', () => {
  it('looks at the agent before anything is started', async () => {
    const repo = makeRepository(path.join(directory.path, 'shop'), { 'a.test.mjs': '' });
    const bin = path.join(directory.path, 'bin');
    makeRepository(bin, {});
    const { code, err } = await stagewright(['submit', '--repo', repo, '--agent', 'claude', 'title'], {
      PATH: `${bin}:/usr/bin:/bin`,
    });
    expect(code).toBe(3);
    expect(err).toMatch(/error: Claude Code cannot be used: .*\n  mend: install Claude Code/);
    expect(existsSync(path.join(directory.path, 'home', 'temporal.db'))).toBe(false);
  });

  it('names the nearest agent and project', async () => {
    expect((await stagewright(['submit', '--agent', 'claud', 'title'])).err).toContain(
      'there is no agent CLI named "claud"',
    );
    makeRepository(path.join(directory.path, 'repo'), { 'a.test.mjs': '' });
    writeFileSync(
      path.join(directory.path, 'stagewright.yaml'),
      'projects: { SHOP: { repository: ./repo, commands: { test: node --test } } }\n',
    );
    const { code, err } = await stagewright(['submit', '--project', 'SHPO', 'title']);
    expect(code).toBe(6);
    expect(err).toContain('did you mean SHOP?');
  });
});

describe('as a process', () => {
  it('ends with the exit code, errors on stderr, documents on stdout', () => {
    const help = spawnStagewright(['--help']);
    expect(help).toMatchObject({ code: 0, err: '' });
    expect(help.out).toContain('Exit codes:');
    expect(spawnStagewright(['statsu'])).toEqual({
      code: 2,
      out: '',
      err: "error: unknown command 'statsu'\n  mend: did you mean status?\n",
    });
    expect(spawnStagewright(['status'])).toMatchObject({ code: 4, out: '' });
    const json = spawnStagewright(['status', '--json']);
    expect(json).toMatchObject({ code: 4, err: '' });
    expect(JSON.parse(json.out)).toMatchObject({ error: { code: 'not_running' } });
  });
});
