/**
 * Pushes a run's commits to its branch, expecting the branch where the run found it. Refused: look at what came in. Our
 * own earlier push is the same result again; a takeover puts the work aside; a foreign push has it rebased.
 */
import { ITEM_TRAILER, readTrailer, RUN_TRAILER, TAKEOVER_TRAILER, writeCommit } from './commit.ts';
import { GitError, gitLine } from './git.ts';
import { mergeTrees, replayCommits } from './merge.ts';
import type { MergeConflict } from './merge.ts';
import { withObjects } from './objects.ts';
import { pushRefs } from './push.ts';
import { isAncestor } from './read.ts';
import { cachedRef, fetchRepository } from './repository.ts';
import type { Repository } from './repository.ts';

export interface RunWork {
  base: string;
  head: string;
  /** The run's own commits, oldest first. */
  commits: string[];
}

export interface Published {
  result: 'saved' | 'superseded' | 'conflict';
  work: RunWork;
  conflicts: string[];
}

interface PublishOptions {
  work: RunWork;
  branch: string;
  itemId: string;
  runId: string;
  signal?: AbortSignal;
}

const TRIES = 5;
/** Commits looked at to find out what came in. */
const MAX_INCOMING = 2_000;

export async function publishWork(repo: Repository, options: PublishOptions): Promise<Published> {
  const { work } = options;
  const ref = `refs/heads/${options.branch}`;
  let candidate = work;
  let expected = work.base;
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    options.signal?.throwIfAborted();
    const pushed = await pushRefs(repo, [{ ref, commit: candidate.head, expected }]);
    if (pushed.result === 'pushed') return { result: 'saved', work: candidate, conflicts: [] };
    await fetchRepository(repo, options.signal);
    const tip = await cachedRef(repo, ref);
    if (tip === null) return putAside(repo, options, 'superseded', []);
    const came = await lookAt(repo, options, tip);
    if (came.kind === 'ours') return { result: 'saved', work: came.work, conflicts: [] };
    if (came.kind === 'takeover') return putAside(repo, options, 'superseded', []);
    const rebased = await rebaseWork(repo, options, tip);
    if (rebased.kind === 'conflict') return putAside(repo, options, 'conflict', rebased.files);
    candidate = rebased.work;
    expected = tip;
    // Everything of it is there already under other ids.
    if (candidate.head === tip) return { result: 'saved', work: candidate, conflicts: [] };
  }
  throw new GitError(`branch ${options.branch} moves faster than it can be pushed to`, {
    code: null,
    stderr: '',
    retryable: true,
  });
}

type Incoming = { kind: 'ours'; work: RunWork } | { kind: 'takeover' } | { kind: 'foreign' };

/** What is on the branch that was not there when the run began. */
async function lookAt(repo: Repository, options: PublishOptions, tip: string): Promise<Incoming> {
  const { work, runId } = options;
  const list = await gitLine(['rev-list', '--topo-order', `--max-count=${MAX_INCOMING}`, tip, `^${work.base}`], {
    gitDir: repo.gitDir,
  });
  const incoming = list.split('\n').filter((line) => line !== '');
  const commits = await withObjects(repo.gitDir, async (reader) => {
    const read = [];
    for (const oid of incoming) read.push({ oid, ...(await reader.commit(oid)) });
    return read;
  });
  const isOurs = (commit: { oid: string; message: string }): boolean =>
    work.commits.includes(commit.oid) ||
    (readTrailer(commit.message, RUN_TRAILER) === runId && readTrailer(commit.message, TAKEOVER_TRAILER) === null);
  const newest = commits.find(isOurs);
  if (newest !== undefined) {
    const own: string[] = [];
    let at: (typeof commits)[number] | undefined = newest;
    let base = newest.parents[0] ?? work.base;
    while (at !== undefined && isOurs(at)) {
      own.unshift(at.oid);
      base = at.parents[0] ?? work.base;
      at = commits.find(({ oid }) => oid === base);
    }
    return { kind: 'ours', work: { base, head: newest.oid, commits: own } };
  }
  const isTakeover = commits.some(
    ({ message }) =>
      readTrailer(message, TAKEOVER_TRAILER) === 'true' &&
      readTrailer(message, ITEM_TRAILER) === options.itemId &&
      readTrailer(message, RUN_TRAILER) !== runId,
  );
  return { kind: isTakeover ? 'takeover' : 'foreign' };
}

/** The run's own commits on top of what came in; as one merge where the run itself merged something. */
async function rebaseWork(
  repo: Repository,
  options: PublishOptions,
  tip: string,
): Promise<{ kind: 'rebased'; work: RunWork } | MergeConflict> {
  const { work } = options;
  const trailers = { [RUN_TRAILER]: options.runId, [ITEM_TRAILER]: options.itemId };
  if (!(await isLinear(repo, work))) {
    const merged = await mergeTrees(repo, tip, work.head);
    if (merged.kind === 'conflict') return merged;
    const message = `Merge what came in meanwhile\n\n${RUN_TRAILER}: ${options.runId}\n${ITEM_TRAILER}: ${options.itemId}\n`;
    const head = await writeCommit(repo.gitDir, { tree: merged.tree, parents: [tip, work.head], message });
    return { kind: 'rebased', work: { base: tip, head, commits: [head] } };
  }
  // The branch was moved back or rewritten by a person: their choice of base stands, the run's commits go on top.
  const replayed = await replayCommits(repo, { commits: work.commits, onto: tip, trailers });
  if (replayed.kind === 'conflict') return replayed;
  const list = await gitLine(['rev-list', '--reverse', `${tip}..${replayed.head}`], { gitDir: repo.gitDir });
  const commits = list.split('\n').filter((line) => line !== '');
  return { kind: 'rebased', work: { base: tip, head: replayed.head, commits } };
}

/** True where base..head is exactly the run's own chain of commits with one parent each. */
async function isLinear(repo: Repository, work: RunWork): Promise<boolean> {
  if (!(await isAncestor(repo, work.base, work.head))) return false;
  return withObjects(repo.gitDir, async (reader) => {
    let before = work.base;
    for (const oid of work.commits) {
      const { parents } = await reader.commit(oid);
      if (parents.length !== 1 || parents[0] !== before) return false;
      before = oid;
    }
    return before === work.head;
  });
}

/** Keeps the work where nobody else writes; one that is there already is this run's earlier attempt. */
async function putAside(
  repo: Repository,
  options: PublishOptions,
  result: 'superseded' | 'conflict',
  conflicts: string[],
): Promise<Published> {
  const folder = result === 'superseded' ? 'lost' : 'conflict';
  const ref = `refs/stagewright/${options.itemId}/${folder}/${options.runId}`;
  await pushRefs(repo, [{ ref, commit: options.work.head, expected: null }]);
  return { result, work: options.work, conflicts };
}
