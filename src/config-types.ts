/**
 * The configuration as the program uses it: every default filled in, durations in milliseconds.
 * `config.ts` reads `stagewright.yaml` and the environment into it.
 */
import type { AgentSettings } from './agents/contract.ts';
import type { SandboxPolicy } from './confine/index.ts';
import type { AgentStage, BoardState, Role } from './domain/types.ts';

export interface Config {
  /** File it came from; null for the built-in defaults. */
  source: string | null;
  /** Directory of everything this instance keeps (STAGEWRIGHT_HOME). */
  home: string;
  language: 'en' | 'ru';
  http: { host: string; port: number };
  temporal: { uiPort: number | null };
  sandbox: SandboxPolicy;
  /** A bare `temporal workflow update` counts as `operator (unverified)`; false refuses it. */
  allowUnverifiedOperator: boolean;
  limits: Limits;
  /** Settings per agent CLI name. */
  agents: Record<string, AgentSettings>;
  defaults: RoleSettings & { agent: string; model: string };
  roles: Partial<Record<Role, RoleSettings>>;
  /** SPEC 3's override map: seconds by role; kept raw, bad entries fall to the next rung with a warning. */
  budgetOverrides: unknown;
  people: Person[];
  projects: Record<string, ProjectConfig>;
  /** Bad numbers that fell back to their default, shown by `doctor`. */
  warnings: string[];
}

export interface RoleSettings {
  agent?: string;
  model?: string;
  effort?: string;
  budgetMs?: number;
  silenceMs?: number;
  permanentTries?: number;
  transientRetries?: number;
  maxBudgetUsd?: number;
}

/** Numbers of SPEC section 14, in milliseconds where they are durations. */
export interface Limits {
  concurrentRuns: number;
  gateSlots: number;
  backoffBaseMs: number;
  backoffCapMs: number;
  transientRetries: number;
  permanentTries: number;
  breakerThreshold: number;
  breakerPauseMs: number;
  preflightCacheMs: number;
  versionProbeMs: number;
  runBudgetMs: number;
  developerBudgetMs: number;
  reviewerBudgetMs: number;
  interruptMs: number;
  graceMs: number;
  silenceMs: number;
  leaseMs: number;
  outputLimitBytes: number;
  relaunches: number;
  /** A relaunch gets the remaining budget, but at least this. */
  relaunchFloorMs: number;
  gateTimeoutMs: number;
  retestTimeoutMs: number;
  coverageTimeoutMs: number;
  infraRetries: number;
  infraRetryBaseMs: number;
  developerAttempts: number;
  reminderFirstMs: number;
  reminderEveryMs: number;
  /** Quiet time after the last answer before the run starts. */
  answerSettleMs: number;
}

export interface Person {
  name: string;
  /** `sha256:<hex>` of the person's token. */
  tokenHash: string | null;
  approver: boolean;
}

export interface ProjectConfig {
  /** ID prefix and key, e.g. `ET`. */
  key: string;
  /** Path or URL of the repository; a local path is mirrored into the local forge. */
  repository: string;
  /** Base branch. */
  branch: string;
  tracker: 'local';
  forge: 'local';
  /** Stages left out, e.g. ['architecture']. */
  skipStages: AgentStage[];
  /** Stages in which `skip` is allowed to people. */
  allowSkip: boolean;
  /** Commands as argv arrays; a string in YAML is run as `sh -c`. */
  commands: {
    /** Run once in a fresh checkout before a test command, e.g. npm ci. */
    setup?: string[];
    test?: string[];
    /** Re-test of the merge gate; default: test. */
    retest?: string[];
    deployStaging?: string[];
    deploy?: string[];
  };
  /** `local` runs commands.test on the pushed head; `none` leaves development on the run's success alone. */
  developmentGate: 'local' | 'none';
  landing: 'squash' | 'keep';
  skipRetest: boolean;
  /** Regression markers file in the repository (lines of `item, string, file`); null = none. */
  markersFile: string | null;
  artifacts: ArtifactNames;
  /** Paths that roles other than the developer may change besides the item's artifact directory. */
  extraPaths: string[];
  /** Board state names by meaning. */
  boardStates: Record<BoardState, string>;
  /** Board state names that start an item; never one that we set ourselves. Default: the `todo` state. */
  triggerStates?: string[];
  roles: Partial<Record<Role, RoleSettings>>;
  developerAttempts: number;
  /** Names of environment variables that deploy commands get. */
  deploySecrets: string[];
}

/** File names below `docs/work-items/<ID>/`, and the verdict keys in their frontmatter. */
export interface ArtifactNames {
  /** Template with `<ID>`. */
  directory: string;
  analysis: string[];
  questions: string;
  /** A file, or a directory with at least one non-empty `.md`. */
  architecture: string[];
  conflict: string;
  review: string;
  testReport: string;
  stagingReport: string;
  deployReport: string;
}
