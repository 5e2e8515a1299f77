/**
 * The merge gate's two hands against real repositories: whatever answer was lost and however often a step is repeated,
 * main gets each commit once, and only one that was made for the main and the branch that are there.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProjectConfig } from '../src/config-types.ts';
import type { MergeRequest } from '../src/domain/protocol.ts';
import { BRANCH, ITEM, createWorld } from '../src/git/testing.ts';
import type { World } from '../src/git/testing.ts';
import type { Deps } from './deps.ts';
import { landCandidate, prepareCandidate } from './merge-candidate.ts';
import { PROJECT, testConfig, testDeps, testProject } from './testing.ts';
import type { CandidateResult, LandInput, LandOutcome } from './types.ts';

type Made = Extract<CandidateResult, { result: 'candidate' }>;

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.remove());

function open(project: Partial<ProjectConfig> = {}): Deps {
  return testDeps(testConfig(world.home, { projects: { [PROJECT]: testProject(project) } }), {
    openProject: () => Promise.resolve({ forge: world.forge, repo: world.repo }),
  });
}

async function main(): Promise<string> {
  return await world.run(world.forge.remoteUrl, 'rev-parse', 'main');
}

/** Main moves on without us: a person's commit to the repository that the forge mirrors. Returns its new head. */
async function moveMain(files: Record<string, string>): Promise<string> {
  await world.run(world.source, 'fetch', '--quiet', world.forge.remoteUrl, 'main');
  await world.run(world.source, 'reset', '--quiet', '--hard', 'FETCH_HEAD');
  for (const [name, text] of Object.entries(files)) await world.write(world.source, name, text);
  await world.run(world.source, 'add', '--all');
  await world.run(world.source, 'commit', '--quiet', '--message', 'from outside');
  await world.forge.syncFromSource();
  return await main();
}

function requestFor(head: string, changes: Partial<MergeRequest> = {}): MergeRequest {
  return {
    key: 'k',
    itemId: ITEM,
    workflowId: ITEM,
    project: PROJECT,
    title: 'fixes #7',
    branch: BRANCH,
    head,
    pullRequest: null,
    priority: 3,
    validated: null,
    ...changes,
  };
}

async function prepare(request: MergeRequest, deps = open()): Promise<CandidateResult> {
  return await prepareCandidate(deps, { project: PROJECT, request });
}

async function make(request: MergeRequest, deps = open()): Promise<Made> {
  const made = await prepare(request, deps);
  if (made.result !== 'candidate') throw new Error(`no candidate: ${JSON.stringify(made)}`);
  return made;
}

function landing(request: MergeRequest, made: Made, round = 1): LandInput {
  return { project: PROJECT, request, commit: made.commit, base: made.base, from: made.from, round };
}

async function land(input: LandInput, deps = open()): Promise<LandOutcome> {
  return await landCandidate(deps, input);
}

describe('the candidate', () => {
  it('is the same commit however often it is made, and says whether it must be tested', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    await moveMain({ 'src/c.txt': 'c\n' });
    const first = await make(requestFor(head));
    expect(first).toMatchObject({ base: await main(), from: head, retest: true });
    expect((await make(requestFor(head))).commit).toBe(first.commit);
    expect(await world.run(world.forge.remoteUrl, 'log', '-1', '--format=%s', first.commit)).not.toContain('fixes #7');
  });

  it('is not tested again where our own command has passed on this very tree', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    const validated = { commit: head, command: 'test' };
    expect((await make(requestFor(head, { validated }))).retest).toBe(false);
    // A command of its own for the re-test has not passed yet, and a project may insist.
    const commands = { test: ['true'], retest: ['true'] };
    expect((await make(requestFor(head, { validated }), open({ commands }))).retest).toBe(true);
    expect((await make(requestFor(head, { validated }), open({ skipRetest: false }))).retest).toBe(true);
    // A moved base makes another tree.
    await moveMain({ 'src/c.txt': 'c\n' });
    expect((await make(requestFor(head, { validated }))).retest).toBe(true);
    // A commit that nobody knows validates nothing.
    const unknown = { commit: '0123456789012345678901234567890123456789', command: 'test' };
    expect((await make(requestFor(head, { validated: unknown }))).retest).toBe(true);
  });

  it('is refused where the branch was pushed to since its review', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    await world.pushFromOutside({ 'src/sneak.txt': 'unseen\n' });
    expect(await prepare(requestFor(head))).toMatchObject({ result: 'moved' });
  });

  it('says conflict with the files, and empty where nothing is left to do', async () => {
    const head = await world.pushFromOutside({ 'src/a.txt': 'ours\n' });
    await moveMain({ 'src/a.txt': 'theirs\n' });
    expect(await prepare(requestFor(head))).toMatchObject({
      result: 'conflict',
      reason: expect.stringContaining('src/a.txt') as string,
    });
    await moveMain({ 'src/a.txt': 'ours\n' });
    expect(await prepare(requestFor(head))).toMatchObject({ result: 'empty' });
  });

  it('has ceilings above the re-test’s own limit and stop sequence', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    const deps = open();
    const made = await make(requestFor(head), deps);
    const { retestTimeoutMs, interruptMs, graceMs } = deps.config().limits;
    expect(made.retestTimeoutMs).toBe(retestTimeoutMs);
    expect(made.retestCeilingMs).toBeGreaterThan(retestTimeoutMs + interruptMs + graceMs);
  });
});

