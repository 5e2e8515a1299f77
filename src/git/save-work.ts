/**
 * Puts what a run left in its tree on the item's branch: the agent's commits where they may be kept, everything else in
 * one commit on top. Idempotent by run id, whenever the attempt before was killed; what cannot be pushed is kept under
 * `refs/stagewright/<ID>/`, so no work is lost and nothing is overwritten.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { importCommits, readAgentHead } from './agent-git.ts';
import { listChanges, stagePaths } from './changes.ts';
import { ITEM_TRAILER, RUN_TRAILER, withTrailers, writeCommit } from './commit.ts';
import { git, gitLine } from './git.ts';
import { borrowIndex, dropIndex, ensureItemGit, itemPaths, keepIndex, moveIndex, overTree } from './layout.ts';
import type { ItemPaths, PrivateIndex } from './layout.ts';
import { checkBranch, checkName, checkObjectId } from './names.ts';
import { withObjects } from './objects.ts';
import { keepableCommits } from './own-commits.ts';
import { publishWork } from './publish-work.ts';
import type { RunWork } from './publish-work.ts';
import { changedBetween, readFilesAt } from './read.ts';
import type { Refused } from './refusals.ts';
import type { Repository } from './repository.ts';

export interface SaveWorkOptions {
  repo: Repository;
  home: string;
  itemId: string;
  branch: string;
  /** The commit that the run started from. */
  base: string;
  runId: string;
  /** First line of the commit; trailers in it are broken up. */
  message: string;
  /** Paths that the role may change; null = everything, and its own commits are kept. */
  allowedPaths: readonly string[] | null;
  interrupted: boolean;
  /** The run worked on a commit of the base branch: nothing is pushed, artifacts go to `artifacts/` beside the patch. */
  detached?: boolean;
  /** Where to write what the role changed outside its paths. */
  patchPath: string;
  /** Default `docs/work-items/<ID>`. */
  artifactsDirectory?: string;
  signal?: AbortSignal;
}

export interface SaveResult {
  /**
   * `superseded`: a later run took the item over, or the branch is gone: the work is at refs/stagewright/<ID>/lost/<run>.
   * `conflict`: it does not fit what others pushed: the work is at refs/stagewright/<ID>/conflict/<run>.
   */
  result: 'saved' | 'nothing' | 'superseded' | 'conflict';
  /** Commit that holds the work; base where there is none. */
  head: string;
  /** Commit that the run's own commits stand on: the run's base, or what came in since. */
  base: string;
  /** Paths changed between base and head, at most 2,000. */
  changed: string[];
  /** Those below the item's artifact directory. */
  artifacts: string[];
  /** Changed outside the allowed paths: in the patch, not in a commit. */
  outside: string[];
  /** Left in place, never committed. */
  refused: Refused[];
  /** Files in conflict. */
  conflicts: string[];
}

/** Commits and pushes a run's work. Throws only for infrastructure: then the same call is to be made again. */
export async function saveWork(options: SaveWorkOptions): Promise<SaveResult> {
  const { repo } = options;
  const base = checkObjectId(options.base);
  checkBranch(options.branch);
  checkName('run id', options.runId);
  const paths = itemPaths(options.home, options.itemId);
  await ensureItemGit(repo, paths);
  const index = await borrowIndex(paths, base);
  try {
    const gathered = await gather(options, paths, index);
    const artifactsDirectory = options.artifactsDirectory ?? `docs/work-items/${options.itemId}`;
    const describe = (
      result: SaveResult['result'],
      at: RunWork,
      changed: string[],
      conflicts: string[] = [],
    ): SaveResult => ({
      result,
      head: at.head,
      base: at.base,
      changed,
      artifacts: changed.filter((name) => isBelow(name, [artifactsDirectory])),
      outside: gathered.outside,
      refused: gathered.refused,
      conflicts,
    });
    const work: RunWork = { base, head: gathered.head, commits: gathered.commits };
    if (work.head === base) return describe('nothing', work, []);
    if (options.detached === true) {
      const changed = await changedBetween(repo, base, work.head);
      const into = path.join(path.dirname(options.patchPath), 'artifacts');
      await exportFiles(repo, work.head, changed, artifactsDirectory, into);
      return { ...describe('saved', work, changed), head: base };
    }
    const [published, ownChanges] = await Promise.all([
      publishWork(repo, { ...options, work }),
      changedBetween(repo, base, work.head),
    ]);
    if (published.result === 'saved' && published.work.head === work.head) await keepIndex(paths, index, work.head);
    const isSame = published.work.base === base && published.work.head === work.head;
    const changed = isSame ? ownChanges : await changedBetween(repo, published.work.base, published.work.head);
    return describe(published.result, published.work, changed, published.conflicts);
  } finally {
    await dropIndex(paths, index);
  }
}

