/**
 * Argv and environment of one Claude Code launch. The prompt goes in on stdin (an argument is limited to 128 KiB), and a
 * repository's own `.claude/settings.json` hooks are kept out: print mode would run them without asking.
 */
import type { AgentSettings, LaunchPlan, LaunchRequest } from '../contract.ts';
import { LOGIN_VARIABLES } from './credentials.ts';

/** Passed from the worker's environment when they are set: the agent's own login. */
const PASSED_VARIABLES = [...LOGIN_VARIABLES, 'ANTHROPIC_BASE_URL'] as const;

const FIXED_ENV = {
  /** Reset times in texts are in the child's zone. */
  TZ: 'UTC',
  DISABLE_AUTOUPDATER: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  /** A background shell keeps a finished run alive for ten minutes. */
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
  /** Without it a refused start leaves nothing on stdout. */
  CLAUDE_CODE_STARTUP_FAILURE_RESULTS: '1',
  /** The orchestrator waits better than ten inner retries do. */
  CLAUDE_CODE_MAX_RETRIES: '3',
} as const;

/**
 * Tools that make sense only where somebody stays: the first three keep a finished run open until its silence limit or
 * start another turn after its result, a worktree of the agent's own takes its work out of the tree that is saved.
 */
const UNATTENDED_TOOLS = ['ScheduleWakeup', 'CronCreate', 'Monitor', 'EnterWorktree', 'ExitWorktree'] as const;

/** What a launch may look at besides its request. */
export interface LaunchHost {
  env: NodeJS.ProcessEnv;
  /** User id; null where the platform has none. */
  uid: number | null;
}

export function planClaudeLaunch(request: LaunchRequest, host: LaunchHost): LaunchPlan {
  const { settings } = request;
  const session =
    request.resumeSessionId === undefined ? ['--session-id', request.sessionId] : ['--resume', request.resumeSessionId];
  const argv = [
    claudeBinary(settings),
    '-p',
    '--output-format',
    'stream-json',
    '--verbose',
    '--model',
    request.model,
    ...(request.effort === null ? [] : ['--effort', request.effort]),
    ...session,
    '--dangerously-skip-permissions',
    '--setting-sources',
    'user',
    '--strict-mcp-config',
    // One argument: the option would take what follows it for names of tools.
    `--disallowedTools=${UNATTENDED_TOOLS.join(',')}`,
    ...(request.maxBudgetUsd === undefined ? [] : ['--max-budget-usd', String(request.maxBudgetUsd)]),
    ...(settings.extraArgs ?? []),
  ];
  return { argv, env: claudeEnv(settings, host) };
}

export function claudeBinary(settings: AgentSettings): string {
  return settings.binary ?? 'claude';
}

/** Variables of ours, of the login and of `passEnv`; the base allow-list is the caller's. */
export function claudeEnv(settings: AgentSettings, host: LaunchHost): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of [...PASSED_VARIABLES, ...(settings.passEnv ?? [])]) {
    const value = host.env[name];
    if (value !== undefined && value !== '') passed[name] = value;
  }
  return {
    ...passed,
    ...FIXED_ENV,
    ...(settings.configDir === undefined ? {} : { CLAUDE_CONFIG_DIR: settings.configDir }),
    // The CLI refuses to skip permissions for root unless it is told that something fences it in.
    ...(host.uid === 0 ? { IS_SANDBOX: '1' } : {}),
  };
}
