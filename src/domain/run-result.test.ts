import { describe, expect, it } from 'vitest';
import type { AgentFinalResult } from '../agents/contract.ts';
import type { ExitRecord, StopCause } from '../agents/record.ts';
import { judgeRun } from './run-result.ts';
import type { Failure } from './types.ts';

const nowMs = Date.parse('2026-11-21T10:00:00Z');

function exitRecord(changes: Partial<ExitRecord> = {}): ExitRecord {
  const base = {
    format: 1,
    runId: 'r',
    exit: 0,
    realExit: 0,
    signal: null,
    cause: null,
    stopReason: null,
    launchError: null,
    childPid: 1,
    startedAtMs: 0,
    endedAtMs: 1,
    strays: 0,
    signals: [],
  };
  return { ...base, ...changes };
}

function finalResult(changes: Partial<AgentFinalResult> = {}): AgentFinalResult {
  const base: AgentFinalResult = {
    ok: true,
    text: 'done',
    usage: null,
    model: null,
    sessionId: null,
    apiStatus: null,
    apiError: null,
    terminalReason: 'completed',
    cumulativeUsage: false,
    deniedTools: [],
  };
  return { ...base, ...changes };
}

function judge(changes: Partial<Parameters<typeof judgeRun>[0]>): ReturnType<typeof judgeRun> {
  return judgeRun({
    exit: exitRecord(),
    result: finalResult(),
    logBytes: 10,
    logBlank: false,
    structured: null,
    tail: '',
    nowMs,
    ...changes,
  });
}

describe('judgeRun', () => {
  it('succeeds on exit 0 with a result that says so and is not empty', () => {
    expect(judge({})).toEqual({ outcome: 'succeeded', exit: 0 });
  });

  it.each([
    ['empty_run_log', { logBytes: 0, result: null }],
    ['empty_run_log', { logBlank: true, result: null }],
    ['no_result_json', { result: null }],
    ['agent_error', { result: finalResult({ ok: false, terminalReason: 'max_turns' }) }],
    ['empty_result', { result: finalResult({ text: ' \n' }) }],
    ['exit_code', { exit: exitRecord({ exit: 1, realExit: 1 }) }],
    ['signal', { exit: exitRecord({ exit: null, realExit: null, signal: 'SIGKILL' }) }],
  ])('%s is a permanent failure', (code, changes) => {
    expect(judge(changes)).toMatchObject({ outcome: 'failed', failure: { class: 'permanent', code } });
  });

  it('keeps the true exit code beside the failure', () => {
    expect(judge({ logBytes: 0, result: null })).toMatchObject({ exit: 0 });
    expect(judge({ exit: exitRecord({ exit: 143, realExit: 143 }), result: null })).toMatchObject({ exit: 143 });
  });

  it.each([
    ['HTTP 529 overloaded', 'transient'],
    ['Not logged in', 'auth'],
    ["You've hit your limit · resets 2pm (UTC)", 'limit'],
    ["error: unknown option '--x'", 'config'],
  ])('classifies an empty log by the words beside it: %s', (tail, expected) => {
    const judged = judge({ logBytes: 0, logBlank: true, result: null, tail });
    expect(judged.failure?.class).toBe(expected);
    expect(judged.failure?.reason).toContain('empty run log');
  });

  it('classifies a log without a result by the words beside it', () => {
    expect(judge({ result: null, tail: 'ECONNRESET' }).failure).toMatchObject({ class: 'transient' });
  });

  it('fails where the structure says so, whatever the rest looks like', () => {
    const structured: Failure = { class: 'permanent', code: 'permission_denied', reason: 'the agent was blocked' };
    expect(judge({ structured })).toEqual({ outcome: 'failed', exit: 0, failure: structured });
  });

  it.each([
    ['budget', 'budget', 'permanent'],
    ['silence', 'silence', 'permanent'],
    ['output', 'output', 'permanent'],
    ['lease', 'lease', 'infrastructure'],
    ['directory', 'lease', 'infrastructure'],
    ['shutdown', 'stopped', 'infrastructure'],
    ['stop', 'stopped', undefined],
  ] as [Exclude<StopCause, null>, string, string | undefined][])(
    'a run ended for %s is %s and never a success',
    (cause, outcome, failureClass) => {
      // A CLI that is interrupted exits 0 and may even write a result that says it succeeded.
      const judged = judge({ exit: exitRecord({ cause, exit: -9, realExit: 0 }), tail: 'timed out 429' });
      expect(judged).toMatchObject({ outcome, exit: -9 });
      expect(judged.failure?.class).toBe(failureClass);
    },
  );

  it.each(['EAGAIN', 'ENOMEM', 'EMFILE', 'STDIN_ENOENT', 'CWD_ENOENT'])(
    'takes %s for trouble of the host',
    (launchError) => {
      const judged = judge({ exit: exitRecord({ exit: null, realExit: null, launchError }), result: null });
      expect(judged).toMatchObject({ outcome: 'failed', failure: { class: 'infrastructure', code: 'launch_error' } });
    },
  );

  it('takes a launch error for configuration', () => {
    const judged = judge({
      exit: exitRecord({ exit: null, realExit: null, launchError: 'ENOENT' }),
      logBytes: 0,
      result: null,
    });
    expect(judged).toEqual({
      outcome: 'failed',
      exit: null,
      failure: { class: 'config', code: 'launch_error', reason: 'launch error: ENOENT' },
    });
  });
});
