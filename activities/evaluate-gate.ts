/**
 * The artifact gate of a stage, read from a commit and never from a worktree. The gate is asked first: a questions or
 * conflict file counts only if it said no, and only if the run that just ended wrote or changed it.
 */
import path from 'node:path';
import type { ProjectConfig } from '../src/config-types.ts';
import { artifactsDirectory } from '../src/domain/names.ts';
import type { GateResult } from '../src/domain/types.ts';
import { evaluateArtifactGate } from '../src/gates/artifact-gate.ts';
import { checkMarkersAt } from '../src/gates/markers-gate.ts';
import { blobsAt, isAncestor, readFileAt } from '../src/git/read.ts';
import { fetchRepository, remoteHead } from '../src/git/repository.ts';
import type { Repository } from '../src/git/repository.ts';
import { requireProject, runDirectory } from './deps.ts';
import type { Deps } from './deps.ts';
import type { GateAnswer, GateInput } from './types.ts';

/** Text that goes on the board or into a prompt; the whole file stays in the repository. */
const TEXT_LIMIT = 8_000;

export async function evaluateGate(deps: Deps, input: GateInput): Promise<GateAnswer> {
  const project = requireProject(deps, input.project);
  const { repo } = await deps.openProject(project);
  const commit = input.commit ?? (await currentHead(repo, input.branch));
  const directory = artifactsDirectory(project.artifacts.directory, input.itemId);
  const gate = await askGate(deps, project, repo, commit, input);
  const no = gate.status === 'failed';
  const questions = path.posix.join(directory, project.artifacts.questions);
  const conflict = path.posix.join(directory, project.artifacts.conflict);
  return {
    gate,
    head: commit,
    questions: no && input.stage === 'analysis' ? await readFresh(repo, commit, questions, input.fresh) : null,
    conflict: no && input.stage === 'architecture' ? await readFresh(repo, commit, conflict, input.fresh) : null,
    blobs: await approvedBlobs(repo, project, commit, directory, input),
  };
}

async function askGate(
  deps: Deps,
  project: ProjectConfig,
  repo: Repository,
  commit: string,
  input: GateInput,
): Promise<GateResult> {
  if (input.stage === 'deploy') {
    const lost = await lostOnMain(repo, project, commit, input.itemId);
    if (lost !== null) return { gate: 'landed', status: 'failed', meaning: 'refused', commit, reason: lost };
  }
  const { home } = deps.config();
  return await evaluateArtifactGate({
    stage: input.stage,
    repo,
    commit,
    itemId: input.itemId,
    names: project.artifacts,
    changed: input.artifacts,
    ...(input.runId === null
      ? {}
      : { directory: path.join(runDirectory(home, input.itemId, input.runId), 'artifacts') }),
  });
}

/** Main contains what landed, and every regression marker holds on it; else what is lost. */
async function lostOnMain(
  repo: Repository,
  project: ProjectConfig,
  landed: string,
  itemId: string,
): Promise<string | null> {
  await fetchRepository(repo);
  const main = await remoteHead(repo, project.branch);
  if (main === null || !(await isAncestor(repo, landed, main))) {
    return `${project.branch} does not contain ${landed.slice(0, 10)} any more`;
  }
  if (project.markersFile === null) return null;
  const { markersFile } = project;
  const problems = await checkMarkersAt({ repo, mainCommit: main, candidate: main, itemId, markersFile });
  return problems.length === 0 ? null : problems.map((problem) => problem.reason).join('; ');
}

async function currentHead(repo: Repository, branch: string | null): Promise<string> {
  await fetchRepository(repo);
  const head = branch === null ? null : await remoteHead(repo, branch);
  if (head === null) throw new Error(`branch ${branch} is not on the forge`);
  return head;
}

/** The approval of analysis is bound to the blobs of its files: a later change to one of them voids it. */
async function approvedBlobs(
  repo: Repository,
  project: ProjectConfig,
  commit: string,
  directory: string,
  input: GateInput,
): Promise<Record<string, string>> {
  if (input.stage !== 'analysis') return {};
  const paths = project.artifacts.analysis.map((file) => path.posix.join(directory, file));
  const blobs = await blobsAt(repo, commit, paths);
  return Object.fromEntries(Object.entries(blobs).flatMap(([file, blob]) => (blob === null ? [] : [[file, blob]])));
}

async function readFresh(
  repo: Repository,
  commit: string,
  file: string,
  fresh: readonly string[],
): Promise<string | null> {
  if (!fresh.includes(file)) return null;
  const found = await readFileAt(repo, commit, file);
  return found.kind === 'file' && found.text.trim() !== '' ? found.text.slice(0, TEXT_LIMIT) : null;
}
