/**
 * Everything a work item knows, as one plain object: it is the query's source and, unchanged, the input of the next
 * execution when this one continues as new. Nothing that matters may live outside it.
 */
import type {
  DecisionCommand,
  DecisionInput,
  DecisionResult,
  Evidence,
  MergeAnswer,
  RunView,
  WaitView,
  WorkItemInput,
  WorkItemStatus,
} from '../../src/domain/protocol.ts';
import { AGENT_STAGES, STAGES } from '../../src/domain/types.ts';
import type { AgentStage, BoardState, GateResult, Stage, Usage } from '../../src/domain/types.ts';
import { isAgentStage } from '../../src/domain/stages.ts';
import type { Effect, ReturnReason, StagePlan } from '../../activities/types.ts';

/** Where in a stage the item stands. Each phase ends by naming the next one, so that a carried state just goes on. */
export type Phase = 'open' | 'enter' | 'run' | 'gate' | 'approval' | 'answer' | 'merge' | 'attention' | 'closed';

/** Causes of attention; with the stage's entry they make an alert unique. */
export type AttentionCause =
  | 'open'
  | 'cap'
  | 'tries'
  | 'transient'
  | 'relaunches'
  | 'config'
  | 'gate'
  | 'save'
  | 'merge'
  | 'moved'
  | 'rejected';

export interface RunInFlight {
  runId: string;
  number: number;
  step: 'claim' | 'run' | 'save';
  hostId: string | null;
  budgetMs: number;
  resumeSessionId: string | null;
  takeover: boolean;
  startedAtMs: number | null;
}

export interface State {
  stage: Stage;
  phase: Phase;
  /** Entries per stage; with the stage they are part of every effect key. */
  entries: Partial<Record<Stage, number>>;
  stageSinceMs: Partial<Record<Stage, number>>;
  stageSpentMs: Partial<Record<Stage, number>>;
  returned: Stage[];
  startedAtMs: number;
  updatedAtMs: number;

  branch: string | null;
  head: string | null;
  repositoryId: string | null;
  baseBranch: string | null;
  skipStages: AgentStage[];
  artifactsDirectory: string;
  pullRequest: { id: string; url: string } | null;

  plan: StagePlan | null;
  run: RunInFlight | null;
  runs: RunView[];
  runCount: number;
  /** Session of the last run of this stage entry, for a resume. */
  session: { id: string; hostId: string } | null;
  /** Budget that a stopped or lost run had already used. */
  usedBudgetMs: number;
  permanentTries: number;
  transientTries: number;
  relaunches: number;
  gateWaits: number;
  /** Nothing is launched or asked before this instant: a backoff that must survive continuing as new. */
  backOff: { kind: 'backoff' | 'limit'; reason: string; untilMs: number } | null;
  developerAttempts: number;
  developerMaximum: number;
  grantedAttempts: number;
  /** Why the next run is needed, for its prompt. */
  reasons: ReturnReason[];
  lastReason: string | null;
  lastGate: GateResult | null;
  /** Artifacts written in this entry of the stage by its role; and those of the run that just ended. */
  artifacts: string[];
  freshArtifacts: string[];
  lastRunId: string | null;
  lastHostId: string | null;
  validated: { commit: string; command: string } | null;

  request: {
    kind: 'approval' | 'answer' | 'attention';
    stage: Stage;
    commit: string | null;
    sinceMs: number;
    cause: AttentionCause | null;
    blobs: Record<string, string> | null;
    files: string[];
    text: string;
    reminders: number;
  } | null;
  approvals: { stage: Stage; by: string; commit: string; atMs: number }[];
  waiting: WaitView | null;
  answers: { text: string; by: string; atMs: number }[];

  merge: { key: string } | null;
  mergeRounds: number;
  mergeAnswer: MergeAnswer | null;
  merged: { base: string; head: string; retested?: boolean } | null;

  paused: { by: string; stopRun: boolean; sinceMs: number } | null;
  cancelled: { by: string; reason: string } | null;
  /** Commands that came by signal and wait for their evidence to be read. */
  controls: {
    id: string;
    command: 'pause' | 'resume' | 'cancel';
    evidence: Evidence | null;
    reason: string;
    stopRun: boolean;
  }[];
  /** Something outside changed while we waited. */
  nudges: { kind: string; ref: string | null }[];

  /** The board state last asked for, so that it is written only when it changes. */
  boardState: BoardState | null;
  outbox: Effect[];
  delivered: number;
  handledIds: string[];
  signals: number;
}

/** One person's decision between its arrival and its settlement. Lives only inside one execution. */
export interface PendingDecision {
  command: DecisionCommand;
  input: DecisionInput;
  settled: DecisionResult | null;
}

/** The stage of an item that is in one; a bug where it is not, so it parks the workflow task until it is mended. */
export function agentStage(state: State): AgentStage {
  if (!isAgentStage(state.stage)) throw new Error(`${state.stage} has no agent`);
  return state.stage;
}

export function initialState(nowMs: number): State {
  return {
    stage: 'created',
    phase: 'open',
    entries: { created: 1 },
    stageSinceMs: { created: nowMs },
    stageSpentMs: {},
    returned: [],
    startedAtMs: nowMs,
    updatedAtMs: nowMs,
    branch: null,
    head: null,
    repositoryId: null,
    baseBranch: null,
    skipStages: [],
    artifactsDirectory: '',
    pullRequest: null,
    plan: null,
    run: null,
    runs: [],
    runCount: 0,
    session: null,
    usedBudgetMs: 0,
    permanentTries: 0,
    transientTries: 0,
    relaunches: 0,
    gateWaits: 0,
    backOff: null,
    developerAttempts: 0,
    developerMaximum: 3,
    grantedAttempts: 0,
    reasons: [],
    lastReason: null,
    lastGate: null,
    artifacts: [],
    freshArtifacts: [],
    lastRunId: null,
    lastHostId: null,
    validated: null,
    request: null,
    approvals: [],
    waiting: null,
    answers: [],
    merge: null,
    mergeRounds: 0,
    mergeAnswer: null,
    merged: null,
    paused: null,
    cancelled: null,
    controls: [],
    nudges: [],
    boardState: null,
    outbox: [],
    delivered: 0,
    handledIds: [],
    signals: 0,
  };
}

