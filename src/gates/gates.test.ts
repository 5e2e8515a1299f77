import { symlink } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArtifactNames } from '../config-types.ts';
import { fetchRepository } from '../git/repository.ts';
import { commitFiles, createWorld, ITEM } from '../git/testing.ts';
import type { World } from '../git/testing.ts';
import { evaluateArtifactGate } from './artifact-gate.ts';
import type { ArtifactGateRequest } from './artifact-gate.ts';
import { readArtifacts } from './artifacts.ts';
import { checkMarkersAt } from './markers-gate.ts';

const NAMES: ArtifactNames = {
  directory: 'docs/work-items/<ID>',
  analysis: ['01-brd.md', '02-spec.md', '03-acceptance-criteria.md', '04-test-plan.yaml'],
  questions: '01-questions.md',
  architecture: ['06-architecture.md', '06-adr'],
  conflict: '10-conflict.md',
  review: '12-review.md',
  testReport: '13-test-report.md',
  stagingReport: '14-staging-report.md',
  deployReport: '15-deploy-report.md',
};
const DIRECTORY = `docs/work-items/${ITEM}`;

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.remove());

/** Commits artifacts of the item on the source and brings them into the cache. */
async function commit(files: Record<string, string>): Promise<string> {
  const named: Record<string, string> = {};
  for (const [name, text] of Object.entries(files)) named[name.includes('/') ? name : `${DIRECTORY}/${name}`] = text;
  const made = await commitFiles(world.source, named, 'artifacts');
  await world.forge.syncFromSource();
  await fetchRepository(world.repo);
  return made;
}

function ask(stage: ArtifactGateRequest['stage'], at: string, changed: string[] = [], directory?: string) {
  const request = { stage, repo: world.repo, commit: at, itemId: ITEM, names: NAMES, changed };
  return evaluateArtifactGate(directory === undefined ? request : { ...request, directory });
}

function check(candidate: string, mainCommit: string, itemId = ITEM): ReturnType<typeof checkMarkersAt> {
  return checkMarkersAt({ repo: world.repo, mainCommit, candidate, itemId, markersFile: 'markers.csv' });
}

describe('analysis', () => {
  it('is complete with all four artifacts, none of them empty', async () => {
    const files = { '01-brd.md': 'b', '02-spec.md': 's', '03-acceptance-criteria.md': 'a', '04-test-plan.yaml': ' \n' };
    const half = await commit(files);
    expect(await ask('analysis', half)).toMatchObject({
      status: 'failed',
      meaning: 'missing',
      commit: half,
      reason: '04-test-plan.yaml is empty',
    });
    const whole = await commit({ '04-test-plan.yaml': 'cases: []' });
    expect(await ask('analysis', whole)).toMatchObject({ status: 'passed', meaning: 'ok' });
    expect(await ask('analysis', world.start)).toMatchObject({
      reason:
        '01-brd.md is missing; 02-spec.md is missing; 03-acceptance-criteria.md is missing; 04-test-plan.yaml is missing',
    });
  });

  it('does not take a link for an artifact', async () => {
    await execa('mkdir', ['-p', path.join(world.source, DIRECTORY)]);
    await symlink('/proc/self/environ', path.join(world.source, DIRECTORY, '01-brd.md'));
    const at = await commit({ '02-spec.md': 's' });
    const [brd, spec] = await readArtifacts(world.repo, at, {
      names: NAMES,
      itemId: ITEM,
      expected: ['01-brd.md', '02-spec.md'],
    });
    expect(brd).toMatchObject({ isPresent: false, reason: `${DIRECTORY}/01-brd.md is a link, not a regular file` });
    expect(spec).toMatchObject({ isPresent: true, path: `${DIRECTORY}/02-spec.md` });
  });
});

describe('architecture', () => {
  it('is one file or a directory of decisions', async () => {
    expect(await ask('architecture', world.start)).toMatchObject({ meaning: 'missing' });
    const empty = await commit({ [`${DIRECTORY}/06-adr/0001.md`]: '\n' });
    expect((await ask('architecture', empty)).meaning).toBe('missing');
    const records = await commit({ [`${DIRECTORY}/06-adr/0002.md`]: '# Decision' });
    expect(await ask('architecture', records)).toMatchObject({ meaning: 'ok', reason: 'complete: 06-adr' });
  });
});

