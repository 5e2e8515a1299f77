/**
 * Landing on the local forge: one transaction that verifies the branch and moves base from the commit that was tested
 * against to the commit that was tested. Of two landings at once one lands, the other is told that base moved.
 */
import { GitError } from '../../git/git.ts';
import { isObjectId } from '../../git/names.ts';
import type { Forge, LandResult } from '../port.ts';
import { numberOf, readPull, writePull } from './pulls.ts';
import type { PullRecord } from './pulls.ts';
import { BASE_SHADOW_REF, contains, readRefs, updateRefs } from './repository.ts';

export async function landPull(
  forge: { repository: string; pulls: string; branch: string },
  request: Parameters<Forge['land']>[0],
): Promise<LandResult> {
  const { head, base } = request;
  const number = numberOf(request.pullRequest);
  const pull = number === null ? null : await readPull(forge.pulls, number);
  const refusal = findRefusal(forge.branch, pull, request);
  if (pull === null || refusal !== null) return { result: 'refused', reason: refusal ?? 'no such pull request' };

  const baseRef = `refs/heads/${pull.base}`;
  const branchRef = `refs/heads/${pull.branch}`;
  const landedRef = `refs/landed/${pull.number}`;
  const [baseNow, headNow, landed] = await readRefs(forge.repository, [baseRef, branchRef, landedRef]);
  // The answer to an earlier landing of this very commit was lost.
  if (landed === head && baseNow && (await contains(forge.repository, baseNow, head))) {
    await markLanded(forge.pulls, pull, base, head);
    return { result: 'landed' };
  }
  if (pull.state !== 'open') return { result: 'refused', reason: `the pull request is ${pull.state}` };
  if (headNow !== head) return { result: 'headMoved' };
  if (baseNow !== base) return { result: 'baseMoved' };
  if (!(await contains(forge.repository, head, base))) {
    return { result: 'refused', reason: 'the head does not contain the base: not a fast-forward' };
  }
  try {
    // Written first, so that a killed transaction never leaves a landing without its note.
    await updateRefs(forge.repository, [
      `update ${landedRef} ${head}`,
      `update ${baseRef} ${head} ${base}`,
      `update ${BASE_SHADOW_REF} ${head}`,
      `verify ${branchRef} ${head}`,
    ]);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return explain(forge.repository, { baseRef, branchRef, head, base }, error);
  }
  await markLanded(forge.pulls, pull, base, head);
  return { result: 'landed' };
}

/** Why the transaction failed, by what the refs are now: git's words differ between versions. */
async function explain(
  repository: string,
  want: { baseRef: string; branchRef: string; head: string; base: string },
  error: GitError,
): Promise<LandResult> {
  const [baseNow, headNow] = await readRefs(repository, [want.baseRef, want.branchRef]);
  if (headNow !== want.head) return { result: 'headMoved' };
  if (baseNow !== want.base) return { result: 'baseMoved' };
  if (error.retryable) return { result: 'busy', reason: 'a git ref is locked' };
  throw error;
}

function findRefusal(
  branch: string,
  pull: PullRecord | null,
  request: { branch: string; baseBranch: string; head: string; base: string },
): string | null {
  if (pull === null) return 'no such pull request';
  if (pull.branch !== request.branch || pull.base !== request.baseBranch)
    return 'the pull request is of other branches';
  if (pull.base !== branch) return `only ${branch} can be landed on`;
  return isObjectId(request.head) && isObjectId(request.base) ? null : 'head and base must be full commit ids';
}

async function markLanded(pulls: string, pull: PullRecord, base: string, head: string): Promise<void> {
  if (pull.state === 'merged') return;
  await writePull(pulls, { ...pull, state: 'merged', head, landed: { base, head } });
}
