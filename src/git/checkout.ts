/**
 * A fresh export of a commit for gates: what is tested is what would land, and nothing that an agent left lying about.
 * It appears whole or not at all.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeAgentGit } from './agent-git.ts';
import { removeDirectory } from './directory.ts';
import { git } from './git.ts';
import { copyIndex } from './layout.ts';
import { checkObjectId } from './names.ts';
import { ensureCommit } from './repository.ts';
import type { Repository } from './repository.ts';

export { removeDirectory } from './directory.ts';

/**
 * Exports the commit into `directory`, which must be absent or empty. Links are made, none is followed. With `withGit`
 * it gets a small `.git` of its own (detached, no remote, copied objects) for tools that ask for one.
 */
export async function checkoutCommit(request: {
  repo: Repository;
  commit: string;
  directory: string;
  withGit?: boolean;
  signal?: AbortSignal;
}): Promise<void> {
  const { repo, signal } = request;
  const commit = checkObjectId(request.commit);
  const directory = path.resolve(request.directory);
  const fresh = `${directory}.new-${randomUUID()}`;
  const index = `${fresh}.index`;
  await ensureCommit(repo, commit, signal);
  await mkdir(fresh, { recursive: true });
  try {
    await git(['read-tree', '--reset', '-u', commit], {
      gitDir: repo.gitDir,
      workTree: fresh,
      cwd: fresh,
      env: { GIT_INDEX_FILE: index },
      ...(signal === undefined ? {} : { signal }),
    });
    if (request.withGit === true) {
      await writeAgentGit(repo, path.join(fresh, '.git'), { commit, branch: null });
      await copyIndex(index, path.join(fresh, '.git', 'index'));
    }
    await rename(fresh, directory);
  } finally {
    await rm(index, { force: true });
    await removeDirectory(fresh);
  }
}
