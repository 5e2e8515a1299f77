/** A project's forge and our cache of its repository, opened once and kept: cheap for every activity after the first. */
import type { ProjectConfig } from './config-types.ts';
import { openLocalForge } from './forges/local/index.ts';
import type { Forge } from './forges/port.ts';
import { openRepository } from './git/repository.ts';
import type { Repository } from './git/repository.ts';

export interface OpenProject {
  forge: Forge;
  repo: Repository;
}

/** Returns an opener that remembers what it opened, per project and repository. A failed opening is not remembered. */
export function createProjectOpener(home: string): (project: ProjectConfig) => Promise<OpenProject> {
  const opened = new Map<string, Promise<OpenProject>>();
  return (project) => {
    const key = `${project.key} ${project.repository} ${project.branch}`;
    const known = opened.get(key) ?? openProject(home, project);
    opened.set(key, known);
    known.catch(() => opened.delete(key));
    return known;
  };
}

async function openProject(home: string, project: ProjectConfig): Promise<OpenProject> {
  const forge = await openLocalForge({ home, key: project.key, source: project.repository, branch: project.branch });
  const repo = await openRepository({
    home,
    repositoryId: forge.repositoryId,
    remoteUrl: forge.remoteUrl,
    gitEnv: forge.gitEnvironment(),
    baseBranch: project.branch,
  });
  return { forge, repo };
}
