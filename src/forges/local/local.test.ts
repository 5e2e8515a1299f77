import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BRANCH, commitFiles, createWorld, ITEM } from '../../git/testing.ts';
import type { World } from '../../git/testing.ts';
import { remoteHead } from '../../git/repository.ts';
import { createBranch } from '../../git/branch.ts';
import type { LandResult } from '../port.ts';
import { openLocalForge } from './index.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.remove());

async function work(files: Record<string, string>): Promise<string> {
  await world.prepare();
  for (const [name, text] of Object.entries(files)) await world.write(world.tree, name, text);
  return (await world.save()).head;
}

function ensure(branch = BRANCH): ReturnType<World['forge']['ensurePullRequest']> {
  return world.forge.ensurePullRequest({ branch, base: 'main', title: 'ET-1: work', body: '' });
}

function land(pullRequest: string, head: string, base = world.start, branch = BRANCH): Promise<LandResult> {
  return world.forge.land({ pullRequest, branch, head, baseBranch: 'main', base });
}

describe('openLocalForge', () => {
  it('copies the base branch and tags only, with a configuration of its own', async () => {
    await world.run(world.source, 'tag', 'v1');
    await world.run(world.source, 'branch', 'private');
    await world.run(world.source, 'config', 'core.sshCommand', 'touch /tmp/never');
    const forge = await openLocalForge({ home: world.home, key: 'TWO', source: world.source, branch: 'main' });
    const refs = await world.run(forge.remoteUrl, 'for-each-ref', '--format=%(refname)', 'refs/heads', 'refs/tags');
    expect(refs).toBe('refs/heads/main\nrefs/tags/v1');
    expect(await world.run(forge.remoteUrl, 'config', '--list', '--local')).not.toContain('never');
  });

  it('opens from several callers at once, from a bare source too', async () => {
    const bare = path.join(world.root, 'bare.git');
    await world.run(world.root, 'clone', '-q', '--bare', world.source, bare);
    const open = () => openLocalForge({ home: world.home, key: 'TWO', source: bare, branch: 'main' });
    const forges = await Promise.all([open(), open(), open()]);
    expect(await world.run(forges[0]?.remoteUrl ?? '', 'rev-parse', 'main')).toBe(world.start);
    expect((await readdir(path.join(world.home, 'forge'))).filter((name) => name.includes('new'))).toEqual([]);
  });

  it('says what is wrong with the source', async () => {
    const open = (source: string, branch: string) => openLocalForge({ home: world.home, key: 'BAD', source, branch });
    await expect(open(world.source, 'trunk')).rejects.toMatchObject({ code: 'branch_missing' });
    await expect(open(path.join(world.root, 'nowhere'), 'main')).rejects.toMatchObject({ code: 'repository_missing' });
  });
});

describe('syncFromSource', () => {
  it('forwards base to a source that is ahead, and otherwise never touches it', async () => {
    expect(await world.forge.syncFromSource()).toEqual({ result: 'same', base: world.start });
    const ahead = await commitFiles(world.source, { 'm.txt': 'm' }, 'm');
    expect(await world.forge.syncFromSource()).toEqual({ result: 'forwarded', base: ahead });
    await world.run(world.source, 'reset', '-q', '--hard', world.start);
    expect(await world.forge.syncFromSource()).toEqual({ result: 'behind', base: ahead });
    const other = await commitFiles(world.source, { 'n.txt': 'n' }, 'n');
    expect(await world.forge.syncFromSource()).toEqual({ result: 'diverged', base: ahead, source: other });
    expect(await remoteHead(world.repo, 'main')).toBe(ahead);
  });
});

describe('pull requests', () => {
  it('are one per open branch, also when two ask at once', async () => {
    await work({ 'x.txt': 'x' });
    await createBranch(world.repo, { branch: 'feature/other', from: world.start, itemId: 'ET-2' });
    const pulls = await Promise.all([ensure(), ensure(), ensure(), ensure('feature/other'), ensure()]);
    expect(new Set(pulls.filter(({ branch }) => branch === BRANCH).map(({ id }) => id)).size).toBe(1);
    expect(pulls.map(({ id }) => id).toSorted()).toContain('2');
    expect((await readdir(path.join(world.home, 'forge/ET/pulls'))).toSorted()).toEqual(['1.json', '2.json']);
  });

  it('show the branch’s present head, close with a comment, and start anew after that', async () => {
    const pull = await ensure();
    const head = await work({ 'x.txt': 'x' });
    expect(await world.forge.getPullRequest(pull.id)).toMatchObject({
      head,
      state: 'open',
      url: `local:ET/pulls/${pull.id}`,
    });
    await world.forge.closePullRequest(pull.id, 'enough');
    await world.forge.closePullRequest(pull.id, 'again');
    expect(await world.forge.getPullRequest(pull.id)).toMatchObject({ state: 'closed', head });
    expect((await ensure()).id).not.toBe(pull.id);
    expect(await world.forge.getPullRequest('99')).toBeNull();
    expect(await world.forge.getPullRequest('../../x')).toBeNull();
  });

  it('are passed over where their file is broken', async () => {
    await ensure();
    await world.write(path.join(world.home, 'forge/ET/pulls'), '1.json', '{ half');
    expect((await ensure()).id).toBe('2');
  });

  it('need a branch', async () => {
    await expect(ensure('feature/none')).rejects.toMatchObject({ retryable: false });
  });
});

