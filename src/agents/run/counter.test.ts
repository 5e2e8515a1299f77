import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bumpCounter } from './counter.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'stagewright-counter-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('changes with every call, also where two hold it, and never in length', () => {
  const file = path.join(directory, 'lease');
  const seen = [1, 2, 3, 4].map(() => (bumpCounter(file), readFileSync(file, 'latin1')));
  expect(new Set(seen).size).toBe(4);
  expect(new Set(seen.map((content) => content.length))).toEqual(new Set([16]));
});

it('goes on from damaged content', () => {
  const file = path.join(directory, 'lease');
  writeFileSync(file, 'what is this');
  expect(bumpCounter(file)).toBe(true);
  expect(readFileSync(file, 'latin1')).toBe('000000000000001\n');
});

it('does not bring a directory back that is gone', () => {
  const gone = path.join(directory, 'run');
  mkdirSync(gone);
  rmSync(gone, { recursive: true });
  expect(bumpCounter(path.join(gone, 'lease'))).toBe(false);
  expect(() => readFileSync(path.join(gone, 'lease'))).toThrow(/ENOENT/);
});
