/**
 * What a finished run came to. Exit code 0 alone proves nothing (a CLI interrupted by SIGINT exits 0, an empty model
 * answer exits 0): success needs the exit code, the final result object, its own word, and text in it.
 */
import type { AgentFinalResult } from '../agents/contract.ts';
import type { ExitRecord, StopCause } from '../agents/record.ts';
import { classifyFailure } from './classify.ts';
import type { Failure, RunOutcome } from './types.ts';

/** Launch errors that say nothing about the command: out of processes, memory or files, or the prompt is gone. */
const HOST_TROUBLE = /^(EAGAIN|ENOMEM|EMFILE|ENFILE|ENOSPC|STDIN_\w+|CWD_ENOENT)$/;

/** Shown and recorded as the exit of every run that we ended. */
export const EXIT_ENDED_BY_US = -9;

export interface Judgement {
  outcome: RunOutcome;
  /** -9 for a run that we ended, else its true exit code. */
  exit: number | null;
  /** Absent on success, and where the end was asked for (cancel, pause, takeover). */
  failure?: Failure;
}

/**
 * Judges an ended run. `structured` is the adapter's reading of the final result; `tail` is unstructured output only
 * (stderr, lines that are no events), never the agent's prose; `logBlank`: nothing but whitespace in the event log.
 */
export function judgeRun(run: {
  exit: ExitRecord;
  result: AgentFinalResult | null;
  logBytes: number;
  logBlank: boolean;
  structured: Failure | null;
  tail: string;
  nowMs: number;
}): Judgement {
  const { exit, structured, tail, nowMs } = run;
  if (exit.launchError !== null) {
    const ofTheHost = HOST_TROUBLE.test(exit.launchError);
    const failure: Failure = {
      class: ofTheHost ? 'infrastructure' : 'config',
      code: 'launch_error',
      reason: `launch error: ${exit.launchError}`,
    };
    return { outcome: 'failed', exit: exit.exit, failure };
  }
  if (exit.cause !== null) return judgeOurEnd(exit.cause);
  const shortfall = findShortfall(run);
  if (shortfall === null && structured === null) return { outcome: 'succeeded', exit: 0 };
  const fallback = shortfall ?? { code: 'failed', reason: 'the run failed' };
  const failure = classifyFailure({ structured, tail, nowMs, fallback });
  return { outcome: 'failed', exit: exit.exit, failure: nameShortfall(failure, shortfall) };
}

const OUR_ENDS: Record<Exclude<StopCause, null>, { outcome: RunOutcome; failure?: Failure }> = {
  budget: {
    outcome: 'budget',
    failure: { class: 'permanent', code: 'budget', reason: 'the run used up its time budget and was ended' },
  },
  silence: {
    outcome: 'silence',
    failure: { class: 'permanent', code: 'stalled', reason: 'the run fell silent and was ended' },
  },
  output: {
    outcome: 'output',
    failure: {
      class: 'permanent',
      code: 'output_limit',
      reason: 'the run wrote more than its output limit and was ended',
    },
  },
  lease: {
    outcome: 'lease',
    failure: { class: 'infrastructure', code: 'lease_lost', reason: 'nobody attended the run, so it was ended' },
  },
  directory: {
    outcome: 'lease',
    failure: {
      class: 'infrastructure',
      code: 'directory_lost',
      reason: 'the run directory went away, so the run was ended',
    },
  },
  shutdown: {
    outcome: 'stopped',
    failure: {
      class: 'infrastructure',
      code: 'shutdown',
      reason: 'the run was ended with the orchestrator; it can be resumed',
    },
  },
  stop: { outcome: 'stopped' },
};

function judgeOurEnd(cause: Exclude<StopCause, null>): Judgement {
  return { ...OUR_ENDS[cause], exit: EXIT_ENDED_BY_US };
}

/** The first part of the success contract that the run misses, or null. */
function findShortfall(run: Parameters<typeof judgeRun>[0]): { code: string; reason: string } | null {
  const { exit, result } = run;
  const ended = exit.realExit === null ? `ended by ${exit.signal ?? 'a signal'}` : `exit ${exit.realExit}`;
  if (run.logBytes <= 0 || run.logBlank) return { code: 'empty_run_log', reason: `empty run log (${ended})` };
  if (exit.realExit !== 0) {
    const code = exit.realExit === null ? 'signal' : 'exit_code';
    return { code, reason: result === null ? `no result (${ended})` : `the agent ended with ${ended}` };
  }
  if (result === null) return { code: 'no_result_json', reason: 'no result JSON at exit 0' };
  if (!result.ok) return { code: 'agent_error', reason: `the agent reports failure${why(result)}` };
  if (result.text.trim() === '') return { code: 'empty_result', reason: 'the result is empty' };
  return null;
}

/** An empty or JSON-less log stays visible in the reason, whatever class the words around it gave. */
function nameShortfall(failure: Failure, shortfall: { code: string; reason: string } | null): Failure {
  if (shortfall === null || failure.code === shortfall.code) return failure;
  if (shortfall.code !== 'empty_run_log' && shortfall.code !== 'no_result_json') return failure;
  return { ...failure, reason: `${shortfall.reason}: ${failure.reason}` };
}

function why(result: AgentFinalResult): string {
  const reason = result.apiError ?? result.terminalReason;
  return reason === null || reason === '' ? '' : ` (${reason.slice(0, 80)})`;
}
