/**
 * Where an item's things are: `tree` is the agent's working clone at a path that is stable over runs, `git` is our own
 * GIT_DIR over it. Its objects and refs are the cache's (`commondir`); the index is per operation, so a killed git
 * process leaves no lock that stops the next one.
 */
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { git } from './git.ts';
import { checkName, checkObjectId } from './names.ts';
import type { Repository } from './repository.ts';

export interface ItemPaths {
  root: string;
  /** The agent's working clone. */
  tree: string;
  /** Our own GIT_DIR; never inside the tree. */
  gitDir: string;
}

export function itemPaths(home: string, itemId: string): ItemPaths {
  const root = path.join(path.resolve(home), 'items', checkName('item id', itemId));
  return { root, tree: path.join(root, 'tree'), gitDir: path.join(root, 'git') };
}

/** Makes our GIT_DIR for the item; points it at the repository's cache. */
export async function ensureItemGit(repo: Repository, paths: ItemPaths): Promise<void> {
  await mkdir(paths.gitDir, { recursive: true });
  await writeFile(path.join(paths.gitDir, 'HEAD'), 'ref: refs/heads/none\n');
  await writeFile(path.join(paths.gitDir, 'commondir'), `${path.relative(paths.gitDir, repo.gitDir)}\n`);
}

export interface PrivateIndex {
  /** Pass as GIT_INDEX_FILE. */
  file: string;
  /** The commit the index stands at, where one is known. */
  commit: string | null;
}

/**
 * A copy of the item's last index for one operation: the one of `commit` if it is kept, else the newest other, which
 * still saves reading unchanged files.
 */
export async function borrowIndex(paths: ItemPaths, commit: string): Promise<PrivateIndex> {
  const file = path.join(paths.gitDir, `work-${randomUUID()}`);
  const kept = (await readdir(paths.gitDir)).filter((name) => /^index-[0-9a-f]+$/.test(name));
  const source = kept.find((name) => name === `index-${commit}`) ?? kept[0];
  if (source === undefined) return { file, commit: null };
  await copyIndex(path.join(paths.gitDir, source), file);
  return { file, commit: source.slice('index-'.length) };
}

/**
 * Copies an index with its age. git compares stat data by the second and looks into files that are as young as their
 * index: a copy that is younger would hide a change of the same size made right after.
 */
export async function copyIndex(from: string, to: string): Promise<void> {
  const seconds = Math.floor((await stat(from)).mtimeMs / 1000);
  await copyFile(from, to);
  await utimes(to, seconds, seconds);
}

/** Keeps the index as the item's only one, standing at `commit`. */
export async function keepIndex(paths: ItemPaths, index: PrivateIndex, commit: string): Promise<void> {
  const name = `index-${checkObjectId(commit)}`;
  await rename(index.file, path.join(paths.gitDir, name));
  for (const other of await readdir(paths.gitDir)) {
    if (other.startsWith('index-') && other !== name) await rm(path.join(paths.gitDir, other), { force: true });
  }
}

/** Removes what an operation borrowed, and what killed ones left behind more than an hour ago. */
export async function dropIndex(paths: ItemPaths, index: PrivateIndex): Promise<void> {
  await rm(index.file, { force: true });
  await rm(`${index.file}.lock`, { force: true });
  for (const name of await readdir(paths.gitDir).catch(() => [])) {
    if (!name.startsWith('work-')) continue;
    const file = path.join(paths.gitDir, name);
    const found = await stat(file).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > 3_600_000) await rm(file, { force: true });
  }
}

/** Brings a borrowed index to a commit without touching any file; what is the same keeps its stat data. */
export async function moveIndex(paths: ItemPaths, index: PrivateIndex, commit: string): Promise<void> {
  if (index.commit === commit) return;
  await git(['read-tree', '--reset', checkObjectId(commit)], overTree(paths, index));
  index.commit = commit;
}

/** Options for git with our GIT_DIR and a borrowed index over the agent's tree. */
export function overTree(
  paths: ItemPaths,
  index: PrivateIndex,
): { gitDir: string; workTree: string; cwd: string; env: Record<string, string> } {
  return { gitDir: paths.gitDir, workTree: paths.tree, cwd: paths.tree, env: { GIT_INDEX_FILE: index.file } };
}
