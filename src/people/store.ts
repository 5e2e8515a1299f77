/**
 * The people this instance knows: `<home>/people.json` (names and token hashes) beside the people of stagewright.yaml.
 * The hash is what evidence is checked with, so whoever can read this file can sign: it is the owner's alone (0600).
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { Person } from '../config-types.ts';
import { errnoOf } from '../errors.ts';

const peopleSchema = z.array(
  z.looseObject({
    name: z.string().min(1),
    tokenHash: z.string().regex(/^sha256:[0-9a-f]{64}$/),
    approver: z.boolean().default(true),
  }),
);

export function peopleFile(home: string): string {
  return path.join(home, 'people.json');
}

/** Never throws: an unreadable file is a warning, and then nobody of it is known. */
export function readPeople(home: string): { people: Person[]; warnings: string[] } {
  const file = peopleFile(home);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return errnoOf(error) === 'ENOENT'
      ? { people: [], warnings: [] }
      : { people: [], warnings: [`${file} cannot be read: ${errnoOf(error) ?? 'unknown'}; nobody of it may approve`] };
  }
  const parsed = peopleSchema.safeParse(parseJson(text));
  if (!parsed.success) return { people: [], warnings: [`${file} is not a list of people; nobody of it may approve`] };
  return { people: parsed.data.map(({ name, tokenHash, approver }) => ({ name, tokenHash, approver })), warnings: [] };
}

/** The file of configuration goes first; a person named there without a hash gets the hash that is kept here. */
export function mergePeople(configured: readonly Person[], kept: readonly Person[]): Person[] {
  const byName = new Map(kept.map((person) => [person.name, person]));
  const merged = configured.map((person) => ({
    ...person,
    tokenHash: person.tokenHash ?? byName.get(person.name)?.tokenHash ?? null,
  }));
  const named = new Set(configured.map((person) => person.name));
  return [...merged, ...kept.filter((person) => !named.has(person.name))];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
