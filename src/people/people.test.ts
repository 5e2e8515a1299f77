import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeTestDirectory } from '../config/test-repository.ts';
import type { TestDirectory } from '../config/test-repository.ts';
import type { TokenEvidence } from '../domain/protocol.ts';
import { signEvidence, verifyEvidence } from './evidence.ts';
import { ensureLocalPerson, hashToken, localPersonName } from './local-person.ts';
import { readPeople } from './store.ts';

const NOW_MS = 1_800_000_000_000;
const TOKEN = 'a'.repeat(64);
const PEOPLE = [
  { name: 'anna', tokenHash: hashToken(TOKEN), approver: true },
  { name: 'ben', tokenHash: hashToken('b'), approver: false },
  { name: 'chris', tokenHash: null, approver: true },
];
const COMMAND = { itemId: 'ET-1', command: 'approve', stage: 'analysis', commit: 'c'.repeat(40), text: null };

function sign(changes: Partial<Parameters<typeof signEvidence>[0]> = {}): TokenEvidence {
  return signEvidence({ ...COMMAND, token: TOKEN, person: 'anna', nowMs: NOW_MS, ...changes });
}

function verify(changes: Partial<Parameters<typeof verifyEvidence>[0]> = {}): ReturnType<typeof verifyEvidence> {
  return verifyEvidence({
    ...COMMAND,
    evidence: sign(),
    people: PEOPLE,
    nowMs: NOW_MS + 1000,
    maxAgeMs: 60_000,
    ...changes,
  });
}

describe('evidence', () => {
  it('is accepted as it was signed, says who it was, and holds no token', () => {
    expect(verify()).toEqual({ ok: true, person: 'anna', approver: true });
    expect(JSON.stringify(sign())).not.toContain(TOKEN);
    const byBen = sign({ person: 'ben', token: 'b' });
    expect(verify({ evidence: byBen })).toEqual({ ok: true, person: 'ben', approver: false });
  });

  it.each([
    ['itemId', { itemId: 'ET-2' }],
    ['command', { command: 'reject' }],
    ['stage', { stage: 'review' }],
    ['no stage', { stage: null }],
    ['commit', { commit: 'd'.repeat(40) }],
    ['no commit', { commit: null }],
    ['text', { text: 'no' }],
    ['an empty text instead of none', { text: '' }],
  ])('is refused for another command: %s', (_name, changes) => {
    expect(verify(changes)).toEqual({ ok: false, reason: expect.stringContaining('does not fit this command') });
  });

  it.each([
    ['nonce', { nonce: 'other' }],
    ['time', { at: NOW_MS + 1 }],
    ['mac', { mac: 'f'.repeat(64) }],
    ['shorter mac', { mac: sign().mac.slice(0, 62) }],
    ['empty mac', { mac: '' }],
    ['mac that is no hex', { mac: 'z'.repeat(64) }],
    ['another person', { person: 'ben' }],
  ])('is refused with a changed proof: %s', (_name, changes) => {
    expect(verify({ evidence: { ...sign(), ...changes } })).toEqual({
      ok: false,
      reason: expect.stringContaining('does not fit'),
    });
  });

  it('is refused for people who are unknown or have no token, even when signed with an empty key', () => {
    expect(verify({ evidence: { ...sign(), person: 'eve' } })).toEqual({
      ok: false,
      reason: 'eve is not a person of this instance',
    });
    expect(verify({ evidence: sign({ person: 'chris', token: '' }) })).toEqual({
      ok: false,
      reason: 'chris has no token here',
    });
  });

  it('is refused when it is too old or from the future', () => {
    expect(verify({ nowMs: NOW_MS + 60_001 })).toEqual({ ok: false, reason: expect.stringContaining('too long ago') });
    expect(verify({ nowMs: NOW_MS - 61_000 })).toEqual({ ok: false, reason: expect.stringContaining('future') });
    expect(verify({ evidence: sign({ nowMs: Number.NaN }) })).toEqual({
      ok: false,
      reason: expect.stringContaining('future'),
    });
  });

  it('of another kind is not taken for a token', () => {
    expect(verify({ evidence: { kind: 'operator' } })).toMatchObject({ ok: false });
  });
});

describe('the local person', () => {
  let directory: TestDirectory;
  beforeEach(() => {
    directory = makeTestDirectory();
  });
  afterEach(() => directory.remove());

  it('is made once, for its user alone, with only the hash in people.json', () => {
    const home = path.join(directory.path, 'home');
    const person = ensureLocalPerson(home, { STAGEWRIGHT_PERSON: 'anna' });
    expect(person.token).toMatch(/^[0-9a-f]{64}$/);
    expect(ensureLocalPerson(home, { STAGEWRIGHT_PERSON: 'anna' })).toEqual(person);
    const file = path.join(home, 'people', 'anna.token');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(path.join(home, 'people.json')).mode & 0o777).toBe(0o600);
    expect(readFileSync(path.join(home, 'people.json'), 'utf8')).not.toContain(person.token);
    expect(readPeople(home).people).toEqual([{ name: 'anna', tokenHash: hashToken(person.token), approver: true }]);
    const evidence = signEvidence({ ...COMMAND, token: person.token, person: person.name, nowMs: NOW_MS });
    expect(verify({ evidence, people: readPeople(home).people })).toMatchObject({ ok: true });
  });

  it('stands beside others, and does not become an approver again by itself', () => {
    ensureLocalPerson(directory.path, { STAGEWRIGHT_PERSON: 'anna' });
    ensureLocalPerson(directory.path, { STAGEWRIGHT_PERSON: 'ben' });
    const people = readPeople(directory.path).people.map((person) => ({ ...person, approver: person.name !== 'ben' }));
    writeFileSync(path.join(directory.path, 'people.json'), JSON.stringify(people));
    writeFileSync(path.join(directory.path, 'people', 'ben.token'), 'another token\n');
    ensureLocalPerson(directory.path, { STAGEWRIGHT_PERSON: 'ben' });
    expect(readPeople(directory.path).people.map(({ name, approver }) => [name, approver])).toEqual([
      ['anna', true],
      ['ben', false],
    ]);
  });

  it('does not overwrite a file of people that it cannot read', () => {
    const file = path.join(directory.path, 'people.json');
    writeFileSync(file, '{ "broken');
    chmodSync(file, 0o600);
    expect(() => ensureLocalPerson(directory.path, { STAGEWRIGHT_PERSON: 'anna' })).toThrow(/not a list of people/);
    expect(readFileSync(file, 'utf8')).toBe('{ "broken');
  });

  it('has a name that stays inside the directory', () => {
    expect(localPersonName({ STAGEWRIGHT_PERSON: '../../etc/passwd' })).toBe('__.._etc_passwd');
    expect(localPersonName({ STAGEWRIGHT_PERSON: '..' })).toBe('_');
  });
});
