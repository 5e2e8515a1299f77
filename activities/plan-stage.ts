/**
 * What a stage is entered with: role, agent, model, effort, budgets and paths, resolved once (per-project role >
 * per-role setting > default) and recorded, so that they show in flight and survive a kill.
 */
import path from 'node:path';
import { agentCli } from '../src/agents/index.ts';
import type { Config, ProjectConfig, RoleSettings } from '../src/config-types.ts';
import { resolveRunBudget, runCeilingMs } from '../src/domain/budgets.ts';
import { artifactsDirectory } from '../src/domain/names.ts';
import { ROLE_OF } from '../src/domain/types.ts';
import type { AgentStage, Role } from '../src/domain/types.ts';
import { requireProject } from './deps.ts';
import type { Deps } from './deps.ts';
import type { ItemRef, StagePlan } from './types.ts';

const DEFAULT_EFFORT: Partial<Record<Role, string>> = { developer: 'xhigh' };
/** What a gate does beside its command: fetch, check out, end the process tree. */
const COMMAND_MARGIN_MS = 10 * 60_000;

export async function planStage(
  deps: Deps,
  input: ItemRef & { stage: AgentStage; agent: string | null },
): Promise<StagePlan> {
  const config = deps.config();
  const project = requireProject(deps, input.project);
  const role = ROLE_OF[input.stage];
  const settings = resolveRole(config, project, role);
  const agent = input.agent ?? settings.agent ?? config.defaults.agent;
  const { limits } = config;
  const budget = resolveRunBudget({
    role,
    overrides: config.budgetOverrides,
    ...(settings.budgetMs === undefined ? {} : { roleBudgetMs: settings.budgetMs }),
    limits,
  });
  const stop = { interruptMs: limits.interruptMs, graceMs: limits.graceMs };
  const directory = artifactsDirectory(project.artifacts.directory, input.itemId);
  return {
    role,
    agent,
    login: agentCli(agent).login(config.agents[agent] ?? {}),
    model: settings.model ?? config.defaults.model,
    effort: settings.effort ?? DEFAULT_EFFORT[role] ?? null,
    budgetMs: budget.budgetMs,
    silenceMs: settings.silenceMs ?? limits.silenceMs,
    ceilingMs: runCeilingMs({ budgetMs: budget.budgetMs, ...stop }),
    hostWaitMs: limits.leaseMs + limits.interruptMs + limits.graceMs,
    relaunchFloorMs: limits.relaunchFloorMs,
    maxRelaunches: limits.relaunches,
    permanentTries: settings.permanentTries ?? limits.permanentTries,
    transientRetries: settings.transientRetries ?? limits.transientRetries,
    backoffBaseMs: limits.backoffBaseMs,
    backoffCapMs: limits.backoffCapMs,
    developerAttempts: project.developerAttempts,
    infraRetries: limits.infraRetries,
    infraRetryBaseMs: limits.infraRetryBaseMs,
    reminderFirstMs: limits.reminderFirstMs,
    reminderEveryMs: limits.reminderEveryMs,
    answerSettleMs: limits.answerSettleMs,
    allowSkip: project.allowSkip,
    skipStages: project.skipStages,
    gateCommand:
      input.stage === 'development' && project.developmentGate === 'local' && project.commands.test !== undefined
        ? 'test'
        : null,
    gateTimeoutMs: limits.gateTimeoutMs,
    gateCeilingMs: runCeilingMs({ budgetMs: limits.gateTimeoutMs, ...stop }) + COMMAND_MARGIN_MS,
    expected: expectedArtifacts(project, input.stage).map((file) => path.posix.join(directory, file)),
    questionsPath: path.posix.join(directory, project.artifacts.questions),
    conflictPath: path.posix.join(directory, project.artifacts.conflict),
    warnings: budget.warnings,
  };
}

/** Per-project role > per-role setting > default, field by field. */
export function resolveRole(config: Config, project: ProjectConfig, role: Role): RoleSettings {
  return { ...config.defaults, ...config.roles[role], ...project.roles[role] };
}

/** File names that the agent of a stage is told to write. */
export function expectedArtifacts(project: ProjectConfig, stage: AgentStage): string[] {
  const names = project.artifacts;
  switch (stage) {
    case 'analysis':
      return names.analysis;
    case 'architecture':
      return names.architecture;
    case 'development':
      return [];
    case 'review':
      return [names.review];
    case 'testing':
      return [names.testReport];
    case 'deploy-staging':
      return [names.stagingReport];
    case 'deploy':
      return [names.deployReport];
    default:
      return stage satisfies never;
  }
}
