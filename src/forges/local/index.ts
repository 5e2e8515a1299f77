/**
 * The built-in forge: a bare repository under the instance's directory, with pull requests and statuses as files beside
 * it. `land` is one ref transaction that compares base and head, so what lands is the tested commit or nothing.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import * as z from 'zod';
import { GitError } from '../../git/git.ts';
import { checkBranch, checkName, checkObjectId } from '../../git/names.ts';
import { ForgeError } from '../port.ts';
import type { CommitStatus, Forge, PullRequest } from '../port.ts';
import { listJson, readJson, writeJson } from './files.ts';
import { landPull } from './land.ts';
import { ensurePull, numberOf, readPull, writePull } from './pulls.ts';
import type { PullRecord } from './pulls.ts';
import { baseOf, ensureBareRepository, syncBase } from './repository.ts';
import type { SyncResult } from './repository.ts';

export type { SyncResult } from './repository.ts';

export interface LocalForge extends Forge {
  /** Takes over what was pushed to the user's repository meanwhile, if base can be fast-forwarded to it. */
  syncFromSource(): Promise<SyncResult>;
}

const Status = z.object({
  context: z.string(),
  state: z.enum(['pending', 'success', 'failure']),
  description: z.string(),
});

/**
 * Opens `<home>/forge/<key>.git`, made at first use from the base branch and tags of `source` (a path, bare or not).
 * Throws StagewrightError where the source is no repository or lacks the branch.
 */
export async function openLocalForge(options: {
  home: string;
  key: string;
  source: string;
  branch: string;
}): Promise<LocalForge> {
  const key = checkName('project key', options.key);
  const branch = checkBranch(options.branch);
  const folder = path.join(path.resolve(options.home), 'forge');
  const repository = path.join(folder, `${key}.git`);
  const pulls = path.join(folder, key, 'pulls');
  const statuses = path.join(folder, key, 'statuses');
  await ensureBareRepository(repository, options.source, branch);

  async function present(pull: PullRecord): Promise<PullRequest> {
    const live = pull.state === 'open' ? await baseOf(repository, pull.branch) : null;
    return {
      id: String(pull.number),
      title: pull.title,
      branch: pull.branch,
      base: pull.base,
      head: live ?? pull.head,
      state: pull.state,
      url: `local:${key}/pulls/${pull.number}`,
    };
  }

  return {
    remoteUrl: repository,
    repositoryId: `local-${key}`,
    gitEnvironment: () => ({}),
    async ensurePullRequest(request) {
      const head = await baseOf(repository, checkBranch(request.branch));
      if (head === null) throw new ForgeError(`there is no branch ${request.branch}`, false);
      return present(await ensurePull(pulls, { ...request, head }));
    },
    async getPullRequest(id) {
      const number = numberOf(id);
      const pull = number === null ? null : await readPull(pulls, number);
      return pull === null ? null : present(pull);
    },
    async closePullRequest(id, comment) {
      const number = numberOf(id);
      const pull = number === null ? null : await readPull(pulls, number);
      if (pull === null) throw new ForgeError(`there is no pull request ${id}`, false);
      if (pull.state !== 'open') return;
      const head = (await baseOf(repository, pull.branch)) ?? pull.head;
      const comments = [...pull.comments, { at: new Date().toISOString(), text: comment }];
      await writePull(pulls, { ...pull, state: 'closed', head, comments });
    },
    async setStatus(commit, status) {
      await writeJson(path.join(statuses, checkObjectId(commit), fileOf(status.context)), status);
    },
    async listStatuses(commit) {
      const directory = path.join(statuses, checkObjectId(commit));
      const found: CommitStatus[] = [];
      for (const name of (await listJson(directory)).toSorted()) {
        const parsed = Status.safeParse(await readJson(path.join(directory, name)));
        if (parsed.success) found.push(parsed.data);
      }
      return found;
    },
    land: (request) => landPull({ repository, pulls, branch }, request),
    syncFromSource: async () => {
      try {
        return await syncBase(repository, options.source, branch);
      } catch (error) {
        if (error instanceof GitError) throw new ForgeError(error.message, error.retryable);
        throw error;
      }
    },
  };
}

/** One file per context, whatever characters its name has. */
function fileOf(context: string): string {
  return `${createHash('sha256').update(context).digest('hex').slice(0, 32)}.json`;
}