/**
 * Copies the artifacts that a detached run wrote into a directory of ours. They pass through git's objects, so no link
 * of the agent's tree is followed.
 */
export async function saveDetached(options: Omit<SaveWorkOptions, 'detached'>): Promise<SaveResult> {
  return saveWork({ ...options, detached: true });
}

interface Gathered {
  head: string;
  /** The run's own commits, oldest first. */
  commits: string[];
  outside: string[];
  refused: Refused[];
}

/** Makes the run's commits in our object store; pushes nothing. */
async function gather(options: SaveWorkOptions, paths: ItemPaths, index: PrivateIndex): Promise<Gathered> {
  const { repo, base, allowedPaths, signal } = options;
  const abort = signal === undefined ? {} : { signal };
  const kept = allowedPaths === null && options.detached !== true ? await agentCommits(options, paths) : [];
  const start = kept.at(-1) ?? base;
  await moveIndex(paths, index, start);
  const { accepted, refused } = await listChanges(paths, index, abort);
  const mayChange = (name: string): boolean => allowedPaths === null || isBelow(name, allowedPaths);
  const inside = accepted.filter(mayChange);
  const outside = accepted.filter((name) => !mayChange(name));
  if (outside.length > 0) await writePatch(options, paths, outside);
  const tree = await stageTree(repo, paths, index, inside, start);
  if (tree === null) return { head: start, commits: kept, outside, refused };
  const message = withTrailers(`${options.interrupted ? 'wip: ' : ''}${options.message}`, {
    [RUN_TRAILER]: options.runId,
    [ITEM_TRAILER]: options.itemId,
  });
  const head = await writeCommit(repo.gitDir, { tree, parents: [start], message });
  return { head, commits: [...kept, head], outside, refused };
}

/** The agent's own commits, ending in its HEAD; none where they cannot be kept. */
async function agentCommits(options: SaveWorkOptions, paths: ItemPaths): Promise<string[]> {
  const { repo, base, branch, signal } = options;
  const head = await readAgentHead(paths.tree);
  if (head === null || head === base) return [];
  const scratch = path.join(paths.gitDir, `work-${options.runId}`);
  if (!(await importCommits(repo, paths.tree, { base, head }, scratch, signal))) return [];
  const commits = await keepableCommits(repo, { base, head, branch });
  if (commits === null) return [];
  return commits.at(-1) === head ? commits : [...commits, head];
}

/** The tree with these paths as the agent left them; null where it is the tree of `start`. */
async function stageTree(
  repo: Repository,
  paths: ItemPaths,
  index: PrivateIndex,
  names: readonly string[],
  start: string,
): Promise<string | null> {
  if (names.length === 0) return null;
  const [before] = await Promise.all([
    withObjects(repo.gitDir, async (reader) => (await reader.commit(start)).tree),
    stagePaths(paths, index, names),
  ]);
  const tree = await gitLine(['write-tree'], overTree(paths, index));
  return tree === before ? null : tree;
}

/** What a role changed where it may not, as a patch that `git apply` takes. */
async function writePatch(options: SaveWorkOptions, paths: ItemPaths, outside: readonly string[]): Promise<void> {
  const aside = await borrowIndex(paths, options.base);
  try {
    await moveIndex(paths, aside, options.base);
    await stagePaths(paths, aside, outside);
    const tree = await gitLine(['write-tree'], overTree(paths, aside));
    await mkdir(path.dirname(options.patchPath), { recursive: true });
    await git(['diff-tree', '-p', '--binary', '--full-index', '--no-renames', options.base, tree], {
      gitDir: options.repo.gitDir,
      stdoutFile: options.patchPath,
    });
  } finally {
    await dropIndex(paths, aside);
  }
}

/** Writes files of a commit below `directory` into `into`, under their names within it. Links and large files are left out. */
async function exportFiles(
  repo: Repository,
  commit: string,
  changed: readonly string[],
  directory: string,
  into: string,
): Promise<void> {
  const names = changed.filter((name) => isBelow(name, [directory]));
  const files = await readFilesAt(repo, commit, names);
  for (const [at, file] of files.entries()) {
    if (file.kind !== 'file') continue;
    const target = path.join(into, path.posix.relative(directory, names[at] ?? ''));
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, file.text);
  }
}

function isBelow(name: string, directories: readonly string[]): boolean {
  return directories.some((directory) => {
    const plain = directory.replace(/\/+$/, '');
    return name === plain || name.startsWith(`${plain}/`);
  });
}
