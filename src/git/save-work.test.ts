import { readFile, symlink } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readFileAt } from './read.ts';
import { fetchRepository, remoteHead } from './repository.ts';
import { BRANCH, commitFiles, createWorld, ITEM } from './testing.ts';
import type { World } from './testing.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
  await world.prepare();
});
afterEach(() => world.remove());

async function log(commit: string): Promise<string[]> {
  return (await world.run(world.forge.remoteUrl, 'log', '--format=%s', commit)).split('\n');
}

describe('a developer’s work', () => {
  it('keeps its commits and puts the uncommitted rest on top', async () => {
    const own = await commitFiles(world.tree, { 'src/b.txt': 'b\n' }, 'Add b');
    await world.write(world.tree, 'src/a.txt', 'changed\n');
    await world.write(world.tree, 'new.txt', 'new\n');
    const saved = await world.save();
    expect(saved).toMatchObject({ result: 'saved', base: world.start, changed: ['new.txt', 'src/a.txt', 'src/b.txt'] });
    expect(await remoteHead(world.repo, BRANCH)).toBe(saved.head);
    expect(await world.run(world.forge.remoteUrl, 'rev-parse', `${saved.head}^`)).toBe(own);
    const body = await world.run(world.forge.remoteUrl, 'log', '-1', '--format=%B', saved.head);
    expect(body).toContain('Stagewright-Run: run-1\nStagewright-Item: ET-1');
    await world.run(world.repo.gitDir, 'fsck', '--strict', '--no-dangling');
  });

  it('is marked wip when the run was interrupted', async () => {
    await world.write(world.tree, 'x.txt', 'x');
    const saved = await world.save({ interrupted: true });
    expect((await log(saved.head))[0]).toBe('wip: ET-1: development by the developer');
  });

  it('takes deletions, modes, links within the tree, and a directory that became a file', async () => {
    await world.run(world.tree, 'rm', '-q', '-r', 'src');
    await world.write(world.tree, 'src', 'now a file\n');
    await symlink('README.md', path.join(world.tree, 'link'));
    await execa('chmod', ['+x', path.join(world.tree, 'README.md')]);
    const saved = await world.save();
    const listing = await world.run(world.forge.remoteUrl, 'ls-tree', '-r', saved.head);
    expect(listing.split('\n').map((line) => line.replace(/ blob [0-9a-f]+\t/, ' '))).toEqual([
      '100755 README.md',
      '120000 link',
      '100644 src',
    ]);
  });

  it('leaves ignored files out', async () => {
    await world.write(world.tree, '.gitignore', 'node_modules/\n');
    await world.write(world.tree, 'node_modules/x/index.js', 'x');
    expect((await world.save()).changed).toEqual(['.gitignore']);
  });

  it('says nothing where nothing changed, and pushes nothing', async () => {
    expect(await world.save()).toMatchObject({ result: 'nothing', head: world.start, changed: [] });
    expect(await remoteHead(world.repo, BRANCH)).toBe(world.start);
  });

  it('saves a merge of the base branch as the merge it is', async () => {
    await world.pushFromOutside({ 'other.txt': 'o' }, BRANCH);
    await fetchRepository(world.repo);
    const tip = (await remoteHead(world.repo, BRANCH)) ?? '';
    await world.prepare(tip);
    expect(await world.run(world.tree, 'rev-parse', 'origin/main')).toBe(world.start);
    await commitFiles(world.tree, { 'c.txt': 'c' }, 'c');
    await world.run(world.tree, 'merge', '-q', '--no-ff', '-m', 'merge', 'origin/main');
    expect(await world.save({ base: tip })).toMatchObject({ result: 'saved', changed: ['c.txt'] });
  });

  it('becomes one commit of ours where the agent’s history was rewritten', async () => {
    await commitFiles(world.tree, { 'x.txt': 'x' }, 'x');
    await world.run(world.tree, 'commit', '-q', '--amend', '-m', 'new root', '--date=2000-01-01T00:00:00Z');
    await world.run(world.tree, 'checkout', '-q', '--orphan', 'other');
    await world.run(world.tree, 'commit', '-q', '-m', 'orphan');
    const saved = await world.save();
    expect(await log(saved.head)).toEqual(['ET-1: development by the developer', 'first']);
    expect(saved.changed).toEqual(['x.txt']);
  });

  it('never keeps a commit that claims our trailers', async () => {
    await commitFiles(world.tree, { 'x.txt': 'x' }, 'x\n\nStagewright-Run: other\nStagewright-Takeover: true');
    const saved = await world.save();
    expect(await world.run(world.forge.remoteUrl, 'log', '--format=%B', `${world.start}..${saved.head}`)).not.toContain(
      'Takeover',
    );
    expect(saved.changed).toEqual(['x.txt']);
  });
});

describe('a role that may write its artifacts only', () => {
  const allowedPaths = [`docs/work-items/${ITEM}`];

  it('has the rest kept as a patch, said and not committed', async () => {
    await commitFiles(world.tree, { [`docs/work-items/${ITEM}/12-review.md`]: 'ok', 'src/a.txt': 'sneaky\n' }, 'own');
    await world.write(world.tree, 'src/new.txt', 'new\n');
    const saved = await world.save({ allowedPaths });
    expect(saved).toMatchObject({
      result: 'saved',
      changed: [`docs/work-items/${ITEM}/12-review.md`],
      artifacts: [`docs/work-items/${ITEM}/12-review.md`],
      outside: ['src/a.txt', 'src/new.txt'],
    });
    expect(await log(saved.head)).toHaveLength(2);
    const patch = await readFile(path.join(world.root, 'outside.patch'), 'utf8');
    expect(patch).toContain('+sneaky');
    await world.prepare(saved.head);
    await world.run(world.tree, 'apply', '--check', path.join(world.root, 'outside.patch'));
  });

  it('puts no link or pipe in the place of an artifact on the branch', async () => {
    const directory = path.join(world.tree, 'docs/work-items', ITEM);
    await world.write(directory, '01-brd.md', 'brd');
    await symlink('/proc/self/environ', path.join(directory, '01-questions.md'));
    await symlink('01-brd.md', path.join(directory, '02-spec.md'));
    await execa('mkfifo', [path.join(directory, '10-conflict.md')]);
    const saved = await world.save({ allowedPaths });
    expect(saved.refused).toEqual([{ path: `docs/work-items/${ITEM}/01-questions.md`, why: 'a link out of the tree' }]);
    const read = (name: string) => readFileAt(world.repo, saved.head, `docs/work-items/${ITEM}/${name}`);
    expect((await read('01-brd.md')).kind).toBe('file');
    expect((await read('02-spec.md')).kind).toBe('refused');
    expect((await read('10-conflict.md')).kind).toBe('absent');
  });

  it('on a detached commit leaves its report in a directory of ours and pushes nothing', async () => {
    const report = `docs/work-items/${ITEM}/15-deploy-report.md`;
    await world.write(world.tree, report, '---\nstatus: SUCCESS\n---\n');
    await symlink('/proc/self/environ', path.join(world.tree, 'docs/work-items', ITEM, 'x.md'));
    const saved = await world.save({ allowedPaths, detached: true });
    expect(saved).toMatchObject({ result: 'saved', head: world.start, artifacts: [report] });
    expect(await readFile(path.join(world.root, 'artifacts/15-deploy-report.md'), 'utf8')).toContain('SUCCESS');
    expect(existsSync(path.join(world.root, 'artifacts/x.md'))).toBe(false);
    expect(await remoteHead(world.repo, BRANCH)).toBe(world.start);
  });
});
