/**
 * Prepares the agent's working clone: the tree equal to a commit, our index over it, and a fresh `.git` of its own, so
 * that nothing a former run planted (hooks, configuration, links, pipes) is there for the next. Ignored files stay:
 * installed packages are expensive.
 */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { writeAgentGit } from './agent-git.ts';
import { isRealDirectory, removeDirectory } from './directory.ts';
import { git, GitError } from './git.ts';
import { borrowIndex, copyIndex, dropIndex, ensureItemGit, itemPaths, keepIndex, overTree } from './layout.ts';
import type { ItemPaths, PrivateIndex } from './layout.ts';
import { checkBranch, checkObjectId } from './names.ts';
import { ensureCommit } from './repository.ts';
import type { Repository } from './repository.ts';

export { saveDetached, saveWork } from './save-work.ts';
export type { SaveResult, SaveWorkOptions } from './save-work.ts';

/** The agent's working clone of an item: the same path for every run. */
export function treeDirectory(home: string, itemId: string): string {
  return itemPaths(home, itemId).tree;
}

export interface PrepareTreeOptions {
  repo: Repository;
  home: string;
  itemId: string;
  /** Branch that the agent sees checked out. */
  branch: string;
  commit: string;
  /** Detached HEAD instead of the branch (deploy works on the base branch's commit). */
  detached?: boolean;
  signal?: AbortSignal;
}

/** How long listing and cleaning may take before the tree counts as booby-trapped (a pipe called .gitignore), ms. */
const CLEAN_TIMEOUT_MS = 60_000;

/** Makes `<home>/items/<ID>/tree` equal to the commit and returns its path. Fetches only if the commit is unknown. */
export async function prepareTree(options: PrepareTreeOptions): Promise<string> {
  const { repo, signal } = options;
  const commit = checkObjectId(options.commit);
  const branch = options.detached === true ? null : checkBranch(options.branch);
  const paths = itemPaths(options.home, options.itemId);
  const [directories] = await Promise.all([listDirectories(repo, commit, signal), ensureItemGit(repo, paths)]);
  if (!(await isRealDirectory(paths.tree))) await removeDirectory(paths.tree);
  await mkdir(paths.tree, { recursive: true });

  const index = await borrowIndex(paths, commit);
  const fresh = path.join(paths.root, `git-${randomUUID()}`);
  const old = path.join(paths.root, `git-${randomUUID()}`);
  try {
    // Moved away whatever it is: a link is not followed.
    await rename(path.join(paths.tree, '.git'), old).catch(() => undefined);
    await settleAll([
      removeDirectory(old),
      writeAgentGit(repo, fresh, { commit, branch }),
      resetTree(paths, index, commit, directories, signal),
    ]);
    await copyIndex(index.file, path.join(fresh, 'index'));
    await rename(fresh, path.join(paths.tree, '.git'));
    await keepIndex(paths, index, commit);
  } finally {
    await removeDirectory(fresh);
    await dropIndex(paths, index);
  }
  await removeLeftovers(paths);
  return paths.tree;
}

/** Resets in place; where that fails for whatever the agent left there, from an empty directory. */
async function resetTree(
  paths: ItemPaths,
  index: PrivateIndex,
  commit: string,
  directories: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const options = {
    ...overTree(paths, index),
    timeoutMs: CLEAN_TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  };
  const reset = ['read-tree', '--reset', '-u', commit];
  try {
    await disarm(paths.tree, directories);
    await git(reset, options);
    await git(['clean', '-ffdq'], options);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof GitError) && !isFileTrouble(error)) throw error;
    await removeDirectory(paths.tree);
    await mkdir(paths.tree);
    await git(reset, { ...overTree(paths, index), ...(signal === undefined ? {} : { signal }) });
  }
}

/**
 * Removes, in every directory that the commit has, what git would not see or would see through: links in the place of
 * directories, `.git` of any kind, pipes and sockets. A directory moved away and linked back keeps its files' stat data.
 */
async function disarm(tree: string, directories: readonly string[]): Promise<void> {
  for (const relative of ['', ...directories]) {
    const directory = path.join(tree, relative);
    const found = await lstat(directory).catch(() => null);
    if (found === null) continue;
    if (!found.isDirectory()) {
      await removeDirectory(directory);
      continue;
    }
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const isPlain = entry.isFile() || entry.isDirectory() || entry.isSymbolicLink();
      if (entry.name === '.git' || !isPlain) await removeDirectory(path.join(directory, entry.name));
    }
  }
}

/** Directories of a commit, parents first; fetches once where the commit is not known yet. */
async function listDirectories(repo: Repository, commit: string, signal?: AbortSignal): Promise<string[]> {
  const args = ['ls-tree', '-r', '-d', '-z', '--name-only', commit];
  const options = { gitDir: repo.gitDir, ...(signal === undefined ? {} : { signal }) };
  const { stdout } = await git(args, options).catch(async (error: unknown) => {
    if (!(error instanceof GitError) || error.retryable) throw error;
    await ensureCommit(repo, commit, signal);
    return git(args, options);
  });
  return stdout.split('\0').filter((name) => name !== '');
}

/** Half-made clones of attempts that were killed. */
async function removeLeftovers(paths: ItemPaths): Promise<void> {
  for (const name of await readdir(paths.root)) {
    if (!name.startsWith('git-')) continue;
    const found = await lstat(path.join(paths.root, name)).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > 3_600_000) await removeDirectory(path.join(paths.root, name));
  }
}

/** Waits for all, also where one fails: nothing may still be writing when the leftovers are removed. */
async function settleAll(works: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) if (result.status === 'rejected') throw result.reason;
}

function isFileTrouble(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}
