/**
 * What workflows may ask of the world, as types only. One interface per task queue; the value of every expected end is
 * returned, never thrown: an activity throws for infrastructure alone.
 */
import type { Evidence, MergeAnswer, MergeRequest, PersonCommand, WorkItemStatus } from '../src/domain/protocol.ts';
import type { MessageData, MessageName } from '../src/domain/message-data.ts';
import type {
  AgentStage,
  AlertKind,
  BoardState,
  CommandResult,
  GateResult,
  Role,
  RunOutcome,
  RunResult,
  Stage,
} from '../src/domain/types.ts';

/** An item of a project: what every activity needs to find its way. */
export interface ItemRef {
  itemId: string;
  project: string;
}

export type OpenResult =
  | {
      result: 'opened';
      branch: string;
      head: string;
      base: string;
      repositoryId: string;
      baseBranch: string;
      skipStages: AgentStage[];
      artifactsDirectory: string;
    }
  | { result: 'refused'; reason: string; mend: string };

/** Resolved once per stage entry and recorded, so that a changed configuration never changes a decision half way. */
export interface StagePlan {
  role: Role;
  agent: string;
  login: string;
  model: string;
  effort: string | null;
  budgetMs: number;
  /** 0 = off. */
  silenceMs: number;
  /** startToClose of the run activity: budget + whole stop sequence + margin. */
  ceilingMs: number;
  /** scheduleToStart on the host's queue: lease + stop sequence. */
  hostWaitMs: number;
  relaunchFloorMs: number;
  maxRelaunches: number;
  permanentTries: number;
  transientRetries: number;
  backoffBaseMs: number;
  backoffCapMs: number;
  developerAttempts: number;
  infraRetries: number;
  infraRetryBaseMs: number;
  reminderFirstMs: number;
  reminderEveryMs: number;
  answerSettleMs: number;
  allowSkip: boolean;
  skipStages: AgentStage[];
  /** Commands the gate of this stage runs, by name. */
  gateCommand: 'test' | null;
  gateTimeoutMs: number;
  gateCeilingMs: number;
  /** The stage's artifacts as full paths: what the agent is told to write. */
  expected: string[];
  questionsPath: string;
  conflictPath: string;
  warnings: string[];
}

/** Why an agent runs again, as it goes into the prompt. */
export interface ReturnReason {
  kind: 'gate' | 'review' | 'tests' | 'answer' | 'conflict' | 'rejection' | 'missing' | 'merge' | 'retry';
  text: string;
  /** Absolute path with the whole text, where it is longer than the prompt takes. */
  path?: string;
}

export interface ClaimInput extends ItemRef {
  runId: string;
  login: string;
  agent: string;
}
export interface ClaimResult {
  hostId: string;
  waitedMs: number;
}

export interface RunInput extends ItemRef {
  runId: string;
  number: number;
  stage: AgentStage;
  entry: number;
  role: Role;
  agent: string;
  model: string;
  effort: string | null;
  budgetMs: number;
  silenceMs: number;
  branch: string;
  /** The commit to start from. */
  commit: string;
  /** The deploy run works on main at the landed commit, without a branch. */
  detached: boolean;
  expected: string[];
  reasons: ReturnReason[];
  resumeSessionId: string | null;
}

export interface SaveInput extends ItemRef {
  runId: string;
  stage: AgentStage;
  role: Role;
  branch: string;
  base: string;
  detached: boolean;
  /** The run was ended by us: what is there is committed as `wip`. */
  interrupted: boolean;
}
export type SaveOutcome =
  | {
      result: 'saved';
      head: string;
      /** Artifacts of this item that the run wrote or changed. */
      artifacts: string[];
      /** Paths outside what the role may change: kept as a patch, not committed. */
      outside: string[];
      /** Files that were refused and left in place. */
      refused: { path: string; why: string }[];
    }
  | { result: 'superseded' }
  | { result: 'conflict'; files: string[] };

export interface StopInput extends ItemRef {
  runId: string;
  reason: string;
}
export interface StopResult {
  /** The run's exit record is there, or its lease is over. */
  stopped: boolean;
  sessionId: string | null;
}

export interface GateInput extends ItemRef {
  stage: Exclude<AgentStage, 'development'>;
  branch: string | null;
  /** The commit to look at; null asks at the branch's current head. */
  commit: string | null;
  /** Artifacts written by this stage's role in this entry of the stage. */
  artifacts: string[];
  /** Artifacts written by the run that just ended: only these make a questions or conflict file count. */
  fresh: string[];
  /** The run whose own directory holds the report: deploy alone, whose work is not committed. */
  runId: string | null;
}
/** The artifact gate's answer, with the text of a fresh questions or conflict file where the gate said no. */
export interface GateAnswer {
  gate: GateResult;
  questions: string | null;
  conflict: string | null;
  /** The branch's head as the forge has it now. */
  head: string;
  /** Blob ids of the files that an approval is bound to. */
  blobs: Record<string, string>;
}

export interface CommandInput extends ItemRef {
  /** Drawn in the workflow: a retry attaches to the command at work instead of starting it twice. */
  runId: string;
  command: 'test' | 'retest';
  commit: string;
  timeoutMs: number;
}

