/**
 * Attends a run: launches it if this run id has no launch record, else attaches; reads along; returns how it ended.
 * An attempt is a spectator: a second one beside a living first is harmless, and of all reasons to end an attempt only a
 * cancel or a pause stops the agent.
 */
import { Context } from '@temporalio/activity';
import { randomUUID } from 'node:crypto';
import { mkdir, statfs, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentFinalResult } from '../src/agents/contract.ts';
import { agentCli } from '../src/agents/index.ts';
import { renderPrompt } from '../src/agents/prompts.ts';
import { RUN_FORMAT } from '../src/agents/record.ts';
import type { ExitRecord, LaunchRecord } from '../src/agents/record.ts';
import { attachRun } from '../src/agents/run/attach.ts';
import { baseEnvironment } from '../src/agents/run/environment.ts';
import { launchRun, warmSupervisor } from '../src/agents/run/launch.ts';
import { reserveSlot } from '../src/agents/run/slots.ts';
import { readRunState } from '../src/agents/run/state.ts';
import { stopRun as stopRunDirectory } from '../src/agents/run/stop.ts';
import type { ProjectConfig } from '../src/config-types.ts';
import { confine } from '../src/confine/index.ts';
import { artifactsDirectory } from '../src/domain/names.ts';
import { judgeRun } from '../src/domain/run-result.ts';
import { classifyText } from '../src/domain/classify.ts';
import type { Failure, RunResult } from '../src/domain/types.ts';
import { itemPaths } from '../src/git/layout.ts';
import { maintainRepository } from '../src/git/maintain.ts';
import { prepareTree } from '../src/git/tree.ts';
import { isLock, tryFileLock } from '../src/temporal/file-lock.ts';
import { RESERVE_MS, SLOT_POLL_MS } from './claim-slot.ts';
import { requireProject, runDirectory } from './deps.ts';
import type { Deps } from './deps.ts';
import { whileBeating } from './heartbeat.ts';
import { saveLeftovers } from './leftovers.ts';
import { noteUnsaved } from './unsaved-note.ts';
import { TAIL_BYTES, UNSTRUCTURED_BYTES, Witness } from './witness.ts';
import type { RunInput } from './types.ts';

/** Less than a result line and an exit message take. */
const FULL_BYTES = 64 * 1024;
/** How often an attempt looks whether another one has prepared the tree. */
const PREPARE_POLL_MS = 50;

export async function runAgent(deps: Deps, input: RunInput): Promise<RunResult> {
  const { home } = deps.config();
  const runDir = runDirectory(home, input.itemId, input.runId);
  return await whileBeating(
    () => ({ runDir }),
    async (signal) => {
      const attached = !(await launchOnce(deps, input, runDir, signal));
      const witness = new Witness(agentCli(input.agent).createReader());
      try {
        const end = await attachRun(runDir, {
          signal,
          onLine: (line) => witness.see(line),
          renew: () => true,
          quietOk: () => witness.isToolOpen(),
        });
        return await reportEnd(input, runDir, end.kind === 'ended' ? end.exit : null, witness, attached);
      } catch (error) {
        await stopIfAsked(deps, runDir, signal);
        throw error;
      }
    },
  );
}

/**
 * Launches the run unless it was; true where this attempt did. One attempt at a time prepares the tree: a second one that
 * looked before the launch record was there would else reset the tree under the agent at work.
 */
async function launchOnce(deps: Deps, input: RunInput, runDir: string, signal: AbortSignal): Promise<boolean> {
  while (readRunState(runDir).state === 'absent') {
    await mkdir(runDir, { recursive: true, mode: 0o700 });
    const lock = tryFileLock(path.join(runDir, 'preparing'));
    if (!isLock(lock)) {
      if (signal.aborted) throw signal.reason;
      await sleep(PREPARE_POLL_MS);
      continue;
    }
    try {
      if (readRunState(runDir).state !== 'absent') return false;
      await launch(deps, input, runDir, signal);
      return true;
    } finally {
      lock.release();
    }
  }
  return false;
}

/** Only these two reasons stop an agent; notFound, timedOut, reset and a worker's shutdown detach and touch nothing. */
async function stopIfAsked(deps: Deps, runDir: string, signal: AbortSignal): Promise<void> {
  if (!signal.aborted) return;
  const details = Context.current().cancellationDetails;
  if (details?.cancelRequested !== true && details?.paused !== true) return;
  const { interruptMs, graceMs } = deps.config().limits;
  await stopRunDirectory(runDir, 'cancelled', { waitMs: interruptMs + graceMs + 10_000 });
}

async function launch(deps: Deps, input: RunInput, runDir: string, signal: AbortSignal): Promise<void> {
  const { home, limits } = deps.config();
  const project = requireProject(deps, input.project);
  const { repo } = await deps.openProject(project);
  const warm = warmSupervisor(runDir, input.runId);
  try {
    await saveLeftovers(deps, input);
    // A resumed session finds its tree at the work that was saved of it, in the same place.
    const [promptPath] = await Promise.all([
      writePrompt(deps, input, project, runDir),
      prepareTree({
        repo,
        home,
        itemId: input.itemId,
        branch: input.branch,
        commit: input.commit,
        detached: input.detached,
        signal,
      }),
    ]);
    await noteUnsaved(home, input);
    if (signal.aborted) throw signal.reason;
    // A slow preparation may have outlived the claim's reservation: without this, one agent too many would run.
    const slot = { runId: input.runId, runDir, reserveMs: RESERVE_MS };
    while (!(await reserveSlot(home, 'agent', limits.concurrentRuns, slot))) {
      await sleep(SLOT_POLL_MS);
      if (signal.aborted) throw signal.reason;
    }
    await launchRun(runDir, recordOf(deps, input, runDir, promptPath), warm);
  } finally {
    warm.discard();
  }
  // Beside the agent, which has begun; the next preparation copies fewer files.
  void maintainRepository(repo);
}