it('keeps the last status of each context', async () => {
  const status = { context: 'stagewright/merge-gate', state: 'pending', description: '' } as const;
  await world.forge.setStatus(world.start, status);
  await world.forge.setStatus(world.start, { ...status, state: 'success' });
  await world.forge.setStatus(world.start, { ...status, context: 'CI / über', state: 'failure' });
  const found = await world.forge.listStatuses(world.start);
  expect(found.map(({ context, state }) => `${context} ${state}`).toSorted()).toEqual([
    'CI / über failure',
    'stagewright/merge-gate success',
  ]);
  expect(await world.forge.listStatuses('1'.repeat(40))).toEqual([]);
});

describe('land', () => {
  it('moves base to the tested commit, marks the pull request, and answers the same again', async () => {
    const head = await work({ 'x.txt': 'x' });
    const { id } = await ensure();
    expect(await land(id, head)).toEqual({ result: 'landed' });
    expect(await remoteHead(world.repo, 'main')).toBe(head);
    expect(await world.forge.getPullRequest(id)).toMatchObject({ state: 'merged', head });
    expect(await land(id, head)).toEqual({ result: 'landed' });
    const reflog = await world.run(world.forge.remoteUrl, 'reflog', 'show', '--format=%H', 'refs/heads/main');
    expect(reflog.split('\n')).toEqual([head, world.start]);
  });

  it('is found done where only the answer and the note were lost', async () => {
    const head = await work({ 'x.txt': 'x' });
    const { id } = await ensure();
    const file = path.join(world.home, 'forge/ET/pulls', `${id}.json`);
    const before = await execa('cat', [file]);
    await land(id, head);
    await world.write(path.dirname(file), path.basename(file), before.stdout);
    await world.run(world.forge.remoteUrl, 'update-ref', '-d', `refs/heads/${BRANCH}`);
    expect(await land(id, head)).toEqual({ result: 'landed' });
    expect((await world.forge.getPullRequest(id))?.state).toBe('merged');
  });

  it('lands one of two at once; the other is told that base moved', async () => {
    const first = await work({ 'x.txt': 'x' });
    await createBranch(world.repo, { branch: 'feature/two', from: world.start, itemId: 'ET-2' });
    const second = await world.pushFromOutside({ 'two.txt': '2' }, 'feature/two');
    const [a, b] = [await ensure(), await ensure('feature/two')];
    for (let round = 0; round < 3; round += 1) {
      const results = await Promise.all([land(a.id, first), land(b.id, second, world.start, 'feature/two')]);
      if (round === 0) expect(results.map(({ result }) => result).toSorted()).toEqual(['baseMoved', 'landed']);
    }
    const main = await remoteHead(world.repo, 'main');
    expect([first, second]).toContain(main);
  });

  it('refuses a moved head, a moved base, a closed pull request and what is no fast-forward', async () => {
    const head = await work({ 'x.txt': 'x' });
    const { id } = await ensure();
    const outside = await world.pushFromOutside({ 'y.txt': 'y' });
    expect(await land(id, head)).toEqual({ result: 'headMoved' });
    const main = await commitFiles(world.source, { 'm.txt': 'm' }, 'm');
    await world.forge.syncFromSource();
    expect(await land(id, outside)).toEqual({ result: 'baseMoved' });
    expect(await land(id, outside, main)).toMatchObject({
      result: 'refused',
      reason: expect.stringContaining('fast-forward'),
    });
    expect(await land('7', outside, main)).toMatchObject({ result: 'refused' });
    expect(await land(id, outside, main, 'feature/else')).toMatchObject({ result: 'refused' });
    await world.forge.closePullRequest(id, 'no');
    expect(await land(id, outside, main)).toMatchObject({ result: 'refused', reason: 'the pull request is closed' });
    expect(await remoteHead(world.repo, 'main')).toBe(main);
  });

  it('is busy while a ref is locked', async () => {
    const head = await work({ 'x.txt': 'x' });
    const { id } = await ensure();
    await world.write(path.join(world.forge.remoteUrl, 'refs/heads'), 'main.lock', '');
    expect(await land(id, head)).toMatchObject({ result: 'busy' });
    await execa('rm', [path.join(world.forge.remoteUrl, 'refs/heads/main.lock')]);
    expect(await land(id, head)).toEqual({ result: 'landed' });
  });
});

it('lets the next item fetch and branch off what has landed', async () => {
  const head = await work({ 'x.txt': 'x' });
  const { id } = await ensure();
  await world.forge.land({ pullRequest: id, branch: BRANCH, head, baseBranch: 'main', base: world.start });
  const created = await createBranch(world.repo, { branch: 'feature/next', from: head, itemId: 'ET-9' });
  expect(created).toEqual({ result: 'created', head });
  expect(ITEM).toBe('ET-1');
});
