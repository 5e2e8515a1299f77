/**
 * Writes commit objects and their messages. A commit is one small loose object, written here without a git process
 * (each costs some milliseconds, and a rebase writes hundreds). Trailers say whose work it is, so text from tickets and
 * agents can never bring its own.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import { IDENTITY } from './git.ts';
import { checkObjectId } from './names.ts';

export const RUN_TRAILER = 'Stagewright-Run';
export const ITEM_TRAILER = 'Stagewright-Item';
export const TAKEOVER_TRAILER = 'Stagewright-Takeover';

export interface NewCommit {
  tree: string;
  parents: readonly string[];
  message: string;
  /** `Name <mail> seconds zone`; default: Stagewright, now. */
  author?: string;
  committer?: string;
}

/** Stores the commit and returns its id; storing the same commit twice is the same commit. */
export async function writeCommit(gitDir: string, commit: NewCommit): Promise<string> {
  const body = Buffer.from(
    [
      `tree ${checkObjectId(commit.tree)}`,
      ...commit.parents.map((parent) => `parent ${checkObjectId(parent)}`),
      `author ${commit.author ?? stamp()}`,
      `committer ${commit.committer ?? stamp()}`,
      '',
      `${commit.message.replace(/\0/g, '').trimEnd()}\n`,
    ].join('\n'),
  );
  const object = Buffer.concat([Buffer.from(`commit ${body.length}\0`), body]);
  const oid = createHash(commit.tree.length === 64 ? 'sha256' : 'sha1')
    .update(object)
    .digest('hex');
  const directory = path.join(gitDir, 'objects', oid.slice(0, 2));
  const file = path.join(directory, oid.slice(2));
  if (await exists(file)) return oid;
  await mkdir(directory, { recursive: true });
  const temporary = path.join(directory, `tmp_obj_${randomUUID()}`);
  try {
    await writeFile(temporary, deflateSync(object), { mode: 0o444, flag: 'wx', flush: true });
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
  return oid;
}

/** Our own name with a date: epoch milliseconds, or the `seconds zone` of another stamp. */
export function stamp(at: number | string = Date.now()): string {
  const when = typeof at === 'number' ? `${Math.floor(at / 1000)} +0000` : at;
  return `${IDENTITY.name} <${IDENTITY.email}> ${when}`;
}

/** The `seconds zone` at the end of a stored author or committer. */
export function dateOf(person: string): string {
  return /(\d+ [+-]\d{4})$/.exec(person)?.[1] ?? '0 +0000';
}

/** Text with trailers of ours below it; lines of the text that look like them are broken up. */
export function withTrailers(text: string, trailers: Record<string, string>): string {
  const lines = Object.entries(trailers).map(([key, value]) => `${key}: ${value.replace(/[\r\n]+/g, ' ')}`);
  const clean = text.replace(/^([^\S\n]*)stagewright-(?=[a-z]+[^\S\n]*:)/gim, '$1stagewright ').trim();
  return `${clean === '' ? 'Work of an agent' : clean}\n\n${lines.join('\n')}\n`;
}

/** True where a message has lines that only we may write. */
export function claimsTrailers(message: string): boolean {
  return /^[^\S\n]*stagewright-[a-z]+[^\S\n]*:/im.test(message);
}

/** Trailer lines of ours anywhere in a message (first value of each wins). */
export function readTrailer(message: string, key: string): string | null {
  for (const line of message.split('\n')) {
    if (line.toLowerCase().startsWith(`${key.toLowerCase()}:`)) return line.slice(key.length + 1).trim();
  }
  return null;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
