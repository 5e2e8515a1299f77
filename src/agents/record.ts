/**
 * The run directory: what two parties, a worker and a run's supervisor, say to each other. Files only.
 *
 *   launch.json      written by the launcher before the supervisor starts, fsynced; names its format
 *   supervisor.json  first act of the supervisor, created exclusively (link of a complete file): whoever loses exits
 *   child.json       the child's pid and start, written right after the spawn
 *   events.jsonl     the child's stdout, its raw file descriptor; of a command also its stderr, in order
 *   stderr.log       an agent's stderr, its raw file descriptor
 *   supervisor.log   the supervisor's own stderr; empty unless it broke
 *   lease            a counter, renewed by whoever attends. Only its *change* counts, on the supervisor's own clock
 *   quiet-ok         a counter, renewed while an attending worker knows that silence is healthy (an open tool call).
 *                    A change counts as an event. Nobody attends: no change, and silence or the lease ends the run
 *   stop             a request; its content is the reason (may be empty). Before the launch it forbids the spawn.
 *                    SIGCONT to the supervisor makes it look at once
 *   exit.json        preallocated at launch as exit.tmp, written in place, fsynced, renamed
 */
export const RUN_FORMAT = 1;

export const RUN_FILES = {
  launch: 'launch.json',
  supervisor: 'supervisor.json',
  child: 'child.json',
  events: 'events.jsonl',
  stderr: 'stderr.log',
  log: 'supervisor.log',
  lease: 'lease',
  quietOk: 'quiet-ok',
  stop: 'stop',
  exitReserve: 'exit.tmp',
  exit: 'exit.json',
} as const;

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
  /** 0 = off. */
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
  /** Book-keeping of the launcher; the supervisor passes it over, except `hostId`, which it repeats in its own record. */
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

/** child.json */
export interface ChildRecord {
  format: number;
  /** Leads its own session and process group. */
  pid: number;
  startTicks: number | null;
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
  /** Launch error (`ENOENT`, `CWD_ENOENT`, `STDIN_ENOENT` …), where the child never started. */
  launchError: string | null;
  childPid: number | null;
  startedAtMs: number;
  endedAtMs: number;
  /** Processes that outlived the child and the stop sequence, in its group or marked, and had to be ended. */
  strays: number;
  /** Signals of the stop sequence that were sent, in order. */
  signals: string[];
}

/** What the directory says, to anybody who looks. */
export type RunState =
  | { state: 'absent' }
  /** launch.json is there, no supervisor yet; believed for 90 s, then `lost`. */
  | { state: 'launching'; launch: LaunchRecord }
  | { state: 'running'; launch: LaunchRecord; supervisor: SupervisorRecord }
  | { state: 'ended'; launch: LaunchRecord | null; exit: ExitRecord }
  /** No exit record and no living supervisor. */
  | { state: 'lost'; launch: LaunchRecord | null; supervisor: SupervisorRecord | null }
  /** Unreadable, or of a format that this version does not know: reported and passed over. */
  | { state: 'corrupt'; reason: string };
