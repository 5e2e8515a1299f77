import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compiled } from '../paths.ts';
import { git, GitError, runGitHere, setGitRunner } from './git.ts';
import { useGitHelper } from './helper.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'stagewright-helper-'));
  execFileSync('git', ['init', '-q', root]);
  useGitHelper();
});
afterAll(() => {
  setGitRunner(runGitHere);
  rmSync(root, { recursive: true, force: true });
});

/** Processes that this one, or `parent`, has started as helpers. */
function helpersOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const isHelper = readFileSync(`/proc/${name}/cmdline`, 'latin1').includes('helper-process.js');
        return isHelper && Number(ppid) === parent && state !== 'Z' ? [Number(name)] : [];
      } catch {
        return [];
      }
    });
}

async function until(what: string, look: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !look(); await sleep(20)) if (Date.now() > end) throw new Error(what);
}

it('starts git from one process of its own, with the same answers and the same errors', async () => {
  const [version, , failure] = await Promise.all([
    git(['--version']),
    git(['hash-object', '--stdin'], { gitDir: path.join(root, '.git'), input: 'x' }),
    git(['rev-parse', '--verify', 'no-such-ref'], { gitDir: path.join(root, '.git') }).catch((error: unknown) => error),
  ]);
  expect(version.stdout).toBe(execFileSync('git', ['--version'], { encoding: 'utf8' }));
  expect(failure).toBeInstanceOf(GitError);
  expect(failure).toMatchObject({ code: 128, retryable: false, message: expect.stringContaining('rev-parse') });
  expect(helpersOf(process.pid)).toHaveLength(1);
});

it('passes an abort on, and rethrows its own reason once git is gone', async () => {
  const marker = path.join(root, 'ended');
  const script = path.join(root, 'slow.sh');
  writeFileSync(script, `trap 'echo > ${marker}; exit 1' TERM\nwhile :; do sleep 0.05; done\n`);
  const controller = new AbortController();
  const config = { 'alias.slow': `!sh ${script}` };
  const running = git(['slow'], { gitDir: path.join(root, '.git'), config, signal: controller.signal });
  await sleep(300);
  controller.abort(new Error('told to let go'));
  await expect(running).rejects.toThrow('told to let go');
  expect(existsSync(marker)).toBe(true);
});

it('calls what was at work retryable when the helper is killed, and goes on with a new one', async () => {
  const [first] = helpersOf(process.pid);
  const config = { 'alias.slow': '!sleep 1' };
  const lost = git(['slow'], { gitDir: path.join(root, '.git'), config });
  await sleep(200);
  process.kill(first ?? 0, 'SIGKILL');
  await expect(lost).rejects.toMatchObject({ name: 'GitError', retryable: true });
  expect((await git(['--version'])).code).toBe(0);
  const second = helpersOf(process.pid);
  expect(second).toHaveLength(1);
  expect(second).not.toContain(first);
});

it('ends when the process that uses it is killed', async () => {
  const use = `
    const { useGitHelper } = await import(${JSON.stringify(compiled('src/git/helper.js'))});
    const { git } = await import(${JSON.stringify(compiled('src/git/git.js'))});
    useGitHelper();
    await git(['--version']);
    process.stdout.write('up');
    setInterval(() => undefined, 1000);`;
  const user = spawn(process.execPath, ['--input-type=module', '-e', use], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => user.stdout.once('data', resolve));
  const [helper = 0] = helpersOf(user.pid ?? 0);
  expect(helper).toBeGreaterThan(1);
  user.kill('SIGKILL');
  await until('the helper is gone', () => !existsSync(`/proc/${helper}`));
});
