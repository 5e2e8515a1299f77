/**
 * The demo's story, step by step in a real clone: red after the developer's first session, green after the others, and
 * every role writes what its stage looks for.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkMarkers, parseMarkers } from '../../domain/markers.ts';
import { type AgentStage, ROLE_OF } from '../../domain/types.ts';
import { parseVerdict, VERDICT_RULES } from '../../domain/verdicts.ts';
import { packageRoot } from '../../paths.ts';
import type { AgentFinalResult } from '../contract.ts';
import { scripted } from './index.ts';
import { actionsOf, readScenario } from './scenario.ts';

const run = promisify(execFile);
const demo = path.join(packageRoot, 'examples/demo');
const scenario = path.join(demo, 'scenario.json');
const ITEM = 'CR-12';

let root: string;
let tree: string;
let sessions = 0;
let costUsd = 0;

beforeAll(async () => {
  root = mkdtempSync(path.join(tmpdir(), 'stagewright-demo-'));
  tree = path.join(root, 'tree');
  cpSync(path.join(demo, 'repo'), tree, { recursive: true });
  await git('init', '-q', '-b', 'main');
  await save('the sample as it is shipped');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function git(...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.invalid', '-c', 'commit.gpgsign=false'];
  return (await run('git', [...identity, ...args], { cwd: tree })).stdout;
}

async function save(message: string): Promise<void> {
  await git('add', '-A');
  await git('commit', '-q', '--allow-empty', '-m', message);
}

/** Plays the next session of a stage; returns what it changed, and commits it. */
async function play(stage: AgentStage): Promise<{ changed: string[]; result: AgentFinalResult }> {
  sessions += 1;
  const role = ROLE_OF[stage];
  const { argv, env } = scripted.plan({
    itemId: ITEM,
    stage,
    role,
    cwd: tree,
    runDir: root,
    promptPath: '/dev/null',
    model: 'claude-opus-4-8',
    effort: null,
    sessionId: `session-${sessions}`,
    settings: { scenario, configDir: path.join(root, 'config') },
  });
  const fast = { PATH: process.env['PATH'] ?? '', ...env, STAGEWRIGHT_SCRIPTED_SPEED: '0' };
  const { stdout } = await run(argv[0] ?? '', argv.slice(1), { cwd: tree, env: fast });
  const reader = scripted.createReader();
  const results = stdout
    .split('\n')
    .flatMap((line) => reader.read(line))
    .flatMap((event) => (event.type === 'result' ? [event.result] : []));
  const result = results[0];
  if (result === undefined || results.length !== 1) throw new Error(`${results.length} results from ${role}`);
  expect(result.ok).toBe(true);
  costUsd += result.usage?.costUsd ?? 0;
  await git('add', '-A');
  const changed = (await git('diff', '--cached', '--name-only')).trim().split('\n').filter(Boolean);
  await save(`${role}, session ${sessions}`);
  return { changed, result };
}

async function isGreen(): Promise<boolean> {
  const env = { ...process.env };
  delete env['NODE_TEST_CONTEXT'];
  return await run(process.execPath, ['--test'], { cwd: tree, env }).then(
    () => true,
    () => false,
  );
}

const artifact = (name: string): string => `docs/work-items/${ITEM}/${name}`;
const readTree = (file: string): string => readFileSync(path.join(tree, file), 'utf8');

test('the story, from the question to the deployment', async () => {
  expect(existsSync(path.join(tree, 'docs'))).toBe(false);
  expect(await isGreen()).toBe(true);

  expect((await play('analysis')).changed).toEqual([artifact('01-questions.md')]);
  const analysis = ['01-brd.md', '02-spec.md', '03-acceptance-criteria.md', '04-test-plan.yaml'].map(artifact);
  expect((await play('analysis')).changed).toEqual(analysis);
  expect((await play('architecture')).changed).toEqual([artifact('06-architecture.md')]);

  expect((await play('development')).changed).toEqual(['src/index.js', 'src/retry.js', 'test/retry.test.js']);
  expect(await isGreen()).toBe(false);
  expect((await play('development')).changed).toEqual(['src/retry.js']);
  expect(await isGreen()).toBe(true);

  expect((await play('review')).changed).toEqual([artifact('12-review.md')]);
  expect(parseVerdict(readTree(artifact('12-review.md')), VERDICT_RULES.review).kind).toBe('fail');
  const third = await play('development');
  expect(third.changed).toEqual(['README.md', 'regression-markers.txt', 'src/retry.js', 'test/retry.test.js']);
  expect(await isGreen()).toBe(true);
  expect((await play('review')).changed).toEqual([artifact('12-review.md')]);
  expect(parseVerdict(readTree(artifact('12-review.md')), VERDICT_RULES.review).kind).toBe('pass');

  expect((await play('testing')).changed).toEqual([artifact('13-test-report.md')]);
  expect(parseVerdict(readTree(artifact('13-test-report.md')), VERDICT_RULES.testing).kind).toBe('pass');
  expect((await play('deploy-staging')).changed).toEqual([artifact('14-staging-report.md')]);
  expect(parseVerdict(readTree(artifact('14-staging-report.md')), VERDICT_RULES['deploy-staging']).kind).toBe('pass');
  expect((await play('deploy')).changed).toEqual([artifact('15-deploy-report.md')]);
  expect(parseVerdict(readTree(artifact('15-deploy-report.md')), VERDICT_RULES.deploy).kind).toBe('pass');

  // No placeholder is left, and the code's own template literals were left alone.
  for (const name of readdirSync(path.join(tree, 'docs/work-items', ITEM)))
    expect(readTree(artifact(name))).not.toMatch(/\{\w+\}/u);
  expect(costUsd).toBeGreaterThan(1);
}, 60_000);

test('the markers hold, and the new one guards what the review asked for', () => {
  const { markers, errors } = parseMarkers(readTree('regression-markers.txt'));
  expect(errors).toEqual([]);
  expect(markers.map((marker) => marker.itemId)).toEqual(['CR-3', ITEM]);
  const contains = (file: string, text: string): boolean => readTree(file).includes(text);
  const request = { mainMarkers: markers, candidateMarkers: markers, itemId: ITEM };
  expect(checkMarkers({ ...request, contains })).toEqual([]);
  // The developer's second version is what the marker is there to keep out.
  const older = readFileSync(path.join(demo, 'files/developer-2/retry.js'), 'utf8');
  const problems = checkMarkers({
    ...request,
    contains: (file, text) => (file === 'src/retry.js' ? older.includes(text) : contains(file, text)),
  });
  expect(problems).toMatchObject([{ kind: 'missing', marker: { itemId: ITEM } }]);
});

test('the ticket is complete, and one run through is watchable', () => {
  const ticket: Record<string, string> = JSON.parse(readFileSync(path.join(demo, 'ticket.json'), 'utf8'));
  expect(Object.keys(ticket)).toEqual(['title', 'description', 'answer']);
  const steps = Object.values(readScenario(scenario).default ?? {}).flat();
  const sleepMs = steps.flatMap(actionsOf).reduce((sum, action) => sum + (action.sleepMs ?? 0), 0);
  expect(sleepMs).toBeGreaterThan(4_000);
  expect(sleepMs).toBeLessThan(10_000);
});