describe('the landing', () => {
  it('puts exactly the candidate on main, says that it was tested, and keeps the head that it replaces', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    await moveMain({ 'src/c.txt': 'c\n' });
    const request = requestFor(head);
    const made = await make(request);
    expect(await land(landing(request, made))).toEqual({ result: 'landed', base: made.base, head: made.commit });
    expect(await main()).toBe(made.commit);
    expect(await world.forge.listStatuses(made.commit)).toMatchObject([
      { context: 'stagewright/merge-gate', state: 'success' },
    ]);
    expect(await world.run(world.forge.remoteUrl, 'rev-parse', `refs/stagewright/${ITEM}/1`)).toBe(head);
  });

  it('landed twice is landed once: the lost answer is given again, main and its log stay as they are', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    await moveMain({ 'src/c.txt': 'c\n' });
    const request = requestFor(head);
    const made = await make(request);
    const first = await land(landing(request, made));
    const log = await world.run(world.forge.remoteUrl, 'log', '--format=%H', 'main');
    expect(await land(landing(request, made))).toEqual(first);
    // Also after others have landed on top of it.
    const later = await moveMain({ 'src/d.txt': 'd\n' });
    expect(await land(landing(request, made))).toEqual(first);
    expect(await main()).toBe(later);
    expect(await world.run(world.forge.remoteUrl, 'log', '--format=%H', `${later}^`)).toBe(log);
  });

  it('with the answer lost, the branch deleted and everything asked anew, it is found landed', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    const request = requestFor(head);
    const made = await make(request);
    await land(landing(request, made));
    await world.run(world.forge.remoteUrl, 'update-ref', '-d', `refs/heads/${BRANCH}`);
    expect(await prepare(request)).toMatchObject({ result: 'landed', head });
  });

  it('a squashed candidate with its answer lost is found landed, not empty', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    await moveMain({ 'src/c.txt': 'c\n' });
    const request = requestFor(head);
    const made = await make(request);
    await land(landing(request, made));
    // The queue died before it could record the answer: the very same request comes again.
    const again = await prepare(request);
    expect(again).toEqual({ result: 'landed', base: made.base, head: made.commit });
    await world.run(world.forge.remoteUrl, 'update-ref', '-d', `refs/heads/${BRANCH}`);
    expect(await prepare(request)).toEqual(again);
    expect(await main()).toBe(made.commit);
    // New work on the same branch is not taken for what has landed.
    await world.run(world.forge.remoteUrl, 'update-ref', `refs/heads/${BRANCH}`, made.commit);
    const more = await world.pushFromOutside({ 'src/more.txt': 'more\n' });
    expect(await prepare(requestFor(more))).toMatchObject({ result: 'candidate', commit: more });
  });

  it('on a base that has moved lands nothing, and the next round lands a new candidate', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    await moveMain({ 'src/c.txt': 'c\n' });
    const request = requestFor(head);
    const made = await make(request);
    const moved = await moveMain({ 'src/e.txt': 'e\n' });
    expect(await land(landing(request, made))).toEqual({ result: 'baseMoved' });
    expect(await main()).toBe(moved);
    // Our own candidate stands on the branch now: that is no push by somebody else.
    const second = await make(request);
    expect(second.base).toBe(moved);
    expect(await land(landing(request, second, 2))).toMatchObject({ result: 'landed', head: second.commit });
    const files = await world.run(world.forge.remoteUrl, 'ls-tree', '-r', '--name-only', 'main');
    expect(files.split('\n')).toEqual(expect.arrayContaining(['src/b.txt', 'src/c.txt', 'src/e.txt']));
  });

  it('of a branch that somebody pushed to since the test lands nothing', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    const request = requestFor(head);
    const made = await make(request);
    const before = await main();
    await world.pushFromOutside({ 'src/sneak.txt': 'unseen\n' });
    expect(await land(landing(request, made))).toMatchObject({ result: 'headMoved' });
    expect(await main()).toBe(before);
  });

  it('closes a pull request that is still open', async () => {
    const head = await world.pushFromOutside({ 'src/b.txt': 'b\n' });
    const pull = await world.forge.ensurePullRequest({ branch: BRANCH, base: 'main', title: 't', body: '' });
    const request = requestFor(head, { pullRequest: pull.id });
    await land(landing(request, await make(request)));
    expect((await world.forge.getPullRequest(pull.id))?.state).not.toBe('open');
  });
});
