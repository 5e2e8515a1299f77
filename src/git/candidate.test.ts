import { existsSync } from 'node:fs';
import { lstat, mkdir, readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepCandidate, keptCandidate, makeCandidate, pushCandidate, revertRange } from './candidate.ts';
import type { Candidate, CandidateOutcome } from './candidate.ts';
import { checkoutCommit } from './checkout.ts';
import { changedBetween } from './read.ts';
import { fetchRepository, remoteHead, remoteRefs } from './repository.ts';
import { BRANCH, commitFiles, createWorld, ITEM } from './testing.ts';
import type { World } from './testing.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.remove());

/** Moves the forge's main as a landing would, with files of its own. */
async function moveMain(files: Record<string, string>): Promise<string> {
  const commit = await commitFiles(world.source, files, 'on main');
  await world.forge.syncFromSource();
  await fetchRepository(world.repo);
  return commit;
}

async function branchHead(files: Record<string, string>, from = world.start): Promise<string> {
  await world.prepare(from);
  for (const [name, text] of Object.entries(files)) await world.write(world.tree, name, text);
  return (await world.save({ base: from, runId: `run-${Object.keys(files).join('-').replace(/\W/g, '')}` })).head;
}

function make(mainHead: string, head: string, landing: 'squash' | 'keep' = 'squash'): Promise<CandidateOutcome> {
  return makeCandidate({ repo: world.repo, mainHead, head, landing, message: 'ET-1: work', itemId: ITEM });
}

function certain(outcome: CandidateOutcome): Candidate {
  if (outcome.kind !== 'candidate') throw new Error(`no candidate: ${outcome.kind}`);
  return outcome;
}

function revert(mainHead: string, base: string, head: string): Promise<CandidateOutcome> {
  return revertRange({ repo: world.repo, mainHead, base, head, message: 'Revert ET-1', itemId: ITEM });
}