describe('a verdict', () => {
  const cases = [
    ['review', '12-review.md', 'verdict: APPROVED', 'ok'],
    ['review', '12-review.md', 'verdict: REQUEST_CHANGES', 'refused'],
    ['testing', '13-test-report.md', 'result: PASS', 'ok'],
    ['testing', '13-test-report.md', 'result: FAIL', 'refused'],
    ['deploy-staging', '14-staging-report.md', 'status: SUCCESS', 'ok'],
    ['deploy', '15-deploy-report.md', 'status: FAILED', 'refused'],
    ['review', '12-review.md', 'verdict: LGTM', 'missing'],
    ['testing', '13-test-report.md', 'verdict: APPROVED', 'missing'],
  ] as const;

  it.each(cases)('of %s in %s with "%s" is %s', async (stage, name, line, meaning) => {
    const at = await commit({ [name]: `---\n${line}\n---\nverdict: APPROVED\n` });
    const gate = await ask(stage, at, [`${DIRECTORY}/${name}`]);
    expect(gate).toMatchObject({ meaning, status: meaning === 'ok' ? 'passed' : 'failed', commit: at });
    expect(gate.reason).toContain(name);
  });

  it('does not count unless this stage’s own run wrote it', async () => {
    const at = await commit({ '12-review.md': '---\nverdict: APPROVED\n---\n' });
    const gate = await ask('review', at, [`${DIRECTORY}/01-brd.md`]);
    expect(gate).toMatchObject({ meaning: 'missing', status: 'failed' });
    expect(gate.reason).toContain('older verdict does not count');
  });

  it('of a detached run is read from a directory of ours, through no link', async () => {
    const directory = path.join(world.root, 'artifacts');
    const changed = [`${DIRECTORY}/15-deploy-report.md`];
    expect(await ask('deploy', world.start, changed, directory)).toMatchObject({ meaning: 'missing' });
    await world.write(directory, '15-deploy-report.md', '---\nstatus: SUCCESS\n---\n');
    expect(await ask('deploy', world.start, changed, directory)).toMatchObject({ meaning: 'ok' });
    const linked = path.join(world.root, 'linked');
    await symlink(directory, linked);
    expect(await ask('deploy', world.start, changed, linked)).toMatchObject({ meaning: 'missing' });
    await execa('rm', [path.join(directory, '15-deploy-report.md')]);
    await execa('mkfifo', [path.join(directory, '15-deploy-report.md')]);
    expect(await ask('deploy', world.start, changed, directory)).toMatchObject({ meaning: 'missing' });
  });
});

describe('checkMarkersAt', () => {
  it('finds a lost string, a removed line, and a line of the candidate that does not hold', async () => {
    const main = await commit({ 'markers.csv': 'x', 'src/x.txt': 'x' }).then(() =>
      commitRoot({ 'markers.csv': 'ET-7, retry limit, src/a.txt\n', 'src/a.txt': 'the retry limit is 5\n' }),
    );
    expect(await check(main, main)).toEqual([]);
    const lost = await commitRoot({ 'src/a.txt': 'no limit\n' });
    expect((await check(lost, main)).map(({ kind, marker }) => [kind, marker.itemId])).toEqual([['missing', 'ET-7']]);
    const removed = await commitRoot({ 'markers.csv': '', 'src/a.txt': 'no limit\n' });
    expect((await check(removed, main)).map(({ kind }) => kind)).toEqual(['removed']);
    expect(await check(removed, main, 'ET-7')).toEqual([]);
    const added = await commitRoot({ 'markers.csv': 'ET-7, limit, src/a.txt\nET-1, nowhere, src/none.txt\n' });
    expect((await check(added, removed)).map(({ marker }) => marker.file)).toEqual(['src/none.txt']);
  });

  it('is nothing without a marker file', async () => {
    expect(await check(world.start, world.start)).toEqual([]);
  });
});

async function commitRoot(files: Record<string, string>): Promise<string> {
  const made = await commitFiles(world.source, files, 'root');
  await world.forge.syncFromSource();
  await fetchRepository(world.repo);
  return made;
}