const ZERO: Usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0, costUsd: 0, turns: 0, durationMs: 0 };

/** Sum of what the runs cost; runs without usage count nothing. */
export function totalUsage(runs: readonly { usage: Usage | null }[]): Usage {
  const total = { ...ZERO };
  for (const { usage } of runs) {
    if (usage === null) continue;
    total.inputTokens += usage.inputTokens;
    total.outputTokens += usage.outputTokens;
    total.cachedTokens += usage.cachedTokens;
    total.costUsd += usage.costUsd;
    total.turns += usage.turns;
    total.durationMs += usage.durationMs;
  }
  return total;
}

/** What the query `status` shows. */
export function viewStatus(input: WorkItemInput, state: State, nowMs: number): WorkItemStatus {
  const order = STAGES.filter((stage) => !(state.skipStages as readonly Stage[]).includes(stage));
  return {
    itemId: input.itemId,
    project: input.project,
    title: input.title,
    stage: state.stage,
    state: overallState(state),
    waiting: state.waiting,
    branch: state.branch,
    head: state.head,
    pullRequest: state.pullRequest?.url ?? null,
    developerAttempts: state.developerAttempts,
    maxDeveloperAttempts: state.developerMaximum + state.grantedAttempts,
    permanentTries: state.permanentTries,
    transientTries: state.transientTries,
    relaunches: state.relaunches,
    lastReason: state.lastReason,
    lastGate: state.lastGate,
    stages: order
      .filter((stage) => stage !== 'cancelled' || state.stage === 'cancelled')
      .map((stage) => {
        const since = state.stageSinceMs[stage] ?? null;
        const active = stage === state.stage;
        return {
          stage,
          entries: state.entries[stage] ?? 0,
          status: stageStatus(state, stage),
          startedAtMs: since,
          endedAtMs: active || since === null ? null : since,
          durationMs:
            (state.stageSpentMs[stage] ?? 0) +
            (active && since !== null && state.phase !== 'closed' ? nowMs - since : 0),
        };
      }),
    runs: state.runs,
    usage: totalUsage(state.runs),
    merged: state.merged,
    approvals: state.approvals,
    outbox: state.outbox.length,
    startedAtMs: state.startedAtMs,
    updatedAtMs: state.updatedAtMs,
  };
}

function overallState(state: State): WorkItemStatus['state'] {
  if (state.stage === 'done') return 'done';
  if (state.stage === 'cancelled') return 'cancelled';
  if (state.paused !== null) return 'paused';
  if (state.phase === 'attention') return 'attention';
  if (state.phase === 'approval' || state.phase === 'answer' || state.waiting !== null) {
    return state.waiting?.kind === 'slot' ? 'queued' : 'waiting';
  }
  return 'running';
}

function stageStatus(state: State, stage: Stage): WorkItemStatus['stages'][number]['status'] {
  if (stage === state.stage) return stage === 'done' || stage === 'cancelled' ? 'done' : 'active';
  if (state.returned.includes(stage)) return 'returned';
  const entered = (state.entries[stage] ?? 0) > 0;
  return entered && STAGES.indexOf(stage) < STAGES.indexOf(state.stage) ? 'done' : entered ? 'returned' : 'pending';
}

/** Remembers an id; true where it was known already. Bounded: a replay older than that re-reads the truth and finds nothing. */
export function alreadyHandled(state: State, id: string | undefined): boolean {
  if (id === undefined || id === '') return false;
  if (state.handledIds.includes(id)) return true;
  state.handledIds.push(id);
  if (state.handledIds.length > 500) state.handledIds.splice(0, state.handledIds.length - 500);
  return false;
}

/** Clears what belongs to one entry of a stage, before the next one begins. */
export function beginEntry(state: State, stage: Stage, nowMs: number): void {
  const previous = state.stage;
  if (previous !== stage || state.phase !== 'open') {
    const since = state.stageSinceMs[previous];
    if (since !== undefined) state.stageSpentMs[previous] = (state.stageSpentMs[previous] ?? 0) + (nowMs - since);
  }
  state.stage = stage;
  state.entries[stage] = (state.entries[stage] ?? 0) + 1;
  state.stageSinceMs[stage] = nowMs;
  state.returned = state.returned.filter((entry) => STAGES.indexOf(entry) > STAGES.indexOf(stage));
  state.plan = null;
  state.run = null;
  state.session = null;
  state.usedBudgetMs = 0;
  state.permanentTries = 0;
  state.transientTries = 0;
  state.relaunches = 0;
  state.gateWaits = 0;
  state.backOff = null;
  state.artifacts = [];
  state.freshArtifacts = [];
  state.request = null;
  state.waiting = null;
  state.merge = null;
  state.mergeAnswer = null;
}

/** Marks every stage behind a return, so that the checklist shows what is to be done again. */
export function markReturned(state: State, to: AgentStage): void {
  const from = STAGES.indexOf(to);
  state.returned = AGENT_STAGES.filter(
    (stage) => STAGES.indexOf(stage) > from && (state.entries[stage] ?? 0) > 0 && isAgentStage(stage),
  );
}
