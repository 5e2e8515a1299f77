/**
 * The run directory: what two parties, a worker and a run's supervisor, say to each other. Files only.
 *
 *   supervisor.json  first act of the supervisor, open('wx'): whoever loses exits
 *   launch.json      written by the launcher before the supervisor starts, fsynced; names its format
 *   events.jsonl, stderr.log   the child's raw file descriptors
 *   lease            a counter, renewed by whoever attends
 *   stop             a request with its reason
 *   exit.json        preallocated at launch, written in place, fsynced, renamed
 */
export const RUN_FORMAT = 1;

export type RunKind = 'agent' | 'command';

/** launch.json */
export interface LaunchRecord {
  format: number;
  runId: string;
  itemId: string;
  kind: RunKind;
  argv: string[];
  /** The child's whole environment: an allow-list, so it holds no orchestrator secret. */
  env: Record<string, string>;
  cwd: string;
  /** Path of the file given as stdin; absent = empty stdin. */
  stdinPath?: string;
  budgetMs: number;
  /** 0 = off. */
  silenceMs: number;
  outputLimitBytes: number;
  leaseMs: number;
  /** SIGINT wait before SIGTERM; 0 skips SIGINT. */
  interruptMs: number;
  /** SIGTERM wait before SIGKILL. */
  graceMs: number;
  /** Stamped before launch, so that they show in flight and survive a kill. */
  agent: string | null;
  model: string | null;
  effort: string | null;
  sessionId: string | null;
  /** Book-keeping of the launcher; the supervisor passes it over. */
  meta: Record<string, string>;
}

/** supervisor.json */
export interface SupervisorRecord {
  format: number;
  pid: number;
  /** Start time in clock ticks since boot (field 22 of /proc/PID/stat); null where there is no /proc. */
  startTicks: number | null;
  bootId: string | null;
  hostId: string | null;
  startedAtMs: number;
}

/** Why the supervisor ended a run; null: it ended by itself. */
export type StopCause = 'budget' | 'silence' | 'output' | 'lease' | 'stop' | 'directory' | 'shutdown' | null;

/** exit.json */
export interface ExitRecord {
  format: number;
  runId: string;
  /** -9 for every run that we ended, else the real code. */
  exit: number | null;
  realExit: number | null;
  signal: string | null;
  cause: StopCause;
  /** Reason given with a stop request. */
  stopReason: string | null;
  /** Launch error (`ENOENT` …), where the child never started. */
  launchError: string | null;
  childPid: number | null;
  startedAtMs: number;
  endedAtMs: number;
  /** Processes outside the group that the marker sweep had to end. */
  strays: number;
  /** Signals that were sent, in order. */
  signals: string[];
}

/** What the directory says, to anybody who looks. */
export type RunState =
  | { state: 'absent' }
  /** launch.json is there, no supervisor yet. */
  | { state: 'launching'; launch: LaunchRecord }
  | { state: 'running'; launch: LaunchRecord; supervisor: SupervisorRecord }
  | { state: 'ended'; launch: LaunchRecord | null; exit: ExitRecord }
  /** No exit record and no living supervisor. */
  | { state: 'lost'; launch: LaunchRecord | null; supervisor: SupervisorRecord | null }
  /** Unreadable, or of a format that this version does not know: reported and passed over. */
  | { state: 'corrupt'; reason: string };
