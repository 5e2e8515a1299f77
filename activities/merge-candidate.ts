/**
 * The merge gate's two hands. `prepareCandidate` makes the very commit that will be tested; `landCandidate` pushes it,
 * lands it and confirms by ancestry. Both may be repeated at any point: what is done already is found done.
 */
import { messageOf } from '../src/errors.ts';
import { neutraliseText, pullRequestTitle } from '../src/domain/names.ts';
import { runCeilingMs } from '../src/domain/budgets.ts';
import type { ProjectConfig } from '../src/config-types.ts';
import type { MergeRequest } from '../src/domain/protocol.ts';
import type { Forge } from '../src/forges/port.ts';
import { checkMarkersAt } from '../src/gates/markers-gate.ts';
import { keepCandidate, keptCandidate, makeCandidate, pushCandidate } from '../src/git/candidate.ts';
import { isAncestor, sameOutside } from '../src/git/read.ts';
import { artifactsDirectory } from '../src/domain/names.ts';
import { fetchRepository, remoteHead, remoteRefs } from '../src/git/repository.ts';
import type { Repository } from '../src/git/repository.ts';
import { commandOf } from './gate-command.ts';
import { requireProject } from './deps.ts';
import type { Deps } from './deps.ts';
import type { CandidateInput, CandidateResult, LandInput, LandOutcome } from './types.ts';

const COMMAND_MARGIN_MS = 10 * 60_000;
/** The merge queue gives up after as many moved bases. */
const MAX_ROUNDS = 3;

export async function prepareCandidate(deps: Deps, input: CandidateInput): Promise<CandidateResult> {
  const { request } = input;
  const project = requireProject(deps, input.project);
  const { repo } = await deps.openProject(project);
  await fetchRepository(repo);
  const base = await remoteHead(repo, project.branch);
  if (base === null) throw new Error(`the forge has no branch ${project.branch}`);
  const head = await remoteHead(repo, request.branch);
  const kept = await keptCandidate(repo, request.itemId);
  // The answer of a landing was lost: asked anew, its candidate is on main, and the branch stands at it or is gone.
  if (kept !== null && (head === kept.commit || (head === null && (await wasMadeFrom(repo, request, kept.commit))))) {
    if (await isAncestor(repo, kept.commit, base).catch(() => false)) {
      return { result: 'landed', base: kept.base, head: kept.commit };
    }
  }
  if (head === null) {
    return { result: 'empty', reason: `branch ${request.branch} is not on the forge any more` };
  }
  // A round that pushed its candidate and then met a moved base has left that candidate on the branch.
  if (head !== request.head && head !== kept?.commit) {
    return { result: 'moved', reason: `${request.branch} was pushed to since its review (now ${head.slice(0, 10)})` };
  }
  const made = await makeCandidate({
    repo,
    mainHead: base,
    head,
    landing: project.landing,
    message: neutraliseText(pullRequestTitle(request.itemId, request.title)),
    itemId: request.itemId,
  });
  if (made.kind === 'conflict') {
    const reason = `the branch conflicts with ${project.branch} in ${made.files.join(', ')}`;
    return { result: 'conflict', reason, tail: made.text.slice(-2_048) };
  }
  if (made.kind === 'empty') {
    return { result: 'empty', reason: `the branch changes nothing against ${project.branch}` };
  }
  await keepCandidate(repo, { itemId: request.itemId, commit: made.commit, base });
  const lost = await lostMarkers(repo, project, base, made.commit, request.itemId);
  if (lost !== null) return { result: 'markers', reason: lost };
  const { limits } = deps.config();
  return {
    result: 'candidate',
    commit: made.commit,
    tree: made.tree,
    base,
    from: head,
    retest: commandOf(project, 'retest') !== null && !(await isValidated(repo, project, input, made.commit)),
    retestTimeoutMs: limits.retestTimeoutMs,
    retestCeilingMs:
      runCeilingMs({ budgetMs: limits.retestTimeoutMs, interruptMs: limits.interruptMs, graceMs: limits.graceMs }) +
      COMMAND_MARGIN_MS,
    infraRetries: limits.infraRetries,
    infraRetryBaseMs: limits.infraRetryBaseMs,
  };
}

