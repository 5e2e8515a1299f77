import { readFile, utimes } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBranch, deleteBranch } from './branch.ts';
import { cleanStderr, git, GitError, gitEnvironment, isRetryable } from './git.ts';
import { checkBranch, checkName, checkObjectId } from './names.ts';
import { blobsAt, hasLfsOrSubmodules, isAncestor, listDirAt, readFileAt, sameOutside } from './read.ts';
import { fetchRepository, openRepository, remoteHead } from './repository.ts';
import { BRANCH, commitFiles, createWorld, ITEM } from './testing.ts';
import type { World } from './testing.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.remove());

function create(branch: string, from = world.start): ReturnType<typeof createBranch> {
  return createBranch(world.repo, { branch, from, itemId: ITEM });
}

describe('git', () => {
  it('gives a process nothing but a clean environment', () => {
    process.env['STAGEWRIGHT_TEST_TOKEN'] = 'secret';
    const environment = gitEnvironment({ gitDir: '/x' });
    delete process.env['STAGEWRIGHT_TEST_TOKEN'];
    expect(JSON.stringify(environment)).not.toContain('secret');
    expect(environment).toMatchObject({
      HOME: '/nonexistent',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_TERMINAL_PROMPT: '0',
    });
  });

  it('fails with its own error, short, without credentials and without its arguments', async () => {
    const url = 'http://robot:hunter2@127.0.0.1:9/x.git';
    const error = await git(['ls-remote', url, 'private-argument']).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GitError);
    expect(error).toMatchObject({ code: 128, retryable: true });
    expect(JSON.stringify(error) + String(error)).not.toMatch(/hunter2|private-argument/);
  });

  it('ends a command at its limit, and rethrows the reason of an abort', async () => {
    const slow = git(['-c', 'alias.wait=!sleep 30', 'wait'], { cwd: world.root, timeoutMs: 100 });
    await expect(slow).rejects.toMatchObject({ timedOut: true, retryable: true });
    const reason = new Error('cancelled');
    await expect(git(['version'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('tells what may pass later from what never will', () => {
    expect(isRetryable("fatal: Unable to create '/x/index.lock': File exists.")).toBe(true);
    expect(isRetryable("error: cannot lock ref 'refs/heads/x'")).toBe(true);
    expect(isRetryable('fatal: unable to access: The requested URL returned error: 503')).toBe(true);
    expect(isRetryable('fatal: unable to access: The requested URL returned error: 403')).toBe(false);
    expect(isRetryable('fatal: bad object')).toBe(false);
    expect(cleanStderr('hint: x\nfatal: https://a:b@host/x\n')).toBe('fatal: https://host/x');
  });

  it('takes no option for a name', () => {
    for (const bad of ['--force', '../x', 'a b', 'a..b', 'x.lock', '/x', 'x/', 'a//b', '@{u}', 'a\nb', '-x', 'a/.b']) {
      expect(() => checkBranch(bad), bad).toThrow(GitError);
    }
    expect(checkBranch('feature/ET-1-a.b_c')).toBe('feature/ET-1-a.b_c');
    for (const bad of ['..', 'a/b', '', '.x', '-x', 'a..b'])
      expect(() => checkName('item id', bad), bad).toThrow(GitError);
    expect(() => checkObjectId('HEAD')).toThrow(GitError);
  });
});

describe('the cache', () => {
  it('may be fetched into by several processes and calls at once', async () => {
    await world.pushFromOutside({ 'y.txt': 'y' });
    const script = `
      const { openRepository, fetchRepository } = await import(${JSON.stringify(path.resolve('dist/src/git/repository.js'))});
      const repo = await openRepository(${JSON.stringify({
        home: world.home,
        repositoryId: world.repo.repositoryId,
        remoteUrl: world.repo.remoteUrl,
        gitEnv: {},
        baseBranch: 'main',
      })});
      for (let at = 0; at < 3; at += 1) await fetchRepository(repo);`;
    const other = (): Promise<unknown> => execa(process.execPath, ['--input-type=module', '-e', script]);
    await Promise.all([other(), other(), ...Array.from({ length: 4 }, () => fetchRepository(world.repo))]);
    expect(await world.run(world.repo.gitDir, 'rev-parse', BRANCH)).toBe(await remoteHead(world.repo, BRANCH));
  });

  it('shows what is on the remote after a fetch that was asked for while another ran', async () => {
    const first = fetchRepository(world.repo);
    const outside = await world.pushFromOutside({ 'y.txt': 'y' });
    await fetchRepository(world.repo);
    await first;
    expect(await world.run(world.repo.gitDir, 'rev-parse', BRANCH)).toBe(outside);
  });

  it('gets over a lock that a killed process left long ago', async () => {
    await world.pushFromOutside({ 'y.txt': 'y' });
    const lock = path.join(world.repo.gitDir, 'refs/heads', `${BRANCH}.lock`);
    await world.write(path.dirname(lock), path.basename(lock), '');
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(lock, longAgo, longAgo);
    await fetchRepository(world.repo);
    expect(await world.run(world.repo.gitDir, 'rev-parse', BRANCH)).toBe(await remoteHead(world.repo, BRANCH));
  });

  it('follows a remote that moved house', async () => {
    const moved = path.join(world.root, 'moved.git');
    await execa('mv', [world.forge.remoteUrl, moved]);
    const { home, repo } = world;
    const again = await openRepository({
      home,
      repositoryId: repo.repositoryId,
      remoteUrl: moved,
      gitEnv: {},
      baseBranch: 'main',
    });
    expect(await remoteHead(again, BRANCH)).toBe(world.start);
    expect(await readFile(path.join(repo.gitDir, 'config'), 'utf8')).toContain('moved.git');
  });
});

describe('createBranch', () => {
  it('finds its own branch again, wherever it is now', async () => {
    expect(await create('feature/ET-1-new')).toEqual({ result: 'created', head: world.start });
    const outside = await world.pushFromOutside({ 'y.txt': 'y' }, 'feature/ET-1-new');
    expect(await create('feature/ET-1-new')).toEqual({ result: 'exists', head: outside });
  });

  it('never adopts a branch that it did not create', async () => {
    await world.run(world.forge.remoteUrl, 'update-ref', 'refs/heads/feature/ET-1-theirs', world.start);
    expect(await create('feature/ET-1-theirs')).toEqual({ result: 'foreign', head: world.start });
    const other = createBranch(world.repo, { branch: BRANCH, from: world.start, itemId: 'ET-2' });
    expect((await other).result).toBe('foreign');
    const refs = await world.run(world.forge.remoteUrl, 'for-each-ref', '--format=%(refname)', 'refs/stagewright/ET-2');
    expect(refs).toBe('');
  });

  it('makes one of two at once', async () => {
    const results = await Promise.all([create('feature/x'), create('feature/x')]);
    expect(results.map(({ result }) => result).toSorted()).toEqual(['created', 'exists']);
  });

  it('starts anew after a deletion, which refuses a branch that has moved', async () => {
    const outside = await world.pushFromOutside({ 'y.txt': 'y' });
    expect(await deleteBranch(world.repo, { branch: BRANCH, itemId: ITEM, expected: world.start })).toBe(false);
    expect(await deleteBranch(world.repo, { branch: BRANCH, itemId: ITEM, expected: outside })).toBe(true);
    expect(await deleteBranch(world.repo, { branch: BRANCH, itemId: ITEM, expected: outside })).toBe(true);
    expect(await create(BRANCH)).toEqual({ result: 'created', head: world.start });
  });

  it('starts anew where somebody else deleted the branch', async () => {
    await world.run(world.forge.remoteUrl, 'update-ref', '-d', `refs/heads/${BRANCH}`);
    await fetchRepository(world.repo);
    const main = await commitFiles(world.source, { 'm.txt': 'm' }, 'm');
    await world.forge.syncFromSource();
    await fetchRepository(world.repo);
    expect(await create(BRANCH, main)).toEqual({ result: 'created', head: main });
  });
});

describe('reading a commit', () => {
  it('gives regular files of bounded size as text, and a reason for everything else', async () => {
    await execa('ln', ['-s', '/proc/self/environ', path.join(world.source, 'link')]);
    await execa('ln', ['-s', 'src', path.join(world.source, 'folder-link')]);
    const commit = await commitFiles(
      world.source,
      { 'big.txt': 'x'.repeat(2_000), bin: 'a\0b', 'ü/ö.txt': 'text' },
      'more',
    );
    await world.forge.syncFromSource();
    await fetchRepository(world.repo);
    const read = (name: string) => readFileAt(world.repo, commit, name, { maxBytes: 1_000 });
    expect(await read('src/a.txt')).toMatchObject({ kind: 'file', text: 'a\n' });
    expect(await read('ü/ö.txt')).toMatchObject({ kind: 'file', text: 'text' });
    expect(await read('none/at/all')).toEqual({ kind: 'absent' });
    expect(await read('README.md/x')).toEqual({ kind: 'absent' });
    expect(await read('folder-link/a.txt')).toEqual({ kind: 'absent' });
    expect(await read('link')).toEqual({ kind: 'refused', reason: 'link is a link, not a regular file' });
    expect(await read('src')).toMatchObject({ kind: 'refused' });
    expect(await read('big.txt')).toMatchObject({ kind: 'refused', reason: 'big.txt has 2000 bytes, more than 1000' });
    expect(await read('bin')).toEqual({ kind: 'refused', reason: 'bin is binary' });
    expect((await listDirAt(world.repo, commit, 'src'))?.map(({ name, kind }) => [name, kind])).toEqual([
      ['a.txt', 'file'],
    ]);
    expect(await listDirAt(world.repo, commit, 'link')).toBeNull();
    expect(Object.keys(await blobsAt(world.repo, commit, ['src/a.txt', 'link', 'none']))).toEqual(['src/a.txt']);
  });

  it('compares trees outside the item’s own directory, never commit ids', async () => {
    const directory = `docs/work-items/${ITEM}`;
    const report = await commitFiles(world.source, { [`${directory}/12-review.md`]: 'ok' }, 'report');
    const twin = await commitFiles(world.source, { 'docs/work-items/ET-10/x.md': 'ok' }, 'another item');
    await world.forge.syncFromSource();
    await fetchRepository(world.repo);
    expect(await sameOutside(world.repo, world.start, report, directory)).toBe(true);
    expect(await sameOutside(world.repo, report, twin, directory)).toBe(false);
    expect(await isAncestor(world.repo, world.start, twin)).toBe(true);
    expect(await isAncestor(world.repo, twin, world.start)).toBe(false);
  });

  it('notices LFS and submodules', async () => {
    expect(await hasLfsOrSubmodules(world.repo, world.start)).toBeNull();
    const lfs = await commitFiles(
      world.source,
      { 'assets/.gitattributes': '*.png filter=lfs diff=lfs -text\n' },
      'lfs',
    );
    await world.run(world.source, 'update-index', '--add', '--cacheinfo', `160000,${lfs},sub`);
    await world.run(world.source, 'commit', '-q', '-m', 'sub');
    const sub = await world.run(world.source, 'rev-parse', 'HEAD');
    await world.forge.syncFromSource();
    await fetchRepository(world.repo);
    expect(await hasLfsOrSubmodules(world.repo, lfs)).toBe('lfs');
    expect(await hasLfsOrSubmodules(world.repo, sub)).toBe('submodules');
  });
});
