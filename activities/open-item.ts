/** Stage created: the project is known, its repository answers, and the item's branch is ours. */
import { artifactsDirectory, branchName } from '../src/domain/names.ts';
import { createBranch } from '../src/git/branch.ts';
import { fetchRepository, remoteHead } from '../src/git/repository.ts';
import { hasLfsOrSubmodules } from '../src/git/read.ts';
import type { ProjectConfig } from '../src/config-types.ts';
import { StagewrightError } from '../src/errors.ts';
import type { Deps } from './deps.ts';
import type { ItemRef, OpenResult } from './types.ts';

export async function openItem(deps: Deps, input: ItemRef & { title: string }): Promise<OpenResult> {
  const config = deps.config();
  const project = config.projects[input.project];
  if (project === undefined) {
    return {
      result: 'refused',
      reason: `project ${input.project} is not configured`,
      mend: `add it to stagewright.yaml, then: stagewright retry ${input.itemId}`,
    };
  }
  const opened = await openProject(deps, project);
  if ('result' in opened) return opened;
  const { forge, repo } = opened;
  await forge.syncFromSource?.();
  await fetchRepository(repo);
  const base = await remoteHead(repo, project.branch);
  if (base === null) {
    return {
      result: 'refused',
      reason: `the repository has no branch ${project.branch}`,
      mend: `set projects.${project.key}.branch, then: stagewright retry ${input.itemId}`,
    };
  }
  const special = await hasLfsOrSubmodules(repo, base);
  if (special !== null) {
    return {
      result: 'refused',
      reason: `the repository uses ${special === 'lfs' ? 'Git LFS' : 'submodules'}, which an item's clone does not carry`,
      mend: `stagewright cancel ${input.itemId}`,
    };
  }
  const branch = branchName(input.itemId, input.title);
  const created = await createBranch(repo, { branch, from: base, itemId: input.itemId });
  if (created.result === 'foreign') {
    return {
      result: 'refused',
      reason: `branch ${branch} exists already and was not created by us`,
      mend: `rename or delete it, then: stagewright retry ${input.itemId}`,
    };
  }
  return {
    result: 'opened',
    branch,
    head: created.head,
    base,
    repositoryId: repo.repositoryId,
    baseBranch: project.branch,
    skipStages: project.skipStages,
    artifactsDirectory: artifactsDirectory(project.artifacts.directory, input.itemId),
  };
}

/** A repository that is not there any more is for a person to mend; everything else is tried again. */
async function openProject(
  deps: Deps,
  project: ProjectConfig,
): Promise<Extract<OpenResult, { result: 'refused' }> | Awaited<ReturnType<Deps['openProject']>>> {
  try {
    return await deps.openProject(project);
  } catch (error) {
    if (!(error instanceof StagewrightError)) throw error;
    return { result: 'refused', reason: error.message, mend: error.mend ?? `check projects.${project.key}.repository` };
  }
}