/** A candidate takes the branch's place, and the head that it replaces is kept beside it, by round. */
async function wasMadeFrom(repo: Repository, request: MergeRequest, candidate: string): Promise<boolean> {
  if (candidate === request.head) return true;
  const replaced = Array.from({ length: MAX_ROUNDS }, (_, round) => `refs/stagewright/${request.itemId}/${round + 1}`);
  return (await remoteRefs(repo, replaced)).includes(request.head);
}

/** Skipped only where our own command has passed on this very tree, reports aside; any doubt runs it. */
async function isValidated(
  repo: Repository,
  project: ProjectConfig,
  input: CandidateInput,
  commit: string,
): Promise<boolean> {
  const { validated, itemId } = input.request;
  if (!project.skipRetest || validated === null || project.commands.retest !== undefined) return false;
  const directory = artifactsDirectory(project.artifacts.directory, itemId);
  return await sameOutside(repo, validated.commit, commit, directory).catch(() => false);
}

async function lostMarkers(
  repo: Repository,
  project: ProjectConfig,
  mainCommit: string,
  candidate: string,
  itemId: string,
): Promise<string | null> {
  if (project.markersFile === null) return null;
  const problems = await checkMarkersAt({ repo, mainCommit, candidate, itemId, markersFile: project.markersFile });
  return problems.length === 0
    ? null
    : `regression markers would be lost: ${problems
        .slice(0, 5)
        .map((problem) => problem.reason)
        .join('; ')}`;
}

export async function landCandidate(deps: Deps, input: LandInput): Promise<LandOutcome> {
  const { request, commit, base } = input;
  const project = requireProject(deps, input.project);
  const { forge, repo } = await deps.openProject(project);
  await fetchRepository(repo);
  if (await hasLanded(repo, project, commit)) return await confirm(forge, input);
  const pull = await forge.ensurePullRequest({
    branch: request.branch,
    base: project.branch,
    title: pullRequestTitle(request.itemId, request.title),
    body: '',
  });
  const pushed = await pushCandidate({
    repo,
    branch: request.branch,
    candidate: commit,
    expected: input.from,
    keepRef: `refs/stagewright/${request.itemId}/${input.round}`,
  });
  if (pushed.result !== 'pushed')
    return { result: 'headMoved', reason: `${request.branch} has moved since it was tested` };
  await forge.setStatus(commit, {
    context: 'stagewright/merge-gate',
    state: 'success',
    description: 'this very commit was tested',
  });
  const landed = await forge.land({
    pullRequest: pull.id,
    branch: request.branch,
    head: commit,
    baseBranch: project.branch,
    base,
  });
  switch (landed.result) {
    case 'landed':
      break;
    case 'baseMoved':
      return { result: 'baseMoved' };
    case 'headMoved':
      return { result: 'headMoved', reason: `${request.branch} has moved since it was tested` };
    case 'notReady':
    case 'busy':
      return { result: 'infrastructure', reason: landed.reason };
    case 'refused':
      return { result: 'refused', reason: landed.reason };
    default:
      landed satisfies never;
  }
  await fetchRepository(repo);
  if (!(await hasLanded(repo, project, commit))) {
    return {
      result: 'infrastructure',
      reason: `the forge says landed, but ${project.branch} does not contain the commit yet`,
    };
  }
  return await confirm(forge, input);
}

/** Landed = the tested commit is an ancestor of freshly fetched main; the pull request's flag is only shown. */
async function hasLanded(repo: Repository, project: ProjectConfig, commit: string): Promise<boolean> {
  const tip = await remoteHead(repo, project.branch);
  return tip !== null && (await isAncestor(repo, commit, tip));
}

async function confirm(forge: Forge, input: LandInput): Promise<LandOutcome> {
  const { pullRequest } = input.request;
  try {
    const pull = pullRequest === null ? null : await forge.getPullRequest(pullRequest);
    if (pull?.state === 'open') await forge.closePullRequest(pull.id, `landed as ${input.commit}`);
  } catch (error) {
    // The commit is on main: a pull request that could not be closed must not turn that into a failure.
    void messageOf(error);
  }
  return { result: 'landed', base: input.base, head: input.commit };
}
