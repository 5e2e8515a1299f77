/**
 * The agent contract: a CLI described as data and pure functions. Supervision is written once (supervisor.ts, run.ts)
 * and knows no CLI; a CLI knows nothing of processes.
 */
import type { AgentStage, Failure, Role, Usage } from '../domain/types.ts';

/** What a launch is made from. Everything is resolved before; nothing here is looked up later. */
export interface LaunchRequest {
  itemId: string;
  stage: AgentStage;
  role: Role;
  /** The agent's working directory (the item's tree). */
  cwd: string;
  runDir: string;
  /** Path of the file that becomes stdin. */
  promptPath: string;
  model: string;
  effort: string | null;
  /** Pre-assigned session id (UUID) of a fresh launch. */
  sessionId: string;
  /** Session to resume instead, where the CLI can. */
  resumeSessionId?: string;
  maxBudgetUsd?: number;
  /** The agent's settings from configuration: binary, configDir, scenario, extraArgs … */
  settings: AgentSettings;
}

export interface AgentSettings {
  /** Executable name or path. */
  binary?: string;
  /** Configuration and login directory of the CLI (one per login and host, stable over runs). */
  configDir?: string;
  credentialsPath?: string;
  strictExpiry?: boolean;
  /** False turns the credentials part of preflight off. */
  credentialsCheck?: boolean;
  expirySkewMs?: number;
  /** Limit of the `--version` probe; default 5 s. */
  versionProbeMs?: number;
  /** Name of the login (launch gate, task queue); by default taken from the configuration directory's own name. */
  login?: string;
  extraArgs?: string[];
  /** Extra variables for the agent, by name, taken from the worker's environment. */
  passEnv?: string[];
  /** Scenario file of the scripted agent. */
  scenario?: string;
}

export interface LaunchPlan {
  /** argv[0] is the binary that will really be executed. */
  argv: string[];
  /** Added to the allow-listed base environment. */
  env: Record<string, string>;
}

/** One vocabulary for every CLI's event stream. */
export type AgentEvent =
  | { type: 'session'; sessionId: string; model: string | null; version: string | null }
  /** Something happened; `toolOpen`/`toolClose` tell an open tool call from silence. `text` is one readable line. */
  | { type: 'activity'; text?: string; toolOpen?: string; toolClose?: string }
  | { type: 'usage'; usage: Usage }
  | { type: 'limit'; status: 'warning' | 'rejected'; resetAtMs: number | null; kind: string | null }
  | { type: 'result'; result: AgentFinalResult };

/** The CLI's final result object, normalised. */
export interface AgentFinalResult {
  /** Its own word, before our checks of exit code and emptiness. */
  ok: boolean;
  text: string;
  usage: Usage | null;
  /**
   * What this run alone used, where the CLI says so. For a resumed run it is the better number: a session's total forgets
   * the answer that an interruption cut short, so that the difference of two totals comes out too small.
   */
  runUsage?: Usage;
  model: string | null;
  sessionId: string | null;
  /** API status, terminal reason, error type: structured signals for the classifier. */
  apiStatus: number | null;
  apiError: string | null;
  terminalReason: string | null;
  /** True where usage counts the whole session and not this run. */
  cumulativeUsage: boolean;
  deniedTools: string[];
}

/** Reads a stream line by line; holds the little state a stream needs (last result wins). */
export interface EventReader {
  /** A line without its newline. Never throws: an unreadable line is an empty list. */
  read(line: string): AgentEvent[];
}

export interface PreflightReport {
  ok: boolean;
  version: string | null;
  /** Why not, and how to mend it. */
  reason: string | null;
  mend: string | null;
  /** Something `doctor` should show although launches may go on. */
  warning?: string;
}

export interface AgentCli {
  readonly name: string;
  /** As shown to people; the scripted agent says that no model is involved. */
  readonly displayName: string;
  readonly canResume: boolean;
  plan(request: LaunchRequest): LaunchPlan;
  createReader(): EventReader;
  /** Login name whose launch gate and task queue govern this CLI. */
  login(settings: AgentSettings): string;
  /** Host's own check: binary answers `--version` in 5 s, credentials present. Costs no tokens, never throws. */
  preflight(settings: AgentSettings): Promise<PreflightReport>;
  /**
   * Structured reading of a final result into a failure, or null where structure says nothing (a fine result, or one
   * that only its text can explain; an empty text is the caller's to judge). `lastLimit` is the run's last *rejected*
   * limit event; `nowMs` (default: the clock) is what a reset text without a date is read against.
   */
  classifyResult(
    result: AgentFinalResult,
    lastLimit: { resetAtMs: number | null } | null,
    nowMs?: number,
  ): Failure | null;
  /** The CLI's own words (stderr, result) say that the session to resume is not there: launch afresh, no failure. */
  isResumeRefused?(text: string): boolean;
}
