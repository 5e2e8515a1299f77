/**
 * An item's branch on the forge. A marker ref pushed in the same atomic push says that we made it: a branch that we did
 * not create is never adopted, and a creation that was cut short is recognised when it is repeated.
 */
import { GitError } from './git.ts';
import { checkBranch, checkName, checkObjectId } from './names.ts';
import { pushRefs } from './push.ts';
import { remoteRefs } from './repository.ts';
import type { Repository } from './repository.ts';

export type CreateBranchResult =
  | { result: 'created' | 'exists'; head: string }
  /** Somebody else's branch of that name. */
  | { result: 'foreign'; head: string };

const TRIES = 3;

/** Creates the branch on the forge at `from`, or finds the one that we created earlier. Idempotent. */
export async function createBranch(
  repo: Repository,
  request: { branch: string; from: string; itemId: string; signal?: AbortSignal },
): Promise<CreateBranchResult> {
  const { from } = request;
  checkObjectId(from);
  const branchRef = `refs/heads/${checkBranch(request.branch)}`;
  const markerRef = createdRef(request.itemId, request.branch);
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const [head = null, marker = null] = await remoteRefs(repo, [branchRef, markerRef], request.signal);
    if (head !== null) return { result: marker === null ? 'foreign' : 'exists', head };
    // A marker alone is of an earlier life of this item, whose branch is gone: it is moved along with the new branch.
    const pushed = await pushRefs(repo, [
      { ref: branchRef, commit: from, expected: null },
      { ref: markerRef, commit: from, expected: marker },
    ]);
    if (pushed.result === 'moved') continue;
    if (!pushed.unchanged.includes(branchRef)) return { result: 'created', head: from };
    // Somebody was first by a moment, at the very commit: another attempt of ours has left its marker as well.
    if (pushed.unchanged.includes(markerRef)) return { result: 'exists', head: from };
    await pushRefs(repo, [{ ref: markerRef, commit: null, expected: from }]);
    return { result: 'foreign', head: from };
  }
  throw new GitError(`branch ${request.branch} changes faster than it can be created`, {
    code: null,
    stderr: '',
    retryable: true,
  });
}

/** Deletes the branch and its marker if it is still at `expected`. False: it has moved. A missing branch is fine. */
export async function deleteBranch(
  repo: Repository,
  request: { branch: string; itemId: string; expected: string },
): Promise<boolean> {
  const branchRef = `refs/heads/${checkBranch(request.branch)}`;
  const markerRef = createdRef(request.itemId, request.branch);
  const [head = null, marker = null] = await remoteRefs(repo, [branchRef, markerRef]);
  if (head === null && marker === null) return true;
  if (head !== null && head !== request.expected) return false;
  const pushed = await pushRefs(repo, [
    ...(head === null ? [] : [{ ref: branchRef, commit: null, expected: head }]),
    ...(marker === null ? [] : [{ ref: markerRef, commit: null, expected: marker }]),
  ]);
  return pushed.result === 'pushed';
}

function createdRef(itemId: string, branch: string): string {
  return `refs/stagewright/${checkName('item id', itemId)}/created/${branch}`;
}
