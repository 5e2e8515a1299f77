import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hostId } from './host.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'stagewright-host-'));
});
afterEach(() => rmSync(home, { recursive: true }));

it('draws an id once and keeps it', () => {
  const id = hostId(home);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(hostId(home)).toBe(id);
  expect(hostId(path.join(home, 'other'))).not.toBe(id);
});

it('says how to mend a damaged id instead of naming a queue after it', () => {
  mkdirSync(path.join(home, 'host'));
  writeFileSync(path.join(home, 'host', 'id'), 'two words\n');
  expect(() => hostId(home)).toThrow(/does not hold a host id/);
});
