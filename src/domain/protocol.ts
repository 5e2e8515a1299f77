/**
 * Names and shapes of everything that is said to or asked of a workflow. Imported by both sides of the wall, so that a
 * CLI, a webhook, a workflow and a plain `temporal` command line all speak of the same thing.
 */
import type { AgentStage, GateResult, Role, RunOutcome, Stage, Usage } from './types.ts';

export const WORK_ITEM_WORKFLOW = 'workItem';
export const MERGE_QUEUE_WORKFLOW = 'mergeQueue';
export const LAUNCH_GATE_WORKFLOW = 'launchGate';

/** Task queues; see docs/architecture.md for what runs where. */
export const MAIN_QUEUE = 'stagewright';
export const GATES_QUEUE = 'gates';
export function agentsQueue(login: string): string {
  return `agents:${login}`;
}
export function hostQueue(hostId: string): string {
  return `host:${hostId}`;
}

/** One merge queue per forge repository and base branch. */
export function mergeQueueId(repositoryId: string, base: string): string {
  return `merge-queue:${repositoryId}:${base}`;
}
export function launchGateId(login: string): string {
  return `launch-gate:${login}`;
}

/** Search attributes, all Keyword. At most six: an SQL store has ten Keyword columns. */
export const SEARCH_ATTRIBUTES = ['Project', 'Stage', 'Role', 'Attention', 'Waiting'] as const;

/**
 * Proof of who gave a command. Never a secret: `mac` is HMAC-SHA256, keyed with the SHA-256 of the person's token, over
 * `evidencePayload` (see evidence.ts); an activity checks it against the stored hash before the command takes effect.
 */
export interface TokenEvidence {
  kind: 'token';
  person: string;
  nonce: string;
  /** Epoch milliseconds at which it was signed. */
  at: number;
  mac: string;
}
export interface CommentEvidence {
  kind: 'comment';
  commentId: string;
  person: string;
}
/** A bare `temporal` command: whoever reaches that port. Recorded as `operator (unverified)`; can be switched off. */
export interface OperatorEvidence {
  kind: 'operator';
}
export type Evidence = TokenEvidence | CommentEvidence | OperatorEvidence;

export const DECISION_COMMANDS = ['approve', 'reject', 'retry', 'recheck', 'skip', 'answer'] as const;
export const CONTROL_COMMANDS = ['pause', 'resume', 'cancel'] as const;
export type DecisionCommand = (typeof DECISION_COMMANDS)[number];
export type ControlCommand = (typeof CONTROL_COMMANDS)[number];
export type PersonCommand = DecisionCommand | ControlCommand;

/** Argument of the updates `approve`, `reject`, `retry`, `recheck`, `skip`, `answer`. */
export interface DecisionInput {
  /** Stage the person was shown; refused if the item is elsewhere. */
  stage?: Stage;
  /** Commit the person was shown (full id, or a prefix of at least 7); refused if the request names another. */
  commit?: string;
  /** Reason of a rejection, text of an answer. */
  text?: string;
  evidence?: Evidence;
  /** Dedupe id; the same id is handled once. */
  id?: string;
}

/** What an update answers. A refusal by the validator is an error instead (type `Refused`). */
export interface DecisionResult {
  result: 'applied' | 'refused';
  message: string;
  by: string;
}

/** Argument of the signals `pause`, `resume`, `cancel`: durable also while no worker is up. */
export interface ControlInput {
  id?: string;
  evidence?: Evidence;
  reason?: string;
  /** Only for pause: stop the run in flight (resumable) instead of letting it end. */
  stopRun?: boolean;
}

/** Argument of the signal `event`: a hint; an activity re-reads the truth. */
export interface ItemEvent {
  /** Delivery id of the sender; repeated ids are ignored. */
  id: string;
  kind: 'comment' | 'board' | 'push' | 'ci' | 'review' | 'pull-request' | 'deleted';
  /** Id of the thing that changed, where there is one. */
  ref?: string;
}

export interface WorkItemInput {
  itemId: string;
  project: string;
  title: string;
  /** Agent CLI for every role of this item, overriding configuration (`submit --agent`). */
  agent?: string;
  /** Filled only when the execution continues as new. */
  carried?: WorkItemCarried;
  /** Tests lower it to see continue-as-new cheaply. */
  maxSignals?: number;
}

/** State that survives continue-as-new; opaque to everybody but the workflow. */
export type WorkItemCarried = Record<string, unknown>;

export interface RunView {
  runId: string;
  number: number;
  stage: AgentStage;
  role: Role;
  agent: string;
  model: string | null;
  effort: string | null;
  outcome: RunOutcome | 'queued' | 'running';
  attempt: number;
  startedAtMs: number | null;
  endedAtMs: number | null;
  usage: Usage | null;
  exit: number | null;
  runDir: string | null;
  sessionId?: string | null;
  reason?: string;
}