export interface DecisionCheck extends ItemRef {
  command: PersonCommand;
  /** The stage that the person was shown and signed; null where they named none. */
  stage: Stage | null;
  /** The commit of the recorded request, as it was shown. */
  commit: string | null;
  /** The commit that the person named. */
  shownCommit: string | null;
  text: string | null;
  evidence: Evidence | null;
  branch: string | null;
  /** Blob ids that the request was made with; a change voids an approval. */
  blobs: Record<string, string> | null;
}
export type DecisionVerdict =
  | { result: 'allowed'; by: string; head: string | null }
  | { result: 'refused'; by: string; reason: string };

/** Texts are rendered where the effect is delivered; the workflow records values only. */
export type Effect =
  | { key: string; kind: 'comment'; message: MessageName; data: MessageData }
  | { key: string; kind: 'state'; state: BoardState }
  | { key: string; kind: 'alert'; alert: AlertKind; cause: string; data: MessageData };

export interface DeliverInput extends ItemRef {
  title: string;
  effects: Effect[];
}

export interface PullRequestInput extends ItemRef {
  branch: string;
  title: string;
}

export interface MergeInput extends ItemRef {
  request: MergeRequest;
  repositoryId: string;
  base: string;
}

export interface CloseInput extends ItemRef {
  how: 'done' | 'cancelled';
  branch: string | null;
  head: string | null;
  pullRequest: string | null;
  reason: string;
}

export interface EvidenceInput extends ItemRef {
  status: WorkItemStatus;
  workflowRunId: string;
}

/** Short activities on the queue `stagewright`: any host. */
export interface MainActivities {
  openItem(input: ItemRef & { title: string }): Promise<OpenResult>;
  planStage(input: ItemRef & { stage: AgentStage; agent: string | null }): Promise<StagePlan>;
  evaluateGate(input: GateInput): Promise<GateAnswer>;
  collectAnswers(input: ItemRef & { sinceMs: number }): Promise<{ text: string; by: string[]; path: string | null }>;
  checkDecision(input: DecisionCheck): Promise<DecisionVerdict>;
  /** Fences off a run that may still be alive on a host that is gone; returns the branch's new head. */
  takeOver(input: ItemRef & { branch: string; runId: string }): Promise<{ head: string }>;
  ensurePullRequest(input: PullRequestInput): Promise<{ id: string; url: string }>;
  deliver(input: DeliverInput): Promise<void>;
  /** An alert that belongs to no single item: a login, the breaker. */
  raiseAlert(input: { key: string; kind: AlertKind; subject: string; reason: string }): Promise<void>;
  requestMerge(input: MergeInput): Promise<void>;
  withdrawMerge(input: MergeInput): Promise<void>;
  closeItem(input: CloseInput): Promise<void>;
  exportEvidence(input: EvidenceInput): Promise<string>;
  prepareCandidate(input: CandidateInput): Promise<CandidateResult>;
  landCandidate(input: LandInput): Promise<LandOutcome>;
  answerItem(input: { workflowId: string; answer: MergeAnswer }): Promise<void>;
}

/** On `agents:<login>`. */
export interface AgentQueueActivities {
  claimSlot(input: ClaimInput): Promise<ClaimResult>;
}

/** On `host:<id>`: what must happen where the run is. */
export interface HostActivities {
  runAgent(input: RunInput): Promise<RunResult>;
  saveWork(input: SaveInput): Promise<SaveOutcome>;
  stopRun(input: StopInput): Promise<StopResult>;
  /** For deploy, whose report is in the run's directory. */
  evaluateGate(input: GateInput): Promise<GateAnswer>;
}

/** On `gates`: tests, re-tests, coverage. */
export interface GateActivities {
  runGateCommand(input: CommandInput): Promise<CommandResult>;
}

export interface CandidateInput {
  project: string;
  request: MergeRequest;
}
export type CandidateResult =
  | {
      result: 'candidate';
      commit: string;
      tree: string;
      base: string;
      /** The branch's head that it was made from. */
      from: string;
      /** Nothing to re-test: this very tree was validated by a command we ran. */
      retest: boolean;
      retestTimeoutMs: number;
      retestCeilingMs: number;
      infraRetries: number;
      infraRetryBaseMs: number;
    }
  | { result: 'conflict'; reason: string; tail: string }
  | { result: 'markers'; reason: string }
  | { result: 'empty'; reason: string }
  /** Somebody pushed since the request was made: what was reviewed is not what is there. */
  | { result: 'moved'; reason: string }
  /** The candidate is on main already: an earlier answer was lost. */
  | { result: 'landed'; base: string; head: string };

export interface LandInput {
  project: string;
  request: MergeRequest;
  commit: string;
  base: string;
  from: string;
  round: number;
}
export type LandOutcome =
  | { result: 'landed'; base: string; head: string }
  | { result: 'baseMoved' }
  | { result: 'headMoved'; reason: string }
  | { result: 'infrastructure'; reason: string }
  | { result: 'refused'; reason: string };

export type { MessageData, MessageName, RunOutcome };
