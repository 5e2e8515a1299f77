/**
 * Reads from commits, never from a worktree: regular files only, of bounded size. A planted link or pipe in a worktree
 * would put a token on the board, or hang the reader.
 */
import { git } from './git.ts';
import { checkObjectId } from './names.ts';
import { withObjects } from './objects.ts';
import type { ObjectReader } from './objects.ts';
import type { Repository } from './repository.ts';

/** Default limit of a file that is read, bytes. */
export const MAX_READ_BYTES = 1024 * 1024;

export type FileAt =
  | { kind: 'file'; text: string; blob: string }
  | { kind: 'absent' }
  /** There is something, and it is nothing that we read: link, submodule, directory, too large, binary. */
  | { kind: 'refused'; reason: string };

/** One file of a commit as text. */
export async function readFileAt(
  repo: Repository,
  commit: string,
  filePath: string,
  options: { maxBytes?: number } = {},
): Promise<FileAt> {
  const [file] = await readFilesAt(repo, commit, [filePath], options);
  return file ?? { kind: 'absent' };
}

/** Several files of a commit for one process, in the order asked. */
export async function readFilesAt(
  repo: Repository,
  commit: string,
  filePaths: readonly string[],
  options: { maxBytes?: number } = {},
): Promise<FileAt[]> {
  checkObjectId(commit);
  const maxBytes = options.maxBytes ?? MAX_READ_BYTES;
  return withObjects(repo.gitDir, async (reader) => {
    const files: FileAt[] = [];
    for (const filePath of filePaths) files.push(await readOne(reader, commit, filePath, maxBytes));
    return files;
  });
}

export interface DirectoryEntry {
  name: string;
  kind: 'file' | 'directory' | 'link' | 'submodule';
  oid: string;
}

/** Entries of a directory of a commit; null where there is no such directory. The empty path is the root. */
export async function listDirAt(repo: Repository, commit: string, directory: string): Promise<DirectoryEntry[] | null> {
  checkObjectId(commit);
  return withObjects(repo.gitDir, async (reader) => {
    const entry = await reader.entryAt(commit, directory);
    if (entry?.mode !== '40000') return null;
    return (await reader.tree(entry.oid)).map(({ name, mode, oid }) => ({ name, oid, kind: kindOf(mode) }));
  });
}

/** Blob ids of those paths that are regular files at a commit; the others are left out. An approval is bound to them. */
export async function blobsAt(
  repo: Repository,
  commit: string,
  filePaths: readonly string[],
): Promise<Record<string, string>> {
  checkObjectId(commit);
  return withObjects(repo.gitDir, async (reader) => {
    const blobs: Record<string, string> = {};
    for (const filePath of filePaths) {
      const entry = await reader.entryAt(commit, filePath);
      if (entry !== null && kindOf(entry.mode) === 'file') blobs[filePath] = entry.oid;
    }
    return blobs;
  });
}

/** True where the trees of two commits are equal outside a directory (`docs/work-items/<ID>`). */
export async function sameOutside(repo: Repository, a: string, b: string, directory: string): Promise<boolean> {
  if (checkObjectId(a) === checkObjectId(b)) return true;
  const outside = `:(top,exclude,literal)${directory.replace(/\/+$/, '')}`;
  const args = [
    'diff-tree',
    '-r',
    '--quiet',
    '--no-renames',
    '--ignore-submodules=none',
    a,
    b,
    '--',
    ':(top)',
    outside,
  ];
  return (await git(args, { gitDir: repo.gitDir, okCodes: [0, 1] })).code === 0;
}

/** True where `ancestor` is `commit` or one of its ancestors. */
export async function isAncestor(repo: Repository, ancestor: string, commit: string): Promise<boolean> {
  if (checkObjectId(ancestor) === checkObjectId(commit)) return true;
  const args = ['merge-base', '--is-ancestor', ancestor, commit];
  return (await git(args, { gitDir: repo.gitDir, okCodes: [0, 1] })).code === 0;
}

/** Paths that differ between two commits, in git's order, at most `max`. */
export async function changedBetween(repo: Repository, a: string, b: string, max = 2_000): Promise<string[]> {
  if (checkObjectId(a) === checkObjectId(b)) return [];
  const { stdout } = await git(['diff-tree', '-r', '-z', '--name-only', '--no-renames', a, b], { gitDir: repo.gitDir });
  return stdout
    .split('\0')
    .filter((name) => name !== '')
    .slice(0, max);
}

/** What a commit uses that an item's clone does not carry; null = neither. Such a project needs a person's look first. */
export async function hasLfsOrSubmodules(repo: Repository, commit: string): Promise<'lfs' | 'submodules' | null> {
  const { stdout } = await git(['ls-tree', '-r', '-z', checkObjectId(commit)], {
    gitDir: repo.gitDir,
    maxBuffer: 512 * 1024 * 1024,
  });
  const entries = stdout.split('\0');
  if (entries.some((line) => line.startsWith('160000 '))) return 'submodules';
  const attributes = entries
    .map((line) => line.slice(line.indexOf('\t') + 1))
    .filter((name) => name === '.gitattributes' || name.endsWith('/.gitattributes'));
  const files = attributes.length === 0 ? [] : await readFilesAt(repo, commit, attributes);
  const usesLfs = files.some((file) => file.kind === 'file' && /^[^#\n]*\sfilter=lfs(?:\s|$)/m.test(file.text));
  return usesLfs ? 'lfs' : null;
}

async function readOne(reader: ObjectReader, commit: string, filePath: string, maxBytes: number): Promise<FileAt> {
  const entry = await reader.entryAt(commit, filePath);
  if (entry === null) return { kind: 'absent' };
  const kind = kindOf(entry.mode);
  if (kind !== 'file') return { kind: 'refused', reason: `${filePath} is a ${kind}, not a regular file` };
  const info = await reader.info(entry.oid);
  if (info === null) return { kind: 'absent' };
  if (info.size > maxBytes) {
    return { kind: 'refused', reason: `${filePath} has ${info.size} bytes, more than ${maxBytes}` };
  }
  const bytes = await reader.contents(entry.oid);
  if (bytes.includes(0)) return { kind: 'refused', reason: `${filePath} is binary` };
  return { kind: 'file', text: bytes.toString('utf8'), blob: entry.oid };
}

function kindOf(mode: string): DirectoryEntry['kind'] {
  if (mode === '40000') return 'directory';
  if (mode === '120000') return 'link';
  return mode === '160000' ? 'submodule' : 'file';
}
