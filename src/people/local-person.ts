/**
 * The person at this terminal. On first use a token is made for the OS user, kept for that user alone, and its hash
 * written down; so that the local `approve` goes through the same check as everybody else's, without a sign-up.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { errnoOf, StagewrightError } from '../errors.ts';
import { peopleFile, readPeople } from './store.ts';

export interface LocalPerson {
  name: string;
  /** A secret: never printed, never logged. */
  token: string;
}

/** STAGEWRIGHT_PERSON, else the OS user; letters, digits, `.`, `_`, `-` (it names a file). */
export function localPersonName(env: NodeJS.ProcessEnv): string {
  const name = env['STAGEWRIGHT_PERSON'] || readOsUser(env);
  return name.replace(/[^\w.-]/g, '_').replace(/^\.+/, '_') || 'operator';
}

function readOsUser(env: NodeJS.ProcessEnv): string {
  try {
    return os.userInfo().username;
  } catch {
    return env['USER'] ?? env['LOGNAME'] ?? 'operator';
  }
}

/** The person and token of this terminal; made on first use. Throws StagewrightError where the home cannot be written. */
export function ensureLocalPerson(home: string, env: NodeJS.ProcessEnv): LocalPerson {
  const name = localPersonName(env);
  try {
    const token = readOrMakeToken(path.join(home, 'people'), name);
    ensureHash(home, name, hashToken(token));
    return { name, token };
  } catch (error) {
    if (error instanceof StagewrightError) throw error;
    throw new StagewrightError(
      'person_unknown',
      `the token of ${name} cannot be kept in ${home}: ${errnoOf(error) ?? 'unknown'}`,
      {
        mend: 'check that this user owns the directory (STAGEWRIGHT_HOME) and may write there',
        cause: error,
      },
    );
  }
}

/** `sha256:<hex>`, as people.json and stagewright.yaml keep it. */
export function hashToken(token: string): string {
  return `sha256:${createHash('sha256').update(token).digest('hex')}`;
}

function readOrMakeToken(directory: string, name: string): string {
  const file = path.join(directory, `${name}.token`);
  if (!existsSync(file)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    makeWhole(file, `${randomBytes(32).toString('hex')}\n`);
  }
  const token = readFileSync(file, 'utf8').trim();
  if (token !== '') return token;
  throw new StagewrightError('person_unknown', `${file} is empty`, { mend: 'delete it: a new token is made then' });
}

/** Appears whole or not at all; of two at once the first wins, and both then read the same token. */
function makeWhole(file: string, text: string): void {
  const temporary = `${file}.${randomUUID()}`;
  writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(temporary, file);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function ensureHash(home: string, name: string, tokenHash: string): void {
  const { people, warnings } = readPeople(home);
  if (warnings[0] !== undefined) {
    throw new StagewrightError('people_unreadable', warnings[0], {
      mend: `correct ${peopleFile(home)}, or move it away`,
    });
  }
  const known = people.find((person) => person.name === name);
  if (known?.tokenHash === tokenHash) return;
  const others = people.filter((person) => person.name !== name);
  const temporary = `${peopleFile(home)}.${randomUUID()}`;
  const list = [...others, { name, tokenHash, approver: known?.approver ?? true }];
  writeFileSync(temporary, `${JSON.stringify(list, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(temporary, peopleFile(home));
}