/** Renders the prompt into the run's directory; returns its path. */
async function writePrompt(deps: Deps, input: RunInput, project: ProjectConfig, runDir: string): Promise<string> {
  const directory = artifactsDirectory(project.artifacts.directory, input.itemId);
  const ticket = await deps.tracker.getItem(input.itemId);
  const prompt = renderPrompt({
    itemId: input.itemId,
    title: ticket?.title ?? input.itemId,
    description: ticket?.description ?? '',
    stage: input.stage,
    role: input.role,
    entry: input.entry,
    branch: input.branch,
    artifactsDirectory: directory,
    expected: input.expected,
    reasons: input.reasons,
    ...(project.markersFile === null ? {} : { markersFile: project.markersFile }),
    questionsPath: path.posix.join(directory, project.artifacts.questions),
    conflictPath: path.posix.join(directory, project.artifacts.conflict),
  });
  const promptPath = path.join(runDir, 'prompt.md');
  await writeFile(promptPath, prompt, { mode: 0o600 });
  return promptPath;
}

function recordOf(deps: Deps, input: RunInput, runDir: string, promptPath: string): LaunchRecord {
  const config = deps.config();
  const cli = agentCli(input.agent);
  const sessionId = input.resumeSessionId ?? randomUUID();
  const cwd = itemPaths(config.home, input.itemId).tree;
  const plan = cli.plan({
    itemId: input.itemId,
    stage: input.stage,
    role: input.role,
    cwd,
    runDir,
    promptPath,
    model: input.model,
    effort: input.effort,
    sessionId,
    ...(input.resumeSessionId !== null && cli.canResume ? { resumeSessionId: input.resumeSessionId } : {}),
    settings: config.agents[input.agent] ?? {},
  });
  const confined = confine({ argv: plan.argv, env: { ...baseEnvironment(process.env), ...plan.env } }, config.sandbox);
  const { limits } = config;
  return {
    format: RUN_FORMAT,
    runId: input.runId,
    itemId: input.itemId,
    kind: 'agent',
    argv: confined.argv,
    env: confined.env,
    cwd,
    stdinPath: promptPath,
    budgetMs: input.budgetMs,
    silenceMs: input.silenceMs,
    outputLimitBytes: limits.outputLimitBytes,
    leaseMs: limits.leaseMs,
    interruptMs: limits.interruptMs,
    graceMs: limits.graceMs,
    agent: input.agent,
    model: input.model,
    effort: input.effort,
    sessionId,
    meta: {
      hostId: deps.hostId,
      stage: input.stage,
      role: input.role,
      number: String(input.number),
      commit: input.commit,
    },
  };
}

async function reportEnd(
  input: RunInput,
  runDir: string,
  exit: ExitRecord | null,
  witness: Witness,
  attached: boolean,
): Promise<RunResult> {
  const stderr = await readTail(path.join(runDir, 'stderr.log'), UNSTRUCTURED_BYTES);
  const { result } = witness;
  // After an interrupt a session's total forgets the answer that was cut off: what this run used alone is the truer word.
  const own = input.resumeSessionId === null ? undefined : result?.runUsage;
  const base = {
    usage: own ?? result?.usage ?? null,
    cumulativeUsage: own === undefined && (result?.cumulativeUsage ?? false),
    model: result?.model ?? witness.model,
    effort: input.effort,
    sessionId: result?.sessionId ?? witness.sessionId,
    runDir,
    tail: (result?.text || witness.readable).slice(-TAIL_BYTES),
    attached,
  };
  if (exit === null) {
    const failure = { class: 'infrastructure', code: 'run_lost', reason: 'the supervisor of the run is gone' } as const;
    const nowMs = Date.now();
    return {
      ...base,
      outcome: 'lost',
      exit: null,
      realExit: null,
      signal: null,
      failure,
      startedAtMs: nowMs,
      endedAtMs: nowMs,
    };
  }
  const cli = agentCli(input.agent);
  const nowMs = Date.now();
  const judged = judgeRun({
    exit,
    result,
    logBytes: witness.bytes,
    logBlank: witness.blank,
    structured:
      result === null ? null : (cli.classifyResult(result, witness.limit, nowMs) ?? readErrorText(result, nowMs)),
    tail: `${witness.unstructured}\n${stderr}`,
    nowMs,
  });
  if (judged.failure?.class === 'permanent' && result === null && (await isDiskFull(runDir))) {
    judged.failure = { class: 'infrastructure', code: 'disk_full', reason: 'the disk was full when the run ended' };
  }
  const refusedResume =
    input.resumeSessionId !== null &&
    judged.outcome === 'failed' &&
    cli.isResumeRefused?.(`${stderr}\n${result?.text ?? ''}`) === true;
  return {
    ...base,
    ...judged,
    ...(refusedResume
      ? {
          failure: {
            class: 'permanent',
            code: 'resume_refused',
            reason: 'the agent has no such session any more',
          } as const,
        }
      : {}),
    realExit: exit.realExit,
    signal: exit.signal,
    startedAtMs: exit.startedAtMs,
    endedAtMs: exit.endedAtMs,
  };
}

/** No room for as much as a result line: whatever the agent's end looks like, it says nothing about its work. */
async function isDiskFull(directory: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize < FULL_BYTES;
}

/** The words of a result that says it is an error are the CLI's own, never the agent's prose. */
function readErrorText(result: AgentFinalResult, nowMs: number): Failure | null {
  return result.ok ? null : classifyText(result.text, nowMs);
}

async function readTail(file: string, limit: number): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.slice(-limit);
}
