/**
 * The scenario of the scripted agent: what each role does, session by session. JSON, so that the agent starts fast.
 *
 * The nth finished session of a role for an item plays step n; the last step repeats. A session that was killed does not
 * count, its step is played again (`once` makes it count from its start). `--resume` goes on where the session stopped.
 * In paths, contents, arguments and texts `{item}`, `{role}` and `{session}` (its
 * number, from 1) are replaced, except behind a `$`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { AgentStage, Role } from '../../domain/types.ts';

export interface Scenario {
  /** Every `sleepMs` is multiplied by it; 0 = no waiting. STAGEWRIGHT_SCRIPTED_SPEED in the environment wins. */
  speed?: number;
  /** Model named in the events instead of the launch's own. */
  model?: string;
  /** Scripts of single items; a role that is missing there is looked up in `default`. */
  items?: Record<string, Script>;
  default?: Script;
}

/** Steps by stage or by role; the stage is looked up first, and each key counts its own sessions. */
export type Script = Partial<Record<Role | AgentStage, Step[]>>;

/** One thing done. Of several fields in one action, each is done in the order in which they stand here. */
export interface Action {
  /** Lines of assistant text. */
  say?: string | string[];
  /** Raw text on stderr. */
  stderr?: string;
  /** Waits in slices of a second with a sign of life after each; scaled by `speed`. */
  sleepMs?: number;
  /** Files by path, relative to the tree. */
  write?: Record<string, string>;
  /** Files by path, with the source's path relative to the scenario file: long contents read better as files. */
  copy?: Record<string, string>;
  append?: Record<string, string>;
  delete?: string[];
  /** A real command in the tree, as a tool call in a process group of its own; whatever its exit, the step goes on. */
  run?: string[];
  /** Commits everything in the tree, as an agent that commits by itself. */
  commit?: string;
  /** Opens a tool call, is silent for that long (never scaled), closes it. */
  openTool?: { ms: number };
  /** Starts a process that outlives the agent; with `setsid` outside of its group, with `cleanEnv` without its marker. */
  fork?: { sleepMs: number; setsid?: boolean; cleanEnv?: boolean; ignoreSigterm?: boolean; pidFile?: string };
  /** Prints so many MiB, as many lines or as a single one. */
  flood?: { mb: number; endlessLine?: boolean };
  /** Dies at once by SIGKILL, after nothing. */
  crash?: boolean;
  /** Silent for ever. */
  hang?: boolean;
}

/** What one session does: `do` first, then the step's own fields, then its end. */
export interface Step extends Action {
  do?: Action[];
  /** Counts as played from its start: when it is killed, the next fresh session plays the next step. */
  once?: boolean;
  /** Cost of the whole step (default 0.01 per action); it accrues action by action. */
  costUsd?: number;
  tokens?: { input: number; output: number; cached: number };
  model?: string;
  /** Text of the final result; default: the last thing said. */
  result?: string;
  /** How the session ends; default `success`. */
  end?: StepEnd;
  /** Exit code instead of the one that belongs to the end. */
  exit?: number;
  /** Ends as a failed API call does, in Claude's words and fields. */
  apiError?: ApiErrorEnd;
  ignoreSigterm?: boolean;
  ignoreSigint?: boolean;
}

export type StepEnd =
  | 'success'
  /** A result that says `is_error`. */
  | 'error'
  /** A success with an empty text. */
  | 'empty'
  /** Exit 0 without a result line. */
  | 'no-result'
  /** Nothing printed at all, exit 0. The step's other output is not printed either. */
  | 'empty-log'
  /** Blank lines only, exit 0. */
  | 'whitespace'
  /** A result line cut in the middle, exit 0. */
  | 'cut-result'
  /** A success in which a tool was denied. */
  | 'denied'
  | 'max-turns'
  | 'max-budget';

export interface ApiErrorEnd {
  /** `result` text, e.g. `API Error: Request rejected (429) · …`. */
  text: string;
  /** HTTP status; null for no answer. */
  status?: number | null;
  /** `api_error_type`, e.g. `rate_limit_error`. */
  type?: string;
  /** `api_error`, e.g. `usage_limit_reached`. */
  error?: string;
  /** `error` of the assistant message, e.g. `authentication_failed`. */
  assistantError?: string;
  /** Epoch seconds; sends a rejected `rate_limit_event` too. */
  resetsAt?: number;
}

/** Writes a scenario file, its directory included. */
export function writeScenario(file: string, scenario: Scenario): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(scenario, null, 2)}\n`);
}

/** Reads a scenario file. Throws on a missing file or bad JSON. */
export function readScenario(file: string): Scenario {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null) throw new TypeError('a scenario is a JSON object');
  return parsed;
}

/** The steps that govern a session, and the key under which its sessions are counted; null where there are none. */
export function findSteps(
  scenario: Scenario,
  itemId: string,
  stage: string,
  role: string,
): { key: string; steps: Step[] } | null {
  for (const script of [scenario.items?.[itemId], scenario.default]) {
    for (const key of [stage, role]) {
      const steps = Object.entries(script ?? {}).find(([name]) => name === key)?.[1];
      if (steps !== undefined && steps.length > 0) return { key, steps };
    }
  }
  return null;
}

/** A step as a flat list of actions that do one thing each. */
export function actionsOf(step: Step): Action[] {
  return [...(step.do ?? []), step].flatMap(splitAction);
}

function splitAction(action: Action): Action[] {
  const single: Action[] = [];
  for (const key of ACTION_KEYS) {
    if (action[key] === undefined) continue;
    if (key === 'say') for (const line of [action.say ?? []].flat()) single.push({ say: line });
    else if (key === 'write' || key === 'copy') {
      for (const [name, text] of Object.entries(action[key] ?? {})) single.push({ [key]: { [name]: text } });
    } else single.push({ [key]: action[key] });
  }
  return single;
}

const ACTION_KEYS = [
  'say',
  'stderr',
  'sleepMs',
  'write',
  'copy',
  'append',
  'delete',
  'run',
  'commit',
  'openTool',
  'fork',
  'flood',
  'crash',
  'hang',
] as const satisfies (keyof Action)[];
