import { existsSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GitError } from './git.ts';
import { pushRefs } from './push.ts';
import { remoteHead, remoteRefs } from './repository.ts';
import { pushTakeover } from './takeover.ts';
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

async function show(commit: string, file: string): Promise<string> {
  return world.run(world.forge.remoteUrl, 'show', `${commit}:${file}`);
}

describe('saving again', () => {
  it('gives the same result, with commits of the agent and without', async () => {
    await commitFiles(world.tree, { 'own.txt': 'own' }, 'own');
    await world.write(world.tree, 'x.txt', 'x');
    const first = await world.save();
    const again = await world.save();
    expect(again).toEqual(first);
    expect(await log(first.head)).toHaveLength(3);
  });

  it('gives the same result after somebody else has pushed on top', async () => {
    await world.write(world.tree, 'x.txt', 'x');
    const first = await world.save();
    const outside = await world.pushFromOutside({ 'y.txt': 'y' });
    expect(await world.save()).toEqual(first);
    expect(await remoteHead(world.repo, BRANCH)).toBe(outside);
  });

  it('is found done where it was killed after a rebased push', async () => {
    await world.write(world.tree, 'x.txt', 'x');
    await commitFiles(world.tree, { 'own.txt': 'own' }, 'own');
    await world.pushFromOutside({ 'y.txt': 'y' });
    const first = await world.save();
    expect(await world.save()).toEqual(first);
  });

  it('works after a push that failed half way', async () => {
    await world.write(world.tree, 'x.txt', 'x');
    const hook = path.join(world.forge.remoteUrl, 'hooks/pre-receive');
    await world.write(path.dirname(hook), 'pre-receive', '#!/bin/sh\nexit 1\n');
    await execa('chmod', ['+x', hook]);
    await expect(world.save()).rejects.toThrow(GitError);
    await execa('rm', [hook]);
    expect(await world.save()).toMatchObject({ result: 'saved', changed: ['x.txt'] });
  });

  it('is not stopped by locks that killed git processes left', async () => {
    await world.write(world.tree, 'x.txt', 'x');
    await world.write(path.join(world.home, 'items', ITEM, 'git'), 'index.lock', '');
    await world.write(world.tree, '.git/index.lock', '');
    const saved = await world.save();
    expect(saved.result).toBe('saved');
    await world.prepare(saved.head);
    expect(existsSync(path.join(world.tree, '.git/index.lock'))).toBe(false);
  });
});

describe('a refused push', () => {
  it('rebases the run’s own commits on what came in', async () => {
    await commitFiles(world.tree, { 'own.txt': 'own' }, 'own');
    await world.write(world.tree, 'x.txt', 'x');
    const outside = await world.pushFromOutside({ 'y.txt': 'y' });
    const saved = await world.save();
    expect(saved).toMatchObject({ result: 'saved', base: outside, changed: ['own.txt', 'x.txt'] });
    expect(await log(saved.head)).toEqual(['ET-1: development by the developer', 'own', 'from outside', 'first']);
    expect(await show(saved.head, 'y.txt')).toBe('y');
  });

  it('is a conflict with its files where they do not fit, and the work is kept', async () => {
    await world.write(world.tree, 'src/a.txt', 'mine\n');
    const outside = await world.pushFromOutside({ 'src/a.txt': 'theirs\n' });
    const saved = await world.save();
    expect(saved).toMatchObject({ result: 'conflict', conflicts: ['src/a.txt'] });
    expect(await remoteHead(world.repo, BRANCH)).toBe(outside);
    expect(await remoteRefs(world.repo, [`refs/stagewright/${ITEM}/conflict/run-1`])).toEqual([saved.head]);
    expect((await world.save()).result).toBe('conflict');
  });

  it('after a takeover puts the work aside and touches nothing else', async () => {
    await world.write(world.tree, 'x.txt', 'x');
    const taken = await pushTakeover({ repo: world.repo, branch: BRANCH, itemId: ITEM, runId: 'run-2' });
    expect(await pushTakeover({ repo: world.repo, branch: BRANCH, itemId: ITEM, runId: 'run-2' })).toBe(taken);
    const late = await world.save();
    expect(late).toMatchObject({ result: 'superseded', changed: ['x.txt'] });
    expect(await remoteHead(world.repo, BRANCH)).toBe(taken);
    expect(await remoteRefs(world.repo, [`refs/stagewright/${ITEM}/lost/run-1`])).toEqual([late.head]);
    // The run that took over saves as ever.
    await world.prepare(taken);
    await world.write(world.tree, 'z.txt', 'z');
    expect(await world.save({ base: taken, runId: 'run-2' })).toMatchObject({ result: 'saved', changed: ['z.txt'] });
  });

  it('whose branch is gone does not bring it back', async () => {
    await world.write(world.tree, 'x.txt', 'x');
    await world.run(world.forge.remoteUrl, 'update-ref', '-d', `refs/heads/${BRANCH}`);
    expect((await world.save()).result).toBe('superseded');
    expect(await remoteHead(world.repo, BRANCH)).toBeNull();
  });
});

describe('the base branch', () => {
  it('cannot be pushed to by saveWork, whatever it is told', async () => {
    await world.write(world.tree, 'x.txt', 'x');
    await expect(world.save({ branch: 'main' })).rejects.toThrow('base branch is never pushed');
    expect(await remoteHead(world.repo, 'main')).toBe(world.start);
  });

  it('refuses any push on the forge’s own side: a person’s, an agent’s, or ours without its guard', async () => {
    await commitFiles(world.tree, { 'x.txt': 'x' }, 'x');
    const push = world.run(world.tree, 'push', world.forge.remoteUrl, 'HEAD:refs/heads/main');
    await expect(push).rejects.toThrow('deny updating a hidden ref');
    const { head } = await world.save();
    const lax = { ...world.repo, baseBranch: 'another' };
    await pushRefs(lax, [{ ref: 'refs/heads/main', commit: head, expected: world.start }]).catch(() => undefined);
    expect(await remoteHead(world.repo, 'main')).toBe(world.start);
  });
});
