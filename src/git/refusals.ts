/**
 * What is never committed, however it came into the tree. Short on purpose: a list that nobody can remember gets
 * switched off.
 *
 * - files over 10 MiB; more than 5,000 new files in one run
 * - nested repositories, submodules, anything that is no regular file, directory or link
 * - links that point out of the tree or into `.git`
 * - keys: `id_rsa`, `id_dsa`, `id_ecdsa`, `id_ed25519`, `*.p12`, `*.pfx`; any file with a line
 *   `-----BEGIN … PRIVATE KEY-----`; `.env` and `.env.*` (not `.example`, `.sample`, `.template`, `.dist`) that set a
 *   name with SECRET, TOKEN, PASSWORD, API_KEY, ACCESS_KEY, PRIVATE_KEY or CREDENTIAL to something
 */
import path from 'node:path';

export const MAX_FILE_BYTES = 10 * 1024 * 1024;
export const MAX_NEW_FILES = 5_000;

export interface Refused {
  path: string;
  /** One clause for people: "over 10 MiB". */
  why: string;
}

const KEY_NAME = /^(?:id_(?:rsa|dsa|ecdsa|ed25519)|.+\.(?:p12|pfx))$/;
const KEY_BLOCK = /^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*$/m;
const ENV_NAME = /^\.env(?:\..+)?$/;
const ENV_SAMPLE = /\.(?:example|sample|template|dist)$/;
const ENV_SECRET =
  /^[^\S\n]*(?:export[^\S\n]+)?[A-Z0-9_]*(?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL)[A-Z0-9_]*[^\S\n]*=[^\S\n]*['"]?[^\s'"#]/im;

/** Why a file's size forbids it, or null. */
export function refuseSize(bytes: number): string | null {
  return bytes > MAX_FILE_BYTES ? 'over 10 MiB' : null;
}

/** Why a file's name or content forbids it, or null. */
export function refuseContent(filePath: string, content: Buffer): string | null {
  const name = path.posix.basename(filePath);
  if (KEY_NAME.test(name)) return 'looks like a key';
  const text = content.toString('latin1');
  if (text.includes('PRIVATE KEY') && KEY_BLOCK.test(text)) return 'holds a private key';
  if (ENV_NAME.test(name) && !ENV_SAMPLE.test(name) && ENV_SECRET.test(text))
    return 'looks like secrets of an environment';
  return null;
}

/** Why a link's target forbids it, or null. Links are judged by their text; none is followed. */
export function refuseLink(filePath: string, target: string): string | null {
  if (target.startsWith('/')) return 'a link out of the tree';
  const resolved = path.posix.normalize(path.posix.join(path.posix.dirname(filePath), target));
  if (resolved === '..' || resolved.startsWith('../')) return 'a link out of the tree';
  return resolved.split('/').some((part) => part.toLowerCase() === '.git') ? 'a link into .git' : null;
}

/** One line instead of thousands, where a run brought too many new files. */
export function refuseNewFiles(newFiles: readonly string[]): Refused[] {
  if (newFiles.length <= MAX_NEW_FILES) return [];
  const counts = new Map<string, number>();
  for (const file of newFiles) {
    const top = file.includes('/') ? `${file.slice(0, file.indexOf('/'))}/` : file;
    counts.set(top, (counts.get(top) ?? 0) + 1);
  }
  const why = `of ${newFiles.length} new files in one run (more than ${MAX_NEW_FILES})`;
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 20)
    .map(([top, count]) => ({ path: top, why: `${count} ${why}` }));
}
