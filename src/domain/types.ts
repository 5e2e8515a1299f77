/**
 * The vocabulary shared by workflows, activities and adapters.
 * Plain data only: every value here may cross Temporal's JSON converter, so no Map, Set, Date or undefined-bearing arrays.
 */

/** Stages in the order of the pipeline; `done` and `cancelled` are terminal. */
export const STAGES = [
  'created',
  'analysis',
  'architecture',
  'development',
  'review',
  'testing',
  'deploy-staging',
  'deploy',
  'done',
  'cancelled',
] as const;
export type Stage = (typeof STAGES)[number];

/** Stages in which an agent works. */
export const AGENT_STAGES = [
  'analysis',
  'architecture',
  'development',
  'review',
  'testing',
  'deploy-staging',
  'deploy',
] as const;
export type AgentStage = (typeof AGENT_STAGES)[number];

export const ROLES = ['analyst', 'architect', 'developer', 'reviewer', 'tester', 'deployer'] as const;
export type Role = (typeof ROLES)[number];

/** The role whose agent works in each stage. */
export const ROLE_OF = {
  analysis: 'analyst',
  architecture: 'architect',
  development: 'developer',
  review: 'reviewer',
  testing: 'tester',
  'deploy-staging': 'deployer',
  deploy: 'deployer',
} as const satisfies Record<AgentStage, Role>;

/** Tokens, money and time of one run (or a sum of runs). Absent = the CLI did not say. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  cachedTokens: number;
  /** US dollars, as the CLI estimates them. */
  costUsd: number;
  turns: number;
  durationMs: number;
}

/** Why a run failed, in the order of SPEC section 4. */
export type FailureClass = 'auth' | 'limit' | 'transient' | 'config' | 'permanent' | 'infrastructure';

export interface Failure {
  class: FailureClass;
  /** Stable, short, machine-readable: `empty_run_log`, `no_result_json`, `rate_limited` … */
  code: string;
  /** One sentence for people; never argv, environment or secrets. */
  reason: string;
  /** Floor of the next wait, milliseconds. */
  retryAfterMs?: number;
  /** Instant at which a usage window opens again, epoch milliseconds. */
  resetAtMs?: number;
}

/**
 * How a run ended. `succeeded` and `failed` are the agent's own ends; `budget`, `silence`, `output` are ends that the
 * supervisor made; `stopped` was asked for (cancel, pause, takeover); `lease` = nobody attached; `lost` = no exit record.
 */
export type RunOutcome = 'succeeded' | 'failed' | 'budget' | 'silence' | 'output' | 'stopped' | 'lease' | 'lost';

/** What one run of an agent came to; the value that `runAgent` returns. */
export interface RunResult {
  outcome: RunOutcome;
  /** -9 for every run that we ended, else the real exit code (null: died by a signal of others, or never started). */
  exit: number | null;
  /** The process's real exit code, and the signal it died of. */
  realExit: number | null;
  signal: string | null;
  failure?: Failure;
  usage: Usage | null;
  /** `usage` counts the whole session, a resumed one's earlier runs included. */
  cumulativeUsage: boolean;
  /** As the CLI named it in its own events; refines the stamp made at launch. */
  model: string | null;
  effort: string | null;
  sessionId: string | null;
  /** Directory of the run on its host; artifacts and logs live there. */
  runDir: string;
  /** Last lines of readable output, at most 2 KiB. */
  tail: string;
  startedAtMs: number;
  endedAtMs: number;
  /** True where this attempt found the run at work (or ended) and launched nothing. */
  attached: boolean;
}

/** Answer of a gate. Always bound to a commit. */
export type GateStatus = 'passed' | 'failed' | 'inconclusive';

/**
 * What a gate's answer means for the way on:
 * - `ok`: leave the stage
 * - `missing`: an artifact or verdict is missing or unreadable: the role's own failure
 * - `refused`: the verdict says no (REQUEST_CHANGES, FAIL, FAILED)
 * - `red`: a test command completed with a non-zero exit
 * - `infrastructure`: timeout, killed, could not start, forge away: says nothing about the code
 * - `pending`: not known yet (CI still running)
 */
export type GateMeaning = 'ok' | 'missing' | 'refused' | 'red' | 'infrastructure' | 'pending';

export interface GateResult {
  gate: string;
  status: GateStatus;
  meaning: GateMeaning;
  /** The commit that was looked at. */
  commit: string;
  /** One message for people: what was found, or why not. */
  reason: string;
  /** Last lines of output, at most 2 KiB. */
  tail?: string;
  logPath?: string;
  durationMs?: number;
}

/** A finished command (gate, re-test, coverage, deploy) under the supervisor. */
export interface CommandResult {
  /** `completed`: it exited by itself, whatever the code; else why it says nothing about the code. */
  status: 'completed' | 'timeout' | 'killed' | 'not-started' | 'stopped' | 'lost';
  exit: number | null;
  signal: string | null;
  reason: string;
  tail: string;
  logPath: string;
  durationMs: number;
}

/** Board states by meaning; each project maps them to its own names. */
export type BoardState = 'todo' | 'in-progress' | 'in-review' | 'needs-input' | 'blocked' | 'done' | 'cancelled';

/** Kinds of alert; the sign for each is in `messages.ts`. */
export type AlertKind = 'approval' | 'questions' | 'attention' | 'failed' | 'started' | 'again' | 'breaker' | 'info';
