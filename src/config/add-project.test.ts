import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addProject, deriveKey } from './add-project.ts';
import { loadConfig } from './load.ts';
import { makeRepository, makeTestDirectory } from './test-repository.ts';
import type { TestDirectory } from './test-repository.ts';

const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
let directory: TestDirectory;
let home: string;

beforeEach(() => {
  directory = makeTestDirectory();
  home = path.join(directory.path, 'home');
});
afterEach(() => directory.remove());

function repository(name: string, files: Record<string, string>): string {
  return makeRepository(path.join(directory.path, name), files);
}

describe('addProject', () => {
  it('chooses key, branch and commands, says so, and the result is read back', () => {
    const repo = repository('enduro-trails', {
      'package.json': '{"scripts":{"test":"x"}}',
      'package-lock.json': '{}',
      'sub/a': '',
    });
    const added = addProject(home, { repository: path.join(repo, 'sub') }, {}, env);
    expect(added).toMatchObject({ key: 'ET', added: true });
    expect(added.chosen.join('\n')).toMatch(
      /branch main.*\n.*npm ci \(package-lock\.json\)\n.*npm test \(scripts\.test of package\.json\)/,
    );
    const config = loadConfig({ cwd: directory.path, env, home });
    expect(config.warnings).toEqual([]);
    expect(config.projects['ET']).toEqual(added.project);
    expect(config.projects['ET']?.commands).toEqual({ setup: ['npm', 'ci'], test: ['npm', 'test'] });
  });

  it('finds a repository that has its project, and makes another key for another repository', () => {
    const shop = repository('shop', { 'a.test.mjs': '' });
    const first = addProject(home, { repository: shop }, {}, env);
    const known = { [first.key]: first.project };
    expect(addProject(home, { repository: shop }, known, env)).toMatchObject({ key: 'SHOP', added: false });
    const other = addProject(home, { repository: repository('x/shop', { 'a.test.mjs': '' }) }, known, env);
    expect(other).toMatchObject({ key: 'SHOPA', added: true });
  });

  it('refuses what is no repository, has no commit, or does not say how it is tested', () => {
    const plain = path.join(directory.path, 'plain');
    mkdirSync(plain);
    expect(() => addProject(home, { repository: plain }, {}, env)).toThrow(/is not in a git repository/);
    execFileSync('git', ['init', '-q', plain]);
    expect(() => addProject(home, { repository: plain }, {}, env)).toThrow(/no branch with a commit/);
    const silent = repository('silent', {
      'package.json': '{"scripts":{"test":"echo \\"Error: no test specified\\" && exit 1"}}',
    });
    expect(() => addProject(home, { repository: silent }, {}, env)).toThrow(/does not say how its tests are run/);
    expect(addProject(home, { repository: silent, test: 'true' }, {}, env).project.commands.test).toEqual([
      'sh',
      '-c',
      'true',
    ]);
  });

  it('says that uncommitted changes are not seen', () => {
    const repo = repository('dirty', { 'a.test.mjs': '' });
    writeFileSync(path.join(repo, 'a.test.mjs'), 'changed');
    expect(addProject(home, { repository: repo }, {}, env).chosen.join('\n')).toMatch(/uncommitted changes/);
  });

  it.each([
    [{ Makefile: 'all:\n\ntest: all\n\ttrue\n' }, ['make', 'test']],
    [{ 'test/x.test.js': '' }, ['node', '--test']],
  ])('detects the tests of %j', (files, argv) => {
    if (argv[0] === 'make') return expect(addProjectCommand(files, 'made')).toMatch(/make|PATH/);
    return expect(addProject(home, { repository: repository('r', files) }, {}, env).project.commands.test).toEqual(
      argv,
    );
  });
});

/** The detected command, or the refusal on a machine that lacks the program. */
function addProjectCommand(files: Record<string, string>, name: string): string {
  try {
    return addProject(home, { repository: repository(name, files) }, {}, env).project.commands.test?.join(' ') ?? '';
  } catch (error) {
    return String(error);
  }
}

describe('deriveKey', () => {
  it.each([
    ['enduro-trails', 'ET'],
    ['shop', 'SHOP'],
    ['stagewright', 'STAGEW'],
    ['myShopApp', 'MSA'],
    ['x', 'PROJ'],
    ['корзина', 'PROJ'],
    ['a-b-c-d-e-f-g-h', 'ABCDEF'],
  ])('%s → %s', (name, key) => expect(deriveKey(name)).toBe(key));
});