describe('makeCandidate', () => {
  it('is the head itself where main is its ancestor', async () => {
    const head = await branchHead({ 'x.txt': 'x' });
    expect(await make(world.start, head)).toMatchObject({
      kind: 'candidate',
      commit: head,
      base: world.start,
      fastForward: true,
    });
  });

  it('is one commit on main with the merged tree, and the same id again', async () => {
    const head = await branchHead({ 'x.txt': 'x' });
    const main = await moveMain({ 'm.txt': 'm' });
    const candidate = certain(await make(main, head));
    expect(await world.run(world.repo.gitDir, 'log', '-1', '--format=%P|%s', candidate.commit)).toBe(
      `${main}|ET-1: work`,
    );
    expect(await world.run(world.repo.gitDir, 'ls-tree', '-r', '--name-only', candidate.commit)).toBe(
      'README.md\nm.txt\nsrc/a.txt\nx.txt',
    );
    await new Promise((resolve) => setTimeout(resolve, 1_010));
    expect(await make(main, head)).toEqual(candidate);
    await world.run(world.repo.gitDir, 'fsck', '--strict', '--no-dangling');
  });

  it('keeps the branch’s commits where the project wants them', async () => {
    await world.prepare();
    await commitFiles(world.tree, { 'one.txt': '1' }, 'one');
    await commitFiles(world.tree, { 'two.txt': '2' }, 'two');
    const { head } = await world.save();
    const main = await moveMain({ 'm.txt': 'm' });
    const kept = certain(await make(main, head, 'keep'));
    expect(await world.run(world.repo.gitDir, 'log', '--format=%an %s', `${main}..${kept.commit}`)).toBe(
      'Ada two\nAda one',
    );
    expect(kept.tree).toBe(certain(await make(main, head)).tree);
    expect(await make(main, head, 'keep')).toEqual(kept);
  });

  it('names the files in conflict', async () => {
    const head = await branchHead({ 'src/a.txt': 'mine\n' });
    const main = await moveMain({ 'src/a.txt': 'theirs\n' });
    const outcome = await make(main, head);
    expect(outcome).toMatchObject({ kind: 'conflict', files: ['src/a.txt'] });
    expect(outcome.kind === 'conflict' ? outcome.text : '').toContain('Merge conflict in src/a.txt');
  });

  it('does not meet again a conflict that the developer resolved by merging main, keep or squash', async () => {
    const mine = await branchHead({ 'src/a.txt': 'mine\n' });
    const main = await moveMain({ 'src/a.txt': 'theirs\n' });
    await world.prepare(mine);
    await world.run(world.tree, 'merge', '-q', 'origin/main').catch(() => '');
    await commitFiles(world.tree, { 'src/a.txt': 'both\n' }, 'resolve');
    const { head } = await world.save({ base: mine, runId: 'run-resolve' });
    const later = await moveMain({ 'm.txt': 'm' });
    for (const landing of ['squash', 'keep'] as const) {
      const candidate = certain(await make(later, head, landing));
      expect(await world.run(world.repo.gitDir, 'show', `${candidate.commit}:src/a.txt`)).toBe('both');
    }
    expect(await make(main, head)).toMatchObject({ kind: 'candidate', fastForward: true });
  });

  it('is empty where it would change nothing', async () => {
    expect(await make(world.start, world.start)).toEqual({ kind: 'empty' });
    const head = await branchHead({ 'x.txt': 'x' });
    const main = await moveMain({ 'x.txt': 'x' });
    expect(await make(main, head)).toEqual({ kind: 'empty' });
  });

  it('copes with hundreds of commits on both sides', async () => {
    const stream = (branch: string, folder: string): string =>
      Array.from({ length: 200 }, (_, at) => {
        const parent = at === 0 ? `from ${world.start}\n` : '';
        const date = `Ada <ada@example.org> ${1_700_000_000 + at} +0000`;
        return `commit refs/heads/${branch}\ncommitter ${date}\ndata 2\nc\n${parent}M 100644 inline ${folder}/${at}.txt\ndata 2\n${at % 10}\n`;
      }).join('\n');
    await execa('git', ['fast-import', '--quiet'], {
      cwd: world.source,
      input: `${stream('main', 'm')}\n${stream('big', 'b')}`,
    });
    await world.forge.syncFromSource();
    await execa('git', ['push', '-q', world.forge.remoteUrl, 'big:refs/heads/feature/big'], { cwd: world.source });
    await fetchRepository(world.repo);
    const [main, head] = await remoteRefs(world.repo, ['refs/heads/main', 'refs/heads/feature/big']);
    const squashed = certain(await make(main ?? '', head ?? ''));
    const kept = certain(await make(main ?? '', head ?? '', 'keep'));
    expect(kept.tree).toBe(squashed.tree);
    expect(await world.run(world.repo.gitDir, 'rev-list', '--count', `${main}..${kept.commit}`)).toBe('200');
    expect(await changedBetween(world.repo, main ?? '', kept.commit)).toHaveLength(200);
  });
});

describe('pushCandidate', () => {
  let head: string;
  let candidate: string;
  beforeEach(async () => {
    head = await branchHead({ 'x.txt': 'x' });
    candidate = certain(await make(await moveMain({ 'm.txt': 'm' }), head)).commit;
  });
  const keepRef = `refs/stagewright/${ITEM}/1`;
  const push = (expected = head) => pushCandidate({ repo: world.repo, branch: BRANCH, candidate, expected, keepRef });

  it('keeps the old head and moves the branch; again is fine', async () => {
    expect(await push()).toEqual({ result: 'pushed' });
    expect(await remoteRefs(world.repo, [`refs/heads/${BRANCH}`, keepRef])).toEqual([candidate, head]);
    expect(await push()).toEqual({ result: 'pushed' });
  });

  it('is refused by the lease where the branch has moved, and changes nothing', async () => {
    const outside = await world.pushFromOutside({ 'y.txt': 'y' });
    expect(await push()).toEqual({ result: 'headMoved', head: outside });
    expect(await remoteRefs(world.repo, [`refs/heads/${BRANCH}`, keepRef])).toEqual([outside, null]);
  });

  it('keeps every old head when a round uses a number again', async () => {
    await push();
    const next = certain(await make(await moveMain({ 'n.txt': 'n' }), candidate)).commit;
    const again = await pushCandidate({
      repo: world.repo,
      branch: BRANCH,
      candidate: next,
      expected: candidate,
      keepRef,
    });
    expect(again).toEqual({ result: 'pushed' });
    expect(await remoteRefs(world.repo, [keepRef, `${keepRef}-2`])).toEqual([head, candidate]);
  });

  it('never reaches the base branch', async () => {
    const request = { repo: world.repo, branch: 'main', candidate, expected: world.start, keepRef };
    await expect(pushCandidate(request)).rejects.toThrow('base branch is never pushed');
  });

  it('leaves the candidate where another host finds it', async () => {
    await keepCandidate(world.repo, { itemId: ITEM, commit: head, base: head });
    await keepCandidate(world.repo, { itemId: ITEM, commit: candidate, base: head });
    expect(await keptCandidate(world.repo, ITEM)).toEqual({ commit: candidate, base: head });
  });
});

