/**
 * Runs a test command at a commit, in a fresh checkout, under the same supervisor as an agent: ended whole on its limit,
 * attached to (never started twice) after a worker's death. Its own exit code passes through.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { RUN_FORMAT } from '../src/agents/record.ts';
import type { LaunchRecord } from '../src/agents/record.ts';
import { runCommand } from '../src/agents/run/command.ts';
import { baseEnvironment } from '../src/agents/run/environment.ts';
import { warmSupervisor } from '../src/agents/run/launch.ts';
import { reserveSlot } from '../src/agents/run/slots.ts';
import { readRunState } from '../src/agents/run/state.ts';
import { stopRun } from '../src/agents/run/stop.ts';
import { confine } from '../src/confine/index.ts';
import type { ProjectConfig } from '../src/config-types.ts';
import type { CommandResult } from '../src/domain/types.ts';
import { checkoutCommit, removeDirectory } from '../src/git/checkout.ts';
import { RESERVE_MS, SLOT_POLL_MS } from './claim-slot.ts';
import { requireProject, runDirectory } from './deps.ts';
import type { Deps } from './deps.ts';
import { whileBeating } from './heartbeat.ts';
import type { CommandInput } from './types.ts';

/** Well below the margin of the activity's ceiling, which must not run out while nothing runs. */
const SLOT_PATIENCE_MS = 60_000;

export async function runGateCommand(deps: Deps, input: CommandInput): Promise<CommandResult> {
  const config = deps.config();
  const project = requireProject(deps, input.project);
  const argv = commandOf(project, input.command);
  if (argv === null) return notStarted(`project ${project.key} has no command "${input.command}"`);
  const checkout = path.join(config.home, 'checkouts', input.runId);
  const runDir = runDirectory(config.home, input.itemId, input.runId);
  const result = await whileBeating(
    () => ({ runDir }),
    async (signal) => {
      const { setup } = project.commands;
      if (setup !== undefined) {
        const prepared = await superviseCommand(
          deps,
          { ...input, runId: `${input.runId}-setup` },
          project,
          setup,
          checkout,
          signal,
        );
        if (prepared.status !== 'completed') return prepared;
        // Dependencies that cannot be had say nothing about the code.
        if (prepared.exit !== 0)
          return {
            ...prepared,
            status: 'not-started' as const,
            reason: `the set-up command failed (exit ${prepared.exit})`,
          };
      }
      return await superviseCommand(deps, input, project, argv, checkout, signal);
    },
  );
  await removeDirectory(checkout);
  return result;
}

/** Launches the command unless its run directory shows that it was, waits for a gate slot before, attends it to its end. */
async function superviseCommand(
  deps: Deps,
  input: CommandInput,
  project: ProjectConfig,
  argv: string[],
  checkout: string,
  signal: AbortSignal,
): Promise<CommandResult> {
  const config = deps.config();
  const runDir = runDirectory(config.home, input.itemId, input.runId);
  const slot = { runId: input.runId, runDir, reserveMs: RESERVE_MS };
  const patienceMs = performance.now() + SLOT_PATIENCE_MS;
  while (!(await reserveSlot(config.home, 'gate', config.limits.gateSlots, slot))) {
    if (signal.aborted) throw signal.reason;
    if (performance.now() > patienceMs) throw slotBusy();
    await sleep(SLOT_POLL_MS);
  }
  const warm = readRunState(runDir).state === 'absent' ? warmSupervisor(runDir, input.runId) : undefined;
  try {
    if (warm !== undefined) {
      const { repo } = await deps.openProject(project);
      await mkdir(path.dirname(checkout), { recursive: true, mode: 0o700 });
      if (!existsSync(checkout)) await checkoutCommit({ repo, commit: input.commit, directory: checkout, signal });
      if (signal.aborted) throw signal.reason;
    }
    const options = { signal, renew: () => true, ...(warm === undefined ? {} : { warm }) };
    return await runCommand(runDir, recordOf(deps, input, argv, checkout), options);
  } catch (error) {
    warm?.discard();
    const details = Context.current().cancellationDetails;
    if (signal.aborted && details?.cancelRequested === true) {
      await stopRun(runDir, 'cancelled', { waitMs: config.limits.graceMs + 10_000 });
    }
    throw error;
  }
}

/** Waiting is queueing, without limit or count: the next attempt begins with a ceiling of its own. */
function slotBusy(): ApplicationFailure {
  return ApplicationFailure.create({
    message: 'another worker of this host has the gate slot',
    type: 'GateSlotBusy',
    category: ApplicationFailureCategory.BENIGN,
  });
}

/** argv of a named command; the re-test of the merge gate is the test command unless the project says otherwise. */
export function commandOf(project: ProjectConfig, command: CommandInput['command']): string[] | null {
  const { commands } = project;
  return (command === 'retest' ? (commands.retest ?? commands.test) : commands.test) ?? null;
}

function recordOf(deps: Deps, input: CommandInput, argv: string[], checkout: string): LaunchRecord {
  const { sandbox, limits } = deps.config();
  const confined = confine({ argv, env: { ...baseEnvironment(process.env), CI: 'true' } }, sandbox);
  return {
    format: RUN_FORMAT,
    runId: input.runId,
    itemId: input.itemId,
    kind: 'command',
    argv: confined.argv,
    env: confined.env,
    cwd: checkout,
    budgetMs: input.timeoutMs,
    silenceMs: 0,
    outputLimitBytes: limits.outputLimitBytes,
    leaseMs: limits.leaseMs,
    interruptMs: 0,
    graceMs: limits.graceMs,
    agent: null,
    model: null,
    effort: null,
    sessionId: null,
    meta: { command: input.command, commit: input.commit },
  };
}

function notStarted(reason: string): CommandResult {
  return { status: 'not-started', exit: null, signal: null, reason, tail: '', logPath: '', durationMs: 0 };
}
