/**
 * The artifact gate of a stage, read from a commit and never from a worktree. The gate is asked first: a questions or
 * conflict file counts only if it said no, and only if the run that just ended wrote or changed it.
 */
import path from 'node:path';
import type { ProjectConfig } from '../src/config-types.ts';
import { artifactsDirectory } from '../src/domain/names.ts';
import type { GateResult } from '../src/domain/types.ts';
import { evaluateArtifactGate } from '../src/gates/artifact-gate.ts';
import { blobsAt, readFileAt } from '../src/git/read.ts';
import { fetchRepository, remoteHead } from '../src/git/repository.ts';
import type { Repository } from '../src/git/repository.ts';
import { requireProject, runDirectory } from './deps.ts';
import type { Deps } from './deps.ts';
import type { GateAnswer, GateInput } from './types.ts';

/** Text that goes on the board or into a prompt; the whole file stays in the repository. */
const TEXT_LIMIT = 8_000;

export async function evaluateGate(deps: Deps, input: GateInput): Promise<GateAnswer> {
  const config = deps.config();
  const project = requireProject(deps, input.project);
  const { repo } = await deps.openProject(project);
  const commit = input.commit ?? (await currentHead(repo, input.branch));
  const directory = artifactsDirectory(project.artifacts.directory, input.itemId);
  const gate: GateResult =
    input.stage === 'development'
      ? { gate: 'run', status: 'passed', meaning: 'ok', commit, reason: 'the developer finished' }
      : await evaluateArtifactGate({
          stage: input.stage,
          repo,
          commit,
          itemId: input.itemId,
          names: project.artifacts,
          changed: input.artifacts,
          ...(input.detached && input.runId !== null
            ? { directory: path.join(runDirectory(config.home, input.itemId, input.runId), 'artifacts') }
            : {}),
        });
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