describe('revertRange', () => {
  it('takes back one range and keeps what came after it', async () => {
    const landed = await moveMain({ 'src/a.txt': 'landed\n', 'new.txt': 'n' });
    const later = await moveMain({ 'later.txt': 'l' });
    const candidate = certain(await revert(later, world.start, landed));
    expect(await world.run(world.repo.gitDir, 'ls-tree', '-r', '--name-only', candidate.commit)).toBe(
      'README.md\nlater.txt\nsrc/a.txt',
    );
    expect(await world.run(world.repo.gitDir, 'show', `${candidate.commit}:src/a.txt`)).toBe('a');
    expect(await revert(landed, world.start, landed)).toMatchObject({ kind: 'candidate', base: landed });
  });

  it('says so where later work stands on it, or where nothing is left to take back', async () => {
    const landed = await moveMain({ 'src/a.txt': 'landed\n' });
    const later = await moveMain({ 'src/a.txt': 'landed and more\n' });
    expect(await revert(later, world.start, landed)).toMatchObject({ kind: 'conflict', files: ['src/a.txt'] });
    const undone = await moveMain({ 'src/a.txt': 'a\n' });
    expect(await revert(undone, world.start, landed)).toEqual({ kind: 'empty' });
  });
});

describe('checkoutCommit', () => {
  it('exports a commit fresh, links as links, with no .git unless asked for', async () => {
    await execa('ln', ['-s', '/etc/hostname', path.join(world.source, 'link')]);
    const commit = await moveMain({ 'x.txt': 'x' });
    const directory = path.join(world.root, 'out/checkout');
    await checkoutCommit({ repo: world.repo, commit, directory });
    expect((await readdir(directory)).toSorted()).toEqual(['README.md', 'link', 'src', 'x.txt']);
    expect((await lstat(path.join(directory, 'link'))).isSymbolicLink()).toBe(true);
    expect(await readdir(path.dirname(directory))).toEqual(['checkout']);

    const withGit = path.join(world.root, 'out/with-git');
    await mkdir(withGit);
    await checkoutCommit({ repo: world.repo, commit, directory: withGit, withGit: true });
    expect(await world.run(withGit, 'status', '--porcelain')).toBe('');
    expect(await world.run(withGit, 'rev-parse', 'HEAD')).toBe(commit);
  });

  it('refuses a directory with something in it, and leaves it alone', async () => {
    const directory = path.join(world.root, 'full');
    await world.write(directory, 'mine.txt', 'mine');
    await expect(checkoutCommit({ repo: world.repo, commit: world.start, directory })).rejects.toThrow('ENOTEMPTY');
    expect(await readFile(path.join(directory, 'mine.txt'), 'utf8')).toBe('mine');
    expect(existsSync(path.join(directory, 'README.md'))).toBe(false);
  });
});

it('never confuses the branch of the forge with what is only cached', async () => {
  const outside = await world.pushFromOutside({ 'y.txt': 'y' });
  expect(await remoteHead(world.repo, BRANCH)).toBe(outside);
});
