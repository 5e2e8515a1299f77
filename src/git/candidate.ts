/**
 * The merge gate's candidate: the very commit that is tested, pushed and landed. Made without a worktree, and the same
 * id again for the same two heads, so that a repeated attempt finds its own test results.
 */
import { dateOf, ITEM_TRAILER, stamp, withTrailers, writeCommit } from './commit.ts';
import { GitError, gitLine } from './git.ts';
import { beside, mergeTrees, replayCommits } from './merge.ts';
import type { MergeConflict } from './merge.ts';
import { checkBranch, checkName, checkObjectId } from './names.ts';
import { withObjects } from './objects.ts';
import { pushRefs } from './push.ts';
import { isAncestor } from './read.ts';
import { remoteRefs } from './repository.ts';
import type { Repository } from './repository.ts';

export interface Candidate {
  kind: 'candidate';
  commit: string;
  tree: string;
  /** The base branch's tip that it stands on: what a landing compares with. */
  base: string;
  /** True where the branch already contains the tip: the candidate is its head. */
  fastForward: boolean;
}
export type CandidateOutcome = Candidate | MergeConflict | { kind: 'empty' };

/**
 * Makes what would land. `squash`: the merge's tree, committed once on main's tip. `keep`: the branch's commits on top
 * of it, where they give that very tree (else squashed: merge-tree's answer decides). Pushes nothing.
 */
export async function makeCandidate(request: {
  repo: Repository;
  mainHead: string;
  head: string;
  landing: 'squash' | 'keep';
  message: string;
  itemId: string;
}): Promise<CandidateOutcome> {
  const { repo, itemId } = request;
  const mainHead = checkObjectId(request.mainHead);
  const head = checkObjectId(request.head);
  const [fastForward, merged, [main, branch]] = await Promise.all([
    isAncestor(repo, mainHead, head),
    mergeTrees(repo, mainHead, head),
    withObjects(repo.gitDir, async (reader) => [await reader.commit(mainHead), await reader.commit(head)] as const),
  ]);
  if (fastForward) {
    if (branch.tree === main.tree) return { kind: 'empty' };
    return { kind: 'candidate', commit: head, tree: branch.tree, base: mainHead, fastForward };
  }
  if (merged.kind === 'conflict') return merged;
  const { tree } = merged;
  if (tree === main.tree) return { kind: 'empty' };
  const kept = request.landing === 'keep' ? await keepCommits(repo, mainHead, head, tree) : null;
  const date = stamp(dateOf(branch.committer));
  const commit =
    kept ??
    (await writeCommit(repo.gitDir, {
      tree,
      parents: [mainHead],
      message: withTrailers(request.message, { [ITEM_TRAILER]: itemId }),
      author: date,
      committer: date,
    }));
  return { kind: 'candidate', commit, tree, base: mainHead, fastForward };
}

/** The branch's own commits rebased; null where that conflicts or gives another tree than the merge. */
async function keepCommits(repo: Repository, mainHead: string, head: string, tree: string): Promise<string | null> {
  const range = ['--topo-order', '--no-merges', '--reverse', `${mainHead}..${head}`];
  const list = await gitLine(['rev-list', ...range], { gitDir: repo.gitDir });
  const commits = list.split('\n').filter((line) => line !== '');
  const replayed = await replayCommits(repo, { commits, onto: mainHead });
  return replayed.kind === 'clean' && replayed.tree === tree ? replayed.head : null;
}

export interface KeptCandidate {
  commit: string;
  /** The base branch's tip that it was made on. */
  base: string;
}

/** Keeps the candidate and its base at `refs/stagewright/<ID>/…`, so that another host can fetch, test and recognise it. */
export async function keepCandidate(repo: Repository, request: KeptCandidate & { itemId: string }): Promise<void> {
  const [candidate, base] = candidateRefs(request.itemId);
  await pushRefs(repo, [
    { ref: candidate, commit: request.commit },
    { ref: base, commit: request.base },
  ]);
}

/** The candidate that was kept last for an item, or null. */
export async function keptCandidate(repo: Repository, itemId: string): Promise<KeptCandidate | null> {
  const [commit, base] = await remoteRefs(repo, candidateRefs(itemId));
  return commit === null || commit === undefined || base === null || base === undefined ? null : { commit, base };
}

function candidateRefs(itemId: string): [candidate: string, base: string] {
  const folder = `refs/stagewright/${checkName('item id', itemId)}`;
  return [`${folder}/candidate`, `${folder}/candidate-base`];
}

export type PushCandidateResult =
  | { result: 'pushed' }
  /** The branch is elsewhere; null = gone. */
  | { result: 'headMoved'; head: string | null };

const KEEP_TRIES = 50;

/**
 * Puts the candidate on the item's branch, if and only if that is still at `expected`; the old head is kept at `keepRef`
 * in the same atomic push (or at `<keepRef>-2` … where an earlier round used it). There already = pushed.
 */
export async function pushCandidate(request: {
  repo: Repository;
  branch: string;
  candidate: string;
  /** Head that the candidate was made from. */
  expected: string;
  /** Full ref name, `refs/stagewright/<ID>/<n>`. */
  keepRef: string;
}): Promise<PushCandidateResult> {
  const { repo, candidate, expected } = request;
  const ref = `refs/heads/${checkBranch(request.branch)}`;
  if (candidate === expected) {
    const [head = null] = await remoteRefs(repo, [ref]);
    return head === candidate ? { result: 'pushed' } : { result: 'headMoved', head };
  }
  for (let number = 1; number <= KEEP_TRIES; number += 1) {
    const keepRef = number === 1 ? request.keepRef : `${request.keepRef}-${number}`;
    const pushed = await pushRefs(repo, [
      { ref: keepRef, commit: expected, expected: null },
      { ref, commit: candidate, expected },
    ]);
    if (pushed.result === 'pushed') return { result: 'pushed' };
    const [head = null, kept = null] = await remoteRefs(repo, [ref, keepRef]);
    if (head === candidate) return { result: 'pushed' };
    if (head !== expected) return { result: 'headMoved', head };
    if (kept === null || kept === expected) break;
  }
  throw new GitError('the candidate could not be pushed beside the head it replaces', {
    code: null,
    stderr: '',
    retryable: true,
  });
}

/**
 * One commit on main's tip that takes back what `base..head` changed. `empty`: main already is as if it never happened.
 * Landing the work again starts from a revert of this commit: the same branch rebased would come out empty.
 */
export async function revertRange(request: {
  repo: Repository;
  mainHead: string;
  base: string;
  head: string;
  message: string;
  itemId: string;
}): Promise<CandidateOutcome> {
  const { repo, mainHead, base, head } = request;
  for (const id of [mainHead, base, head]) checkObjectId(id);
  const [main, before, after] = await withObjects(
    repo.gitDir,
    async (reader) => [await reader.commit(mainHead), await reader.commit(base), await reader.commit(head)] as const,
  );
  const merged =
    main.tree === after.tree
      ? ({ kind: 'clean', tree: before.tree } as const)
      : await mergeTrees(repo, await beside(repo, head, main.tree), await beside(repo, head, before.tree));
  if (merged.kind === 'conflict') return merged;
  const { tree } = merged;
  if (tree === main.tree) return { kind: 'empty' };
  const date = stamp(dateOf(main.committer));
  const message = withTrailers(request.message, { [ITEM_TRAILER]: request.itemId });
  const commit = await writeCommit(repo.gitDir, { tree, parents: [mainHead], message, author: date, committer: date });
  return { kind: 'candidate', commit, tree, base: mainHead, fastForward: false };
}
