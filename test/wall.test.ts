/**
 * The wall around deterministic code, broken on purpose: what a linter or bundler silently lets through (a wrong path in
 * its configuration, a glob that matches nothing) would only show as an item that cannot be replayed.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/paths.ts';
import { buildWorkflowBundle } from '../src/temporal/bundle.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'stagewright-wall-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
  writeFileSync(path.join(root, name), text);
}

interface Report {
  diagnostics: { code: string; filename: string; severity: string; message: string }[];
  number_of_files: number;
}

/** Lints `root`, laid out like this package, with this package's own configuration. */
function lint(...paths: string[]): Report {
  copyFileSync(path.join(packageRoot, '.oxlintrc.json'), path.join(root, '.oxlintrc.json'));
  const linter = path.join(packageRoot, 'node_modules', 'oxlint', 'bin', 'oxlint');
  try {
    return JSON.parse(
      execFileSync(process.execPath, [linter, '--format=json', ...paths], {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    ) as Report;
  } catch (error) {
    return JSON.parse((error as { stdout: string }).stdout) as Report;
  }
}

function errorsOf(report: Report, file: string): string[] {
  return report.diagnostics
    .filter((found) => found.severity === 'error' && path.normalize(found.filename) === path.normalize(file))
    .map((found) => found.code);
}

describe('the linter', () => {
  it.each([
    { what: 'git in a workflow', file: 'workflows/bad.ts', text: `import { git as bad } from '../src/git/git.ts';` },
    {
      what: 'git in a part of one',
      file: 'workflows/deep/bad.ts',
      text: `import { git as bad } from '../../src/git/git.ts';`,
    },
    {
      what: 'an activity',
      file: 'workflows/bad.ts',
      text: `import { planStage as bad } from '../activities/plan-stage.ts';`,
    },
    { what: 'a library', file: 'workflows/bad.ts', text: `import { z as bad } from 'zod';` },
    { what: 'node in the domain', file: 'src/domain/bad.ts', text: `import { readFileSync as bad } from 'node:fs';` },
    {
      what: 'configuration in the domain',
      file: 'src/domain/bad.ts',
      text: `import { loadConfig as bad } from '../config.ts';`,
    },
  ])('refuses $what', ({ file, text }) => {
    write(file, `${text}\nexport const used = bad;\n`);
    const report = lint('src', 'workflows');
    expect(report.number_of_files).toBe(1);
    expect(errorsOf(report, file)).toContainEqual(expect.stringContaining('no-restricted-imports'));
  });

  it.each(['process.env', 'new Intl.Collator()', 'Buffer.alloc(1)', 'fetch'])(
    'refuses %s in a workflow',
    (expression) => {
      write('workflows/bad.ts', `export const bad = (): unknown => ${expression};\n`);
      expect(errorsOf(lint('workflows'), 'workflows/bad.ts')).toContainEqual(
        expect.stringContaining('no-restricted-globals'),
      );
    },
  );

  it('lets through what is allowed: domain code, types alone from elsewhere, tests', () => {
    write(
      'workflows/good.ts',
      `import { now } from '../src/domain/now.ts';\nimport type { Deps } from '../activities/deps.ts';\nexport function good(deps: Deps): unknown {\n  return [deps, now];\n}\n`,
    );
    write('src/domain/now.ts', 'export const now = 1;\n');
    write('src/domain/now.test.ts', `import { readFileSync } from 'node:fs';\nexport const test = readFileSync;\n`);
    write(
      'activities/deps.ts',
      `import { readFileSync } from 'node:fs';\nexport interface Deps {\n  text: string;\n}\nexport const read = readFileSync;\n`,
    );
    const report = lint('src', 'workflows', 'activities');
    expect(report.number_of_files).toBe(4);
    expect(report.diagnostics.filter((found) => found.severity === 'error')).toEqual([]);
  });

  it('looks at every file of ours behind the wall', () => {
    const linter = path.join(packageRoot, 'node_modules', 'oxlint', 'bin', 'oxlint');
    const run = (...paths: string[]): Report =>
      JSON.parse(
        execFileSync(process.execPath, [linter, '--format=json', ...paths], { cwd: packageRoot, encoding: 'utf8' }),
      ) as Report;
    expect(run('workflows').number_of_files).toBeGreaterThanOrEqual(15);
    expect(run('src/domain').number_of_files).toBeGreaterThanOrEqual(30);
  });
});

describe('the bundler', () => {
  async function bundle(text: string): Promise<string> {
    write('workflows.js', text);
    return await buildWorkflowBundle(path.join(root, 'bundle.js'), path.join(root, 'workflows.js')).then(
      () => 'bundled',
      (error: unknown) => String(error),
    );
  }

  beforeEach(() => {
    write('package.json', '{ "type": "module" }\n');
    execFileSync('ln', ['-s', path.join(packageRoot, 'node_modules'), path.join(root, 'node_modules')]);
  });

  it.each(['node:fs', 'fs', 'child_process'])('refuses a workflow that imports %s, and names it', async (name) => {
    const said = await bundle(
      `import * as bad from '${name}';\nexport async function flow() { return Object.keys(bad); }\n`,
    );
    expect(said).toContain('cannot be bundled');
    expect(said).toContain(name.replace('node:', ''));
  });

  it('bundles one that does not', async () => {
    expect(await bundle('export async function flow() { return 1; }\n')).toBe('bundled');
  });
});
