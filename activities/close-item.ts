/** The end of an item on the forge, and the file that outlives Temporal's retention. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pullRequestTitle } from '../src/domain/names.ts';
import { deleteBranch } from '../src/git/branch.ts';
import { isAncestor } from '../src/git/read.ts';
import { fetchRepository, remoteHead } from '../src/git/repository.ts';
import { requireProject } from './deps.ts';
import type { Deps } from './deps.ts';
import type { CloseInput, EvidenceInput, PullRequestInput } from './types.ts';

export async function ensurePullRequest(deps: Deps, input: PullRequestInput): Promise<{ id: string; url: string }> {
  const project = requireProject(deps, input.project);
  const { forge } = await deps.openProject(project);
  const pull = await forge.ensurePullRequest({
    branch: input.branch,
    base: project.branch,
    title: pullRequestTitle(input.itemId, input.title),
    body: `Work item ${input.itemId}. Its artifacts are in the branch; what lands is tested by the merge gate.`,
  });
  return { id: pull.id, url: pull.url };
}

/** done: the branch goes (its commits are on main). cancelled: the pull request is closed, branch and work stay. */
export async function closeItem(deps: Deps, input: CloseInput): Promise<void> {
  const project = deps.config().projects[input.project];
  if (project === undefined || input.branch === null) return;
  const { forge, repo } = await deps.openProject(project);
  if (input.how === 'cancelled') {
    if (input.pullRequest !== null) {
      await forge.closePullRequest(input.pullRequest, `${input.itemId} was cancelled; the branch is kept.`);
    }
    return;
  }
  await fetchRepository(repo);
  const head = await remoteHead(repo, input.branch);
  const main = await remoteHead(repo, project.branch);
  // Somebody's later push is nobody's to delete: only what is on main goes.
  if (head === null || main === null || !(await isAncestor(repo, head, main))) return;
  await deleteBranch(repo, { branch: input.branch, itemId: input.itemId, expected: head });
}

/** Written before the execution completes: after retention only this file exists. */
export async function exportEvidence(deps: Deps, input: EvidenceInput): Promise<string> {
  const directory = path.join(deps.config().home, 'evidence');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, `${input.itemId}-${input.workflowRunId}.json`);
  const fresh = `${file}.new`;
  await writeFile(fresh, `${JSON.stringify(input, null, 2)}\n`, { mode: 0o600 });
  await rename(fresh, file);
  return file;
}
