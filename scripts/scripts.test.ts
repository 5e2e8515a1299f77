import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { packageRoot } from '../src/paths.ts';
import { isBuilt } from './build.mjs';
import { checkMachine, isInstalled } from './setup.mjs';

let directory: string;
beforeEach(() => {
  mkdirSync(path.join(packageRoot, 'dist'), { recursive: true });
  directory = mkdtempSync(path.join(tmpdir(), 'scripts-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const GOOD = { platform: 'linux', node: '20.19.0', git: '2.38.0' };

test.each([
  [{ ...GOOD, node: '20.18.3' }, 'Node 20.18.3 is too old: 20.19 or later is needed'],
  [{ ...GOOD, node: '18.99.0' }, 'Node 18.99.0 is too old'],
  [{ ...GOOD, git: '2.37.9' }, 'git 2.37.9 is too old: 2.38 or later is needed'],
  [{ ...GOOD, git: null }, 'git was not found'],
  [{ ...GOOD, platform: 'win32' }, 'Use WSL'],
])('a machine that cannot run it is refused: %o', (machine, message) => {
  expect(() => checkMachine(machine)).toThrow(message);
});

test.each([[GOOD], [{ ...GOOD, node: '24.1.0', git: '3.0' }], [{ ...GOOD, node: '22.0.0', git: '2.39.5' }]])('%o will do', (machine) => {
  expect(() => checkMachine(machine)).not.toThrow();
});

function writeInstall(wanted: object, present: object | null): void {
  writeFileSync(path.join(directory, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...wanted } }));
  mkdirSync(path.join(directory, 'node_modules'), { recursive: true });
  if (present !== null) {
    writeFileSync(path.join(directory, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: present }));
  }
}

const A = { 'node_modules/a': { version: '1.0.0', integrity: 'x' } };
test.each([
  ['the same', A, A, true],
  ['an interrupted install', A, null, false],
  ['an older version', A, { 'node_modules/a': { version: '0.9.0', integrity: 'y' } }, false],
  ['a package missing', { ...A, 'node_modules/b': { version: '1.0.0' } }, A, false],
  ['a package too many', {}, A, false],
  ['another platform\'s package missing', { ...A, 'node_modules/b': { version: '1.0.0', optional: true } }, A, true],
])('dependencies are compared by content: %s', (_name, wanted, present, expected) => {
  writeInstall(wanted, present);
  expect(isInstalled(directory)).toBe(expected);
});

test('a directory without a build, or with a deleted source since, is not built', () => {
  expect(isBuilt(directory)).toBe(false);
  expect(isBuilt(path.join(directory, 'missing'))).toBe(false);
});

test('set-ups of one checkout go one after the other, past one that was killed', async () => {
  const base = path.join(directory, 'setup.lock');
  const counter = path.join(directory, 'counter');
  writeFileSync(counter, '0');
  const lock = JSON.stringify(path.join(packageRoot, 'scripts', 'lock.mjs'));
  const code = (body: string): string => `import { withLock } from ${lock}; import fs from 'node:fs';
    await withLock(${JSON.stringify(base)}, async () => { ${body} });`;
  const start = (body: string): ReturnType<typeof spawn> =>
    spawn(process.execPath, ['--input-type=module', '-e', code(body)], { stdio: ['ignore', 'pipe', 'inherit'] });

  const killed = start(`console.log('held'); await new Promise((done) => setTimeout(done, 60_000));`);
  await once(killed.stdout!, 'data');
  const count = `const seen = Number(fs.readFileSync('${counter}')); await new Promise((done) => setTimeout(done, 30)); fs.writeFileSync('${counter}', String(seen + 1));`;
  const others = Array.from({ length: 4 }, () => start(count));
  const ended = others.map((child) => once(child, 'exit'));
  killed.kill('SIGKILL');
  await Promise.all(ended);
  expect(readFileSync(counter, 'utf8')).toBe('4');
});

/** Runs vitest on these test files and returns what the reporter counted. */
function countsOf(files: Record<string, string>): Record<string, unknown> {
  // Inside the package, so that the files find vitest.
  const root = mkdtempSync(path.join(packageRoot, 'dist', 'counts-'));
  try {
    writeFileSync(path.join(root, 'vitest.config.mjs'), 'export default {};');
    for (const [name, body] of Object.entries(files)) {
      writeFileSync(path.join(root, name), `import { beforeAll, test } from 'vitest';\n${body}`);
    }
    const counts = path.join(directory, 'counts.json');
    const vitest = path.join(packageRoot, 'node_modules', 'vitest', 'vitest.mjs');
    const reporter = path.join(packageRoot, 'scripts', 'count-reporter.mjs');
    const argv = [vitest, 'run', '--root', root, `--reporter=${reporter}`];
    const env = { ...process.env, STAGEWRIGHT_TEST_COUNTS: counts };
    spawnSync(process.execPath, argv, { cwd: root, env, stdio: 'ignore' });
    return JSON.parse(readFileSync(counts, 'utf8'));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test('the counts are the true ones: a broken file, a failed hook and a dead process are not passes', () => {
  const counts = countsOf({
    'good.test.js': `test('a', () => {}); test('b', () => {}); test.skip('c', () => {}); test.todo('d');`,
    'bad.test.js': `test('a', () => { throw new Error('no'); }); test('b', () => {});`,
    'broken.test.js': `import './missing.js'; test('a', () => {});`,
    'hook.test.js': `beforeAll(() => { throw new Error('no'); }); test('a', () => {});`,
    'stray.test.js': `test('a', async () => { setTimeout(() => { throw new Error('stray'); }, 1); await new Promise((done) => setTimeout(done, 50)); });`,
  });
  expect(counts).toMatchObject({ passed: 4, unhandled: 1, reason: 'failed' });
  expect(counts['failed']).toBeGreaterThanOrEqual(3);
}, 60_000);

test('a test whose process dies counts as failed', () => {
  const counts = countsOf({ 'dies.test.js': `test('a', () => { process.kill(process.pid, 'SIGKILL'); });` });
  expect(counts).toMatchObject({ passed: 0, failed: 1 });
}, 60_000);
