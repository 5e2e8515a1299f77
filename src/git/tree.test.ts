import { existsSync, statSync } from 'node:fs';
import { readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countObjectFiles, maintainRepository } from './maintain.ts';
import { BRANCH, commitFiles, createWorld, ITEM } from './testing.ts';
import type { World } from './testing.ts';
import { prepareTree } from './tree.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld({ 'README.md': 'hello\n', 'src/a.txt': 'a\n', '.gitignore': 'node_modules/\n*.log\n' });
});
afterEach(() => world.remove());

async function status(): Promise<string> {
  return world.run(world.tree, 'status', '--porcelain', '--untracked-files=all');
}

describe('prepareTree', () => {
  it('gives the agent a whole clone of its own: branch, history, base branch, no remote, no hooks', async () => {
    await world.prepare();
    expect(await world.run(world.tree, 'symbolic-ref', '--short', 'HEAD')).toBe(BRANCH);
    expect(await world.run(world.tree, 'log', '--format=%s')).toBe('first');
    expect(await world.run(world.tree, 'rev-parse', 'origin/main')).toBe(world.start);
    expect(await world.run(world.tree, 'remote')).toBe('');
    expect(await world.run(world.tree, 'config', 'user.name')).toBe('Stagewright agent');
    expect(existsSync(path.join(world.tree, '.git/hooks'))).toBe(false);
    expect(await status()).toBe('');
    await world.run(world.tree, 'fsck', '--strict');
  });

  it('shares no file with our cache', async () => {
    await world.prepare();
    const packs = path.join(world.tree, '.git/objects/pack');
    for (const name of await readdir(packs)) expect(statSync(path.join(packs, name)).nlink).toBe(1);
    expect(existsSync(path.join(world.tree, '.git/objects/info/alternates'))).toBe(false);
  });

  it('can be detached', async () => {
    await prepareTree({
      repo: world.repo,
      home: world.home,
      itemId: ITEM,
      branch: BRANCH,
      commit: world.start,
      detached: true,
    });
    expect(await readFile(path.join(world.tree, '.git/HEAD'), 'utf8')).toBe(`${world.start}\n`);
  });

  it('fetches a commit that is not known yet, and says so where nobody has it', async () => {
    const outside = await world.pushFromOutside({ 'b.txt': 'b\n' });
    await world.prepare(outside);
    expect(await readFile(path.join(world.tree, 'b.txt'), 'utf8')).toBe('b\n');
    await expect(world.prepare('1'.repeat(40))).rejects.toThrow('is not on the forge');
  });

  it('resets what was changed, removes what is untracked, keeps what is ignored', async () => {
    await world.prepare();
    await world.write(world.tree, 'src/a.txt', 'b\n');
    await world.write(world.tree, 'src/deep/new.txt', 'new');
    await world.write(world.tree, 'node_modules/x/index.js', 'x');
    await execa('rm', [path.join(world.tree, 'README.md')]);
    await world.prepare();
    expect(await status()).toBe('');
    expect(await readFile(path.join(world.tree, 'src/a.txt'), 'utf8')).toBe('a\n');
    expect(existsSync(path.join(world.tree, 'src/deep'))).toBe(false);
    expect(existsSync(path.join(world.tree, 'node_modules/x/index.js'))).toBe(true);
  });

  it('sees a change of the same size made in the second in which the tree was prepared', async () => {
    await world.prepare();
    await world.write(world.tree, 'src/a.txt', 'b\n');
    await sleep(1_100);
    expect(await status()).toBe('M src/a.txt');
    const saved = await world.save();
    expect(saved.changed).toEqual(['src/a.txt']);
    await world.write(world.tree, 'src/a.txt', 'c\n');
    await sleep(1_100);
    await world.prepare(saved.head);
    expect(await readFile(path.join(world.tree, 'src/a.txt'), 'utf8')).toBe('b\n');
  });

  it('moves between commits in both directions', async () => {
    const outside = await world.pushFromOutside({ 'lib/b.txt': 'b\n' });
    await world.prepare(outside);
    expect(existsSync(path.join(world.tree, 'lib/b.txt'))).toBe(true);
    await world.prepare(world.start);
    expect(existsSync(path.join(world.tree, 'lib'))).toBe(false);
  });

  it('sees through a directory that was moved away and linked back, and writes nothing there', async () => {
    await world.prepare();
    const away = path.join(world.root, 'away');
    await rename(path.join(world.tree, 'src'), away);
    await symlink(away, path.join(world.tree, 'src'));
    await world.prepare();
    expect(statSync(path.join(world.tree, 'src')).ino).not.toBe(statSync(away).ino);
    await world.write(world.tree, 'src/a.txt', 'changed\n');
    expect(await readFile(path.join(away, 'a.txt'), 'utf8')).toBe('a\n');
  });

  it('replaces a tree that is a link by a directory, leaving the target alone', async () => {
    const target = path.join(world.root, 'target');
    await world.write(target, 'keep.txt', 'keep');
    await world.prepare();
    await execa('rm', ['-rf', world.tree]);
    await symlink(target, world.tree);
    await world.prepare();
    expect(await readdir(target)).toEqual(['keep.txt']);
    expect(await readFile(path.join(world.tree, 'README.md'), 'utf8')).toBe('hello\n');
  });

  it('clears pipes and inner repositories out of the way of the next run', async () => {
    await world.prepare();
    await execa('mkfifo', [path.join(world.tree, 'src/questions.md'), path.join(world.tree, 'src/.gitignore')]);
    await world.write(world.tree, 'src/.git/config', '[core]\n\tfsmonitor = touch /tmp/never\n');
    await world.run(world.tree, 'init', '-q', 'inner');
    await commitFiles(path.join(world.tree, 'inner'), { n: 'n' }, 'n');
    await world.prepare();
    expect((await readdir(path.join(world.tree, 'src'))).toSorted()).toEqual(['a.txt']);
    expect(existsSync(path.join(world.tree, 'inner'))).toBe(false);
  });

  it('does not leave an agent’s hidden refs, stashes or configuration behind', async () => {
    await world.prepare();
    await world.write(world.tree, 'src/a.txt', 'b\n');
    await world.run(world.tree, 'stash');
    await world.run(world.tree, 'tag', 'planted');
    await world.run(world.tree, 'config', 'alias.status', '!touch /tmp/never');
    await world.prepare();
    expect(await world.run(world.tree, 'for-each-ref', '--format=%(refname)', 'refs/tags', 'refs/stash')).toBe('');
    expect(await readFile(path.join(world.tree, '.git/config'), 'utf8')).not.toContain('alias');
  });
});

describe('maintainRepository', () => {
  it('packs a crowded store and loses nothing, reachable or not', async () => {
    const names = Array.from({ length: 100 }, (_, at) => path.join(world.root, `loose-${at}`));
    await Promise.all(names.map((name) => writeFile(name, name)));
    await world.run(world.repo.gitDir, 'hash-object', '-w', '--no-filters', ...names);
    expect(await countObjectFiles(world.repo)).toBeGreaterThan(100);
    const before = await world.run(world.repo.gitDir, 'cat-file', '--batch-all-objects', '--batch-check=%(objectname)');
    await maintainRepository(world.repo);
    expect(await countObjectFiles(world.repo)).toBeLessThan(10);
    const after = await world.run(world.repo.gitDir, 'cat-file', '--batch-all-objects', '--batch-check=%(objectname)');
    expect(after).toBe(before);
  });
});