export interface StageView {
  stage: Stage;
  entries: number;
  status: 'pending' | 'active' | 'done' | 'skipped' | 'returned';
  startedAtMs: number | null;
  endedAtMs: number | null;
  /** Milliseconds spent in all entries of the stage. */
  durationMs: number;
}

/** What the item waits for, if it waits. */
export interface WaitView {
  kind: 'approval' | 'answer' | 'attention' | 'backoff' | 'limit' | 'slot' | 'gate' | 'merge' | 'paused' | 'board';
  /** For people. */
  reason: string;
  sinceMs: number;
  /** When it ends by itself, epoch milliseconds. */
  untilMs?: number;
  /** For approvals: the commit and files that were shown. */
  commit?: string;
  files?: string[];
  /** The exact next command for a person. */
  next?: string;
}

/** Result of the query `status`. */
export interface WorkItemStatus {
  itemId: string;
  project: string;
  title: string;
  stage: Stage;
  state: 'queued' | 'running' | 'waiting' | 'attention' | 'paused' | 'done' | 'cancelled';
  waiting: WaitView | null;
  branch: string | null;
  head: string | null;
  pullRequest: string | null;
  developerAttempts: number;
  maxDeveloperAttempts: number;
  permanentTries: number;
  transientTries: number;
  relaunches: number;
  lastReason: string | null;
  lastGate: GateResult | null;
  stages: StageView[];
  runs: RunView[];
  usage: Usage;
  /** `retested`: the merge gate tested this very commit; else its tree had been tested before. */
  merged: { base: string; head: string; retested?: boolean } | null;
  approvals: { stage: Stage; by: string; commit: string; atMs: number }[];
  outbox: number;
  startedAtMs: number;
  updatedAtMs: number;
}

export interface MergeRequest {
  /** Key: item, first execution run id and entry of the stage; known keys are answered, not queued again. */
  key: string;
  itemId: string;
  /** Workflow that gets the answer by signal `mergeAnswer`. */
  workflowId: string;
  project: string;
  title: string;
  branch: string;
  head: string;
  pullRequest: string | null;
  priority: number;
  /** A commit of the branch whose tests our own command has passed, and that command's name. */
  validated: { commit: string; command: string } | null;
}

export type MergeAnswer =
  | { key: string; result: 'landed'; base: string; head: string; testedTree: string; retested: boolean }
  | { key: string; result: 'red' | 'conflict' | 'markers'; reason: string; tail?: string; logPath?: string }
  | { key: string; result: 'infrastructure' | 'refused' | 'withdrawn' | 'empty'; reason: string };

export interface MergeQueueInput {
  repositoryId: string;
  project: string;
  base: string;
  carried?: Record<string, unknown>;
  maxSignals?: number;
}

export interface MergeQueueStatus {
  repositoryId: string;
  base: string;
  current: { key: string; itemId: string; step: string; sinceMs: number } | null;
  queue: { key: string; itemId: string; title: string; priority: number; held: boolean }[];
  counters: {
    attempts: number;
    skippedRetests: number;
    infraRetries: number;
    red: number;
    conflicts: number;
    merges: number;
  };
  recent: { key: string; itemId: string; result: string; head?: string; atMs: number }[];
}

/** Signal `claimWaits`. */
export interface ClaimWaits {
  runId: string;
  reason: string;
}

export interface LaunchGateInput {
  login: string;
  /** Of the breaker; counted from the execution's start, so a change holds after the next continue-as-new. */
  settings?: { breakerThreshold: number; breakerPauseMs: number };
  carried?: Record<string, unknown>;
}

/** Update `take` of the launch gate. */
export interface TakeInput {
  runId: string;
  itemId: string;
  project: string;
}
export type TakeResult = { granted: true } | { granted: false; reason: string; untilMs?: number };

/** Signal `outcome` of the launch gate: ends the grant. */
export interface OutcomeReport {
  runId: string;
  outcome: RunOutcome;
  failureClass?: string;
  resetAtMs?: number;
  launchedAtMs: number;
}

export interface LaunchGateStatus {
  login: string;
  state: 'open' | 'held' | 'breaker-open' | 'half-open';
  reason: string | null;
  untilMs: number | null;
  consecutiveTransient: number;
  grants: { runId: string; itemId: string; sinceMs: number }[];
}

/** Message names. */
export const QUERY_STATUS = 'status';
export const SIGNAL_EVENT = 'event';
/** From a claim that waits to its item: why it waits. */
export const SIGNAL_CLAIM = 'claimWaits';
export const SIGNAL_RELEASE = 'release';
export const SIGNAL_MERGE_ANSWER = 'mergeAnswer';
export const SIGNAL_ENQUEUE = 'enqueue';
export const SIGNAL_WITHDRAW = 'withdraw';
export const SIGNAL_OUTCOME = 'outcome';
export const UPDATE_TAKE = 'take';
