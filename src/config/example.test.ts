/** The example file is documentation that can go stale: every key it shows must be one that is read. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packageRoot } from '../paths.ts';
import { builtInConfig } from './defaults.ts';
import { loadConfig } from './load.ts';
import { makeTestDirectory } from './test-repository.ts';
import type { TestDirectory } from './test-repository.ts';

let directory: TestDirectory;
beforeEach(() => {
  directory = makeTestDirectory();
});
afterEach(() => directory.remove());

function load(text: string): ReturnType<typeof loadConfig> {
  const cwd = path.join(directory.path, 'instance');
  mkdirSync(cwd, { recursive: true });
  writeFileSync(path.join(cwd, 'stagewright.yaml'), text);
  return loadConfig({ cwd, home: path.join(directory.path, 'home'), env: { PATH: process.env['PATH'] }, check: false });
}

const example = readFileSync(path.join(packageRoot, 'stagewright.example.yaml'), 'utf8');

it('is read as it stands', () => {
  const config = load(example);
  expect(config.warnings).toEqual([]);
  expect(config.projects['ET']?.commands.test).toEqual(['sh', '-c', 'npm test']);
});

it('knows every key that it shows behind a #, and calls the true defaults so', () => {
  const [settings = '', projects = ''] = example.split(/^(?=projects:)/m);
  const shown = [
    settings.replaceAll(/^# (?=\s*(?:- |[a-zA-Z]+:(?: |$)))/gm, '').replaceAll(/^#.*$/gm, ''),
    // Here a # stands where the first space of the indent would be.
    projects.replaceAll(/^#/gm, ' '),
  ];
  const whole = shown.join('').replace('sha256:…', `sha256:${'0'.repeat(64)}`);
  const config = load(whole);
  expect(config.warnings).toEqual([]);
  expect(config.limits).toEqual(builtInConfig('/').limits);
  expect(config.agents['claude']?.expirySkewMs).toBe(60_000);
  expect(config.projects['ET']).toMatchObject({
    landing: 'squash',
    markersFile: 'regression-markers.txt',
    developerAttempts: 3,
  });
});
