/** Who may decide what, and on what: against a real repository, with real signatures. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Config } from '../src/config-types.ts';
import type { SignedCommand } from '../src/people/evidence.ts';
import { signEvidence } from '../src/people/evidence.ts';
import { blobsAt } from '../src/git/read.ts';
import { BRANCH, ITEM, createWorld } from '../src/git/testing.ts';
import type { World } from '../src/git/testing.ts';
import { checkDecision } from './decisions.ts';
import { PROJECT, testConfig, testDeps } from './testing.ts';
import type { DecisionCheck, DecisionVerdict } from './types.ts';

const hash = (token: string): string => `sha256:${createHash('sha256').update(token).digest('hex')}`;
const PEOPLE: Config['people'] = [
  { name: 'ann', tokenHash: hash('ann-token'), approver: true },
  { name: 'bob', tokenHash: hash('bob-token'), approver: false },
];
const DAY_MS = 86_400_000;

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.remove());

async function check(changes: Partial<DecisionCheck> = {}, config: Partial<Config> = {}): Promise<DecisionVerdict> {
  const deps = testDeps(testConfig(world.home, { people: PEOPLE, ...config }), {
    openProject: () => Promise.resolve({ forge: world.forge, repo: world.repo }),
  });
  return await checkDecision(deps, {
    itemId: ITEM,
    project: PROJECT,
    command: 'approve',
    stage: 'analysis',
    commit: 'abc',
    shownCommit: 'abc',
    text: null,
    evidence: null,
    branch: null,
    blobs: null,
    ...changes,
  });
}

function signed(by: string, changes: Partial<SignedCommand & { nowMs: number }> = {}): DecisionCheck['evidence'] {
  const command = { itemId: ITEM, command: 'approve', stage: 'analysis', commit: 'abc', text: null };
  return signEvidence({ ...command, person: by, token: `${by}-token`, nowMs: Date.now(), ...changes });
}

describe('who decides', () => {
  it('an approver with a signature over this very command', async () => {
    expect(await check({ evidence: signed('ann') })).toEqual({ result: 'allowed', by: 'ann', head: null });
  });

  it.each([
    ['another item', { itemId: 'ET-2' }],
    ['another command', { command: 'reject' }],
    ['another stage', { stage: 'review' }],
    ['another commit', { commit: 'def' }],
    ['another text', { text: 'yes' }],
  ])('a signature over %s is refused', async (_name, changes) => {
    expect(await check({ evidence: signed('ann', changes) })).toMatchObject({
      result: 'refused',
      by: 'ann',
      reason: expect.stringContaining('does not fit') as string,
    });
  });

  it('a signature from yesterday, a stranger’s, and one with a stolen name are refused', async () => {
    const old = signed('ann', { nowMs: Date.now() - DAY_MS - 1_000 });
    expect(await check({ evidence: old })).toMatchObject({ reason: expect.stringContaining('too long ago') as string });
    expect(await check({ evidence: signed('eve') })).toMatchObject({
      result: 'refused',
      reason: expect.stringContaining('not a person') as string,
    });
    const stolen = { ...signed('bob'), person: 'ann' } as DecisionCheck['evidence'];
    expect(await check({ evidence: stolen })).toMatchObject({ result: 'refused' });
  });

  it('who is no approver may answer questions and nothing else', async () => {
    expect(await check({ evidence: signed('bob') })).toMatchObject({
      result: 'refused',
      reason: 'bob is not a configured approver',
    });
    const answer = { command: 'answer', text: 'blue' } as const;
    expect(await check({ ...answer, evidence: signed('bob', answer) })).toMatchObject({ result: 'allowed', by: 'bob' });
  });

  it('a bare command is recorded as unverified, and can be switched off', async () => {
    expect(await check()).toMatchObject({ result: 'allowed', by: 'operator (unverified)' });
    expect(await check({}, { allowUnverifiedOperator: false })).toMatchObject({
      result: 'refused',
      by: 'operator (unverified)',
    });
  });

  it('a comment is no evidence on a board that proves no author', async () => {
    const evidence = { kind: 'comment', commentId: 'c', person: 'ann' } as const;
    expect(await check({ evidence })).toMatchObject({ result: 'refused', by: 'ann' });
  });
});

describe('on what', () => {
  it('the files as they were shown: a change to one of them refuses, one elsewhere does not', async () => {
    const shown = `docs/work-items/${ITEM}/02-spec.md`;
    const first = await world.pushFromOutside({ [shown]: 'what\n' });
    const second = await world.pushFromOutside({ 'elsewhere.txt': 'x\n' });
    // Our cache does not know the pushes yet: the check fetches.
    expect(await check({ branch: BRANCH })).toEqual({ result: 'allowed', by: 'operator (unverified)', head: second });
    const found = await blobsAt(world.repo, first, [shown]);
    const blobs = { [shown]: found[shown] ?? 'absent' };
    expect(await check({ branch: BRANCH, blobs })).toMatchObject({ result: 'allowed', head: second });
    await world.pushFromOutside({ [shown]: 'what else\n' });
    expect(await check({ branch: BRANCH, blobs })).toMatchObject({
      result: 'refused',
      reason: `changed since it was shown: ${shown}`,
    });
  });

  it('a branch that is gone decides nothing', async () => {
    expect(await check({ branch: 'feature/gone' })).toMatchObject({
      result: 'refused',
      reason: expect.stringContaining('not on the forge') as string,
    });
  });
});
