import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../domain/budgets.ts';
import { StagewrightError } from '../errors.ts';
import { loadConfig } from './load.ts';
import type { LoadOptions } from './load.ts';
import { ConfigError } from './problems.ts';
import type { ConfigProblem } from './problems.ts';
import { makeRepository, makeTestDirectory } from './test-repository.ts';
import type { TestDirectory } from './test-repository.ts';

let directory: TestDirectory;
let options: LoadOptions;

beforeEach(() => {
  directory = makeTestDirectory();
  const env = { PATH: process.env['PATH'], HOME: directory.path, STAGEWRIGHT_HOME: path.join(directory.path, 'home') };
  options = { cwd: directory.path, env };
});
afterEach(() => directory.remove());

function write(text: string): void {
  writeFileSync(path.join(directory.path, 'stagewright.yaml'), text);
}

function repository(files: Record<string, string> = { 'package.json': '{"scripts":{"test":"node --test"}}' }): void {
  makeRepository(path.join(directory.path, 'repo'), files);
}

function problemsOf(text: string): readonly ConfigProblem[] {
  write(text);
  try {
    loadConfig(options);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

function project(lines: string[]): string {
  return ['projects:', '  ET:', '    repository: ./repo', ...lines.map((line) => `    ${line}`)].join('\n');
}

describe('without a file', () => {
  it('has the built-in defaults and the scripted agent', () => {
    const config = loadConfig(options);
    expect(config.source).toBeNull();
    expect(config.home).toBe(path.join(directory.path, 'home'));
    expect(config.defaults.agent).toBe('scripted');
    expect(config.limits).toEqual(DEFAULT_LIMITS);
    expect(config.roles.developer?.effort).toBe('xhigh');
  });

  it('refuses a named file that is not there, and says who named it', () => {
    expect(() => loadConfig({ ...options, file: 'nowhere.yaml' })).toThrow(/nowhere\.yaml \(--config\)/);
    const env = { ...options.env, STAGEWRIGHT_CONFIG: 'gone.yaml' };
    expect(() => loadConfig({ ...options, env })).toThrow(/gone\.yaml \(STAGEWRIGHT_CONFIG\)/);
  });

  it('takes the home from XDG_DATA_HOME or HOME', () => {
    const bare = { PATH: process.env['PATH'], HOME: directory.path };
    expect(loadConfig({ ...options, env: bare }).home).toBe(path.join(directory.path, '.local/share/stagewright'));
    expect(loadConfig({ ...options, env: { ...bare, XDG_DATA_HOME: '/data' } }).home).toBe('/data/stagewright');
  });
});

describe('a good file', () => {
  it('turns human units into milliseconds and fills in every default', () => {
    repository();
    write(
      [
        'limits: { concurrentRuns: 3, silence: 15m, grace: 5, outputLimit: 100MB, leaseX: 1 }'.replace(
          ', leaseX: 1',
          '',
        ),
        'roles: { developer: { budget: 60m, effort: high }, reviewer: { budget: 1h 30m } }',
        'budgetOverrides: { tester: 600 }',
        'people: [{ name: anna, approver: false }]',
        project(['commands: { test: npm test, setup: [npm, ci] }', 'boardStates: { todo: Ready }']),
      ].join('\n'),
    );
    const config = loadConfig(options);
    expect(config.warnings).toEqual([]);
    expect(config.limits).toMatchObject({
      concurrentRuns: 3,
      silenceMs: 900_000,
      graceMs: 5000,
      outputLimitBytes: 100e6,
    });
    expect(config.roles).toEqual({
      developer: { budgetMs: 3_600_000, effort: 'high' },
      reviewer: { budgetMs: 5_400_000 },
    });
    expect(config.defaults).toEqual({ agent: 'claude', model: 'claude-opus-4-8' });
    expect(config.people).toEqual([{ name: 'anna', tokenHash: null, approver: false }]);
    expect(config.projects['ET']).toMatchObject({
      key: 'ET',
      repository: path.join(directory.path, 'repo'),
      branch: 'main',
      commands: { test: ['sh', '-c', 'npm test'], setup: ['npm', 'ci'] },
      triggerStates: ['Ready'],
      developerAttempts: 3,
    });
  });

  it('lets a general effort go before the built-in one of the developer', () => {
    write('defaults: { effort: low }');
    expect(loadConfig(options).roles.developer).toBeUndefined();
  });

  it('reads the address of the HTTP server from the environment', () => {
    const env = { ...options.env, STAGEWRIGHT_HTTP_HOST: '::1', STAGEWRIGHT_HTTP_PORT: '0' };
    expect(loadConfig({ ...options, env }).http).toEqual({ host: '::1', port: 0 });
    expect(() => loadConfig({ ...options, env: { ...env, STAGEWRIGHT_HTTP_PORT: '80a' } })).toThrow(
      /STAGEWRIGHT_HTTP_PORT/,
    );
  });
});

describe('errors of structure', () => {
  const cases: { name: string; text: string; place: string; path: string; message: RegExp; mend?: RegExp }[] = [
    {
      name: 'an unknown key',
      text: 'limits:\n  concurentRuns: 2\n',
      place: 'stagewright.yaml:2:3',
      path: 'limits.concurentRuns',
      message: /unknown key; did you mean "concurrentRuns"\?/,
    },
    {
      name: 'an unknown key at the top',
      text: 'colour: red\n',
      place: 'stagewright.yaml:1:1',
      path: 'colour',
      message: /^unknown key$/,
      mend: /known keys here: language, http/,
    },
    {
      name: 'an unknown key in a role',
      text: 'roles:\n  developer:\n    modell: x\n',
      place: 'stagewright.yaml:3:5',
      path: 'roles.developer.modell',
      message: /did you mean "model"/,
    },
    {
      name: 'an unknown role',
      text: 'roles: { develper: { model: x } }\n',
      place: 'stagewright.yaml:1:10',
      path: 'roles.develper',
      message: /did you mean "developer"/,
    },
    {
      name: 'a wrong type',
      text: 'people: anna\n',
      place: 'stagewright.yaml:1:9',
      path: 'people',
      message: /expected array, got string/,
    },
    {
      name: 'a wrong number outside of the budgets',
      text: 'limits: { concurrentRuns: 0 }\n',
      place: 'stagewright.yaml:1:27',
      path: 'limits.concurrentRuns',
      message: /at least 1/,
    },
    {
      name: 'a wrong duration outside of the budgets',
      text: 'limits:\n  breakerPause: soon\n',
      place: 'stagewright.yaml:2:17',
      path: 'limits.breakerPause',
      message: /expected a duration such as 90s/,
    },
    {
      name: 'a wrong choice',
      text: 'language: eng\n',
      place: 'stagewright.yaml:1:11',
      path: 'language',
      message: /expected one of en, ru; got "eng"/,
      mend: /did you mean en\?/,
    },
    {
      name: 'a token where its hash belongs',
      text: 'people: [{ name: a, tokenHash: s3cret }]\n',
      place: 'stagewright.yaml:1:32',
      path: 'people.0.tokenHash',
      message: /the hash, never the token/,
    },
    {
      name: 'a key written twice',
      text: 'language: en\nlanguage: ru\n',
      place: 'stagewright.yaml:2:1',
      path: '',
      message: /unique/,
    },
    {
      name: 'broken YAML',
      text: 'http: { host: "x }\n',
      place: 'stagewright.yaml:',
      path: '',
      message: /not valid YAML/,
    },
    {
      name: 'a list as the file',
      text: '- a\n',
      place: 'stagewright.yaml:1:1',
      path: '',
      message: /expected a map of keys, got list/,
    },
    {
      name: 'a bad project key',
      text: 'projects:\n  my shop: { repository: . }\n',
      place: 'stagewright.yaml:2:3',
      path: 'projects.my shop',
      message: /prefix of its item ids/,
      mend: /MYSHOP/,
    },
    {
      name: 'a project without its repository',
      text: 'projects:\n  ET:\n    branch: main\n',
      place: 'stagewright.yaml:3:5',
      path: 'projects.ET.repository',
      message: /is missing/,
    },
    {
      name: 'an empty project',
      text: 'projects:\n  ET:\n',
      place: 'stagewright.yaml:2:6',
      path: 'projects.ET',
      message: /expected a map of keys, got nothing/,
    },
    {
      name: 'an unknown agent',
      text: 'defaults: { agent: clade }\n',
      place: 'stagewright.yaml:1:20',
      path: 'defaults.agent',
      message: /expected one of claude, .*; got "clade"/,
      mend: /did you mean claude/,
    },
    {
      name: 'settings of an unknown agent',
      text: 'agents:\n  claud: { binary: x }\n',
      place: 'stagewright.yaml:2:3',
      path: 'agents.claud',
      message: /unknown key; did you mean "claude"/,
    },
  ];
  it.each(cases)('$name', ({ text, place, path: where, message, mend }) => {
    const [problem, ...others] = problemsOf(text).filter((found) => found.path === where);
    expect(others).toEqual([]);
    expect(problem?.place.startsWith(place), problem?.place).toBe(true);
    expect(problem?.message).toMatch(message);
    if (mend !== undefined) expect(problem?.mend).toMatch(mend);
  });

  it('gives the place of a wrong type exactly as file:line:column', () => {
    repository();
    write(project(['commands: { test: npm test }', 'branch: 12']));
    expect(() => loadConfig(options)).toThrow(
      'stagewright.yaml:5:13 projects.ET.branch: expected string, got number\n      mend: put the value in quotes: branch: "12"',
    );
  });

  it('does not print what stands where a secret might', () => {
    const shown = JSON.stringify(problemsOf('people: [{ name: a, tokenHash: s3cret }]\n'));
    expect(shown).not.toContain('s3cret');
  });

  it('lists all problems, of the file and of every project, and has the exit code of configuration', () => {
    write(
      'language: xx\nprojects:\n  ET: { repository: ./none, commands: { test: node --test } }\n  AB: { repo: x }\nlimits: { foo: 1 }\n',
    );
    let caught: unknown;
    try {
      loadConfig(options);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(StagewrightError);
    if (!(caught instanceof ConfigError)) throw new Error('not a ConfigError');
    expect(caught.exit).toBe('config');
    expect(caught.code).toBe('config_invalid');
    expect(caught.problems.map((problem) => problem.path).toSorted()).toEqual([
      'language',
      'limits.foo',
      'projects.AB.repo',
      'projects.AB.repository',
      'projects.ET.repository',
    ]);
    for (const problem of caught.problems) expect(caught.message).toContain(problem.place);
  });
});

describe('what a schema cannot see', () => {
  it('refuses a missing repository, and one that is no repository', () => {
    expect(problemsOf(project(['commands: { test: npm test }']))[0]).toMatchObject({
      place: 'stagewright.yaml:3:17',
      path: 'projects.ET.repository',
    });
    mkdirSync(path.join(directory.path, 'repo'));
    expect(problemsOf(project(['commands: { test: npm test }']))[0]?.message).toMatch(/is not a git repository/);
  });

  it('refuses a branch that is not there, and names the nearest', () => {
    repository();
    expect(problemsOf(project(['branch: mian', 'commands: { test: npm test }']))).toMatchObject([
      {
        place: 'stagewright.yaml:4:13',
        path: 'projects.ET.branch',
        message: expect.stringContaining('did you mean "main"'),
      },
    ]);
  });

  it.each([
    ['a program that is not there', 'test: nmp test', 'there is no program "nmp" on the PATH; did you mean "npm"?'],
    ['one in a list', 'test: [no-such-program, x]', 'there is no program "no-such-program"'],
    ['a script that package.json has not', 'test: npm run tests', 'has no script "tests"; did you mean "test"?'],
    [
      'a file that is not in the repository',
      'test: ./run-tests.sh',
      'there is no run-tests.sh in the repository on main',
    ],
    ['a Makefile that is not there', 'test: "CI=1 make check | tee log"', 'there is no Makefile'],
    ['an absolute path', 'test: [/no/such/thing]', 'there is no executable /no/such/thing'],
  ])('refuses %s as test command', (_name, line, message) => {
    repository();
    const problems = problemsOf(project(['commands:', `  ${line}`]));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({
      path: 'projects.ET.commands.test',
      place: expect.stringMatching(/^stagewright\.yaml:5:/),
    });
    expect(problems[0]?.message).toContain(message);
  });

  it.each([
    'test: cd sub && npm test',
    'test: ". ./env; ./x"',
    'test: node --test',
    'test: A=1 node --test',
    'test: "$RUNNER test"',
    'test: ./tools/test.sh',
  ])('accepts %s', (line) => {
    repository({ 'tools/test.sh': '#!/bin/sh\n' });
    write(project(['commands:', `  ${line}`]));
    expect(loadConfig(options).projects['ET']?.commands.test).toBeDefined();
  });

  it('believes a set-up command that it makes what is missing', () => {
    repository();
    write(project(['commands: { setup: npm ci, test: ./node_modules/.bin/vitest }']));
    expect(loadConfig(options).projects['ET']?.commands.test).toEqual(['sh', '-c', './node_modules/.bin/vitest']);
  });

  it('refuses a project without a test command unless its gate is off, and then warns', () => {
    repository();
    expect(problemsOf(project([]))[0]).toMatchObject({
      path: 'projects.ET.commands.test',
      message: expect.stringContaining('is missing'),
    });
    write(project(['developmentGate: none']));
    expect(loadConfig(options).warnings).toEqual([expect.stringContaining('not tested')]);
  });

  it('warns of a deploy command, which would look as if it ran', () => {
    repository();
    write(project(['commands: { test: "true", deploy: "true" }']));
    expect(loadConfig(options).warnings).toEqual([
      expect.stringMatching(/commands\.deploy: is not run by this version/),
    ]);
  });

  it('refuses a trigger state that we set ourselves, also under its mapped name', () => {
    repository();
    const lines = ['commands: { test: npm test }', 'boardStates: { blocked: Stuck }', 'triggerStates: [Ready, stuck]'];
    expect(problemsOf(project(lines))).toMatchObject([
      { place: 'stagewright.yaml:6:28', path: 'projects.ET.triggerStates.1' },
    ]);
  });

  it('refuses artifact paths that leave the repository, and a credential in a URL without showing it', () => {
    repository();
    const lines = ['commands: { test: npm test }', 'artifacts: { review: ../../x.md }', 'extraPaths: [.git/hooks]'];
    expect(problemsOf(project(lines)).map((problem) => problem.path)).toEqual([
      'projects.ET.artifacts.review',
      'projects.ET.extraPaths.0',
    ]);
    const url = problemsOf(
      'projects: { ET: { repository: "https://me:t0ken@example.org/x.git", commands: { test: npm test } } }',
    );
    expect(url[0]?.message).toBe('the URL holds a credential');
    expect(JSON.stringify(url)).not.toContain('t0ken');
  });

  it('can be left out, for commands that only ask', () => {
    write(project(['commands: { test: npm test }']));
    expect(loadConfig({ ...options, check: false }).projects['ET']?.key).toBe('ET');
  });
});

describe('bad numbers of budgets and limits', () => {
  it('fall back one by one, each with a warning and its place', () => {
    repository();
    write(
      [
        'limits: { silence: never, lease: 0, relaunches: -1, retestTimeout: -5, outputLimit: big, runBudget: 99999999d, grace: 0 }',
        'roles: { developer: { budget: [1], maxBudgetUsd: free } }',
        'budgetOverrides: { reviewer: soon, nobody: 60 }',
        project(['commands: { test: npm test }', 'developerAttempts: 0']),
      ].join('\n'),
    );
    const config = loadConfig(options);
    expect(config.limits).toEqual({ ...DEFAULT_LIMITS, graceMs: 0 });
    expect(config.roles.developer).toEqual({ effort: 'xhigh' });
    expect(config.projects['ET']?.developerAttempts).toBe(3);
    expect(config.warnings).toHaveLength(11);
    expect(config.warnings).toContainEqual(
      expect.stringMatching(/^stagewright\.yaml:1:20 limits\.silence: .*default of 15m 00s is used/),
    );
    expect(config.warnings).toContainEqual(expect.stringMatching(/^stagewright\.yaml:2:31 roles\.developer\.budget/));
    expect(config.warnings).toContainEqual(expect.stringMatching(/budgetOverrides: budget override of reviewer/));
    expect(config.warnings).toContainEqual(expect.stringMatching(/budgetOverrides\.nobody: there is no such role/));
  });
});

describe('projects that a command added', () => {
  it('are merged; a bad one is a warning and passed over; the file goes first', () => {
    repository();
    const home = path.join(directory.path, 'home', 'projects');
    mkdirSync(home, { recursive: true });
    const good = `repository: ${path.join(directory.path, 'repo')}\ncommands: { test: npm test }\n`;
    writeFileSync(path.join(home, 'GOOD.yaml'), good);
    writeFileSync(path.join(home, 'ET.yaml'), good);
    writeFileSync(path.join(home, 'BAD.yaml'), 'repository: /no/such\ncommands: { tset: npm test }\n');
    writeFileSync(path.join(home, 'GONE.yaml'), 'repository: /no/such\ncommands: { test: npm test }\n');
    writeFileSync(path.join(home, 'TORN.yaml'), '{');
    write(project(['commands: { test: npm test }', 'allowSkip: true']));
    const config = loadConfig(options);
    expect(Object.keys(config.projects).toSorted()).toEqual(['ET', 'GOOD']);
    expect(config.projects['ET']?.allowSkip).toBe(true);
    const warned = config.warnings.join('\n');
    expect(warned).toMatch(
      /project BAD is passed over: .*BAD\.yaml:2:13 commands\.tset: unknown key; did you mean "test"/,
    );
    expect(warned).toMatch(/project GONE is passed over: .*there is no directory/);
    expect(warned).toMatch(/project TORN is passed over/);
    expect(warned).toMatch(/ET is also in/);
  });

  it('and people: the file goes first, a missing hash is filled in', () => {
    const home = path.join(directory.path, 'home');
    mkdirSync(home, { recursive: true });
    const tokenHash = `sha256:${'a'.repeat(64)}`;
    writeFileSync(
      path.join(home, 'people.json'),
      JSON.stringify([
        { name: 'anna', tokenHash },
        { name: 'ben', tokenHash, approver: false },
      ]),
    );
    write('people: [{ name: anna, approver: false }]');
    expect(loadConfig(options).people).toEqual([
      { name: 'anna', tokenHash, approver: false },
      { name: 'ben', tokenHash, approver: false },
    ]);
    writeFileSync(path.join(home, 'people.json'), '{');
    expect(loadConfig(options)).toMatchObject({
      people: [{ name: 'anna' }],
      warnings: [expect.stringContaining('people.json')],
    });
  });
});
