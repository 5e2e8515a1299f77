/**
 * What differs between the agent's tree and our index, and what of it may be committed. Files are looked at without
 * following any link; git sees only the paths that passed.
 */
import { constants } from 'node:fs';
import { lstat, open, readdir, readlink, rm } from 'node:fs/promises';
import path from 'node:path';
import { isRealDirectory, removeDirectory } from './directory.ts';
import { git, GitError } from './git.ts';
import { overTree } from './layout.ts';
import type { ItemPaths, PrivateIndex } from './layout.ts';
import { MAX_FILE_BYTES, refuseContent, refuseLink, refuseNewFiles, refuseSize } from './refusals.ts';
import type { Refused } from './refusals.ts';

export interface TreeChanges {
  /** Paths to be added, updated or removed. */
  accepted: string[];
  refused: Refused[];
}

/** A tree that takes longer to list holds pipes where git expects files, milliseconds. */
const LIST_TIMEOUT_MS = 60_000;

export async function listChanges(
  paths: ItemPaths,
  index: PrivateIndex,
  options: { signal?: AbortSignal; listTimeoutMs?: number } = {},
): Promise<TreeChanges> {
  const listed = await listPaths(paths, index, options);
  const newFiles = listed.filter(({ isNew, name }) => isNew && !name.endsWith('/')).map(({ name }) => name);
  const tooMany = refuseNewFiles(newFiles);
  const isDirectory = memoize((directory: string) => isRealDirectory(path.join(paths.tree, directory)));
  const accepted: string[] = [];
  const refused: Refused[] = [...tooMany];
  for (const { name, isNew } of listed) {
    if (isNew && tooMany.length > 0 && !name.endsWith('/')) continue;
    const verdict = await judge(paths.tree, name, isDirectory);
    if (verdict === 'take') accepted.push(name);
    else if (verdict !== 'pass') refused.push({ path: name, why: verdict.why });
  }
  return { accepted: accepted.toSorted(), refused };
}

/** Brings the paths into the index as they are in the tree now; what is gone there goes. */
export async function stagePaths(paths: ItemPaths, index: PrivateIndex, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await git(['update-index', '--add', '--remove', '--replace', '-z', '--stdin'], {
    ...overTree(paths, index),
    input: `${names.join('\0')}\0`,
  });
}

interface Listed {
  name: string;
  isNew: boolean;
}

async function listPaths(
  paths: ItemPaths,
  index: PrivateIndex,
  options: { signal?: AbortSignal; listTimeoutMs?: number },
): Promise<Listed[]> {
  const list = async (): Promise<string> => {
    const args = ['ls-files', '-t', '-z', '--modified', '--deleted', '--others', '--exclude-standard'];
    const { stdout } = await git(args, {
      ...overTree(paths, index),
      timeoutMs: options.listTimeoutMs ?? LIST_TIMEOUT_MS,
      maxBuffer: 512 * 1024 * 1024,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return stdout;
  };
  const output = await list().catch(async (error: unknown) => {
    if (!(error instanceof GitError) || !error.timedOut) throw error;
    await removeTraps(paths.tree);
    return list();
  });
  const names = new Map<string, boolean>();
  for (const line of output.split('\0')) {
    const name = line.slice(2);
    if (name !== '') names.set(name, line.startsWith('? '));
  }
  return [...names].map(([name, isNew]) => ({ name, isNew }));
}

async function judge(
  tree: string,
  name: string,
  isDirectory: (directory: string) => Promise<boolean>,
): Promise<'take' | 'pass' | { why: string }> {
  if (name.endsWith('/')) return { why: 'a nested repository' };
  if (name.includes('\uFFFD')) return { why: 'its name is not UTF-8' };
  for (let parent = path.posix.dirname(name); parent !== '.'; parent = path.posix.dirname(parent)) {
    // Behind a link or a file that took the directory's place: that one is judged by itself.
    if (!(await isDirectory(parent))) return (await isAbsent(path.join(tree, parent))) ? 'take' : 'pass';
  }
  const file = path.join(tree, name);
  const found = await lstat(file).catch(() => null);
  if (found === null) return 'take';
  if (found.isDirectory()) return 'pass';
  if (found.isSymbolicLink()) {
    const why = refuseLink(name, await readlink(file));
    return why === null ? 'take' : { why };
  }
  if (!found.isFile()) return { why: 'not a regular file' };
  const tooLarge = refuseSize(found.size);
  if (tooLarge !== null) return { why: tooLarge };
  const content = await readPlain(file);
  if (content === null) return { why: 'not readable' };
  const why = refuseContent(name, content);
  return why === null ? 'take' : { why };
}

/** A regular file's bytes; null where it is none any more or may not be read. */
async function readPlain(file: string): Promise<Buffer | null> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => null);
  if (handle === null) return null;
  try {
    const now = await handle.stat();
    return now.isFile() && now.size <= MAX_FILE_BYTES ? await handle.readFile() : null;
  } finally {
    await handle.close();
  }
}

async function isAbsent(file: string): Promise<boolean> {
  return lstat(file).then(
    () => false,
    () => true,
  );
}

/** Removes pipes and sockets that git would wait on: those called `.gitignore` and the like, and in any `.git`. */
async function removeTraps(directory: string, insideGit = false): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    const full = path.join(directory, entry.name);
    if (entry.isDirectory()) await removeTraps(full, insideGit || entry.name === '.git');
    else if (entry.isFile() || entry.isSymbolicLink()) continue;
    else if (insideGit || entry.name === '.git') await removeDirectory(full);
    else if (entry.name.startsWith('.git')) await rm(full, { force: true });
  }
}

function memoize(ask: (key: string) => Promise<boolean>): (key: string) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>();
  return (key) => {
    const answer = known.get(key) ?? ask(key);
    known.set(key, answer);
    return answer;
  };
}
