/**
 * A takeover: an empty commit that tells a run which lost its item (its host was cut off, say) that it has lost it.
 * Whoever's push is refused finds it and puts the work aside.
 */
import { ITEM_TRAILER, readTrailer, RUN_TRAILER, TAKEOVER_TRAILER, writeCommit } from './commit.ts';
import { GitError, gitLine } from './git.ts';
import { checkBranch, checkName } from './names.ts';
import { withObjects } from './objects.ts';
import { pushRefs } from './push.ts';
import { cachedRef, fetchRepository } from './repository.ts';
import type { Repository } from './repository.ts';

const TRIES = 5;
/** First-parent commits of the branch that are searched for an earlier attempt of ours. */
const LOOK_BACK = 100;

/** Pushes the empty commit of `runId` and returns the branch's head. Idempotent by run id. */
export async function pushTakeover(request: {
  repo: Repository;
  branch: string;
  itemId: string;
  runId: string;
  signal?: AbortSignal;
}): Promise<string> {
  const { repo } = request;
  const ref = `refs/heads/${checkBranch(request.branch)}`;
  checkName('run id', request.runId);
  checkName('item id', request.itemId);
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    await fetchRepository(repo, request.signal);
    const tip = await cachedRef(repo, ref);
    if (tip === null) throw failure(`branch ${request.branch} is not on the forge`, false);
    if (await hasTakeover(repo, tip, request.runId)) return tip;
    const tree = await withObjects(repo.gitDir, async (reader) => (await reader.commit(tip)).tree);
    const message = [
      `Run ${request.runId} takes over`,
      '',
      `${RUN_TRAILER}: ${request.runId}`,
      `${ITEM_TRAILER}: ${request.itemId}`,
      `${TAKEOVER_TRAILER}: true`,
    ].join('\n');
    const head = await writeCommit(repo.gitDir, { tree, parents: [tip], message });
    if ((await pushRefs(repo, [{ ref, commit: head, expected: tip }])).result === 'pushed') return head;
  }
  throw failure(`branch ${request.branch} moves faster than it can be taken over`, true);
}

async function hasTakeover(repo: Repository, tip: string, runId: string): Promise<boolean> {
  const args = ['rev-list', '--first-parent', `--max-count=${LOOK_BACK}`, tip];
  const list = await gitLine(args, { gitDir: repo.gitDir });
  return withObjects(repo.gitDir, async (reader) => {
    for (const oid of list.split('\n')) {
      const { message } = await reader.commit(oid);
      if (readTrailer(message, RUN_TRAILER) === runId && readTrailer(message, TAKEOVER_TRAILER) === 'true') return true;
    }
    return false;
  });
}

function failure(message: string, retryable: boolean): GitError {
  return new GitError(message, { code: null, stderr: '', retryable });
}
