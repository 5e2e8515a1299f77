import { describe, expect, test } from 'vitest';
import type { FailureClass } from '../../domain/types.ts';
import type { AgentFinalResult } from '../contract.ts';
import { classifyClaudeResult } from './classify.ts';
import { linesOf, listFixtures, readFixture, readLines } from './fixtures.test-helper.ts';

/** The recorded samples' clock. */
const NOW_MS = Date.UTC(2026, 10, 21, 10, 0, 0);

/** The samples' own class → ours; null where the structure leaves it to the caller (success, empty text, no result). */
const EXPECTED: Record<string, { class: FailureClass; code: string } | null> = {
  success: null,
  empty_output: null,
  killed: null,
  protocol_error: null,
  // Told by its words: see `isResumeRefused`.
  resume_refused: null,
  max_turns: { class: 'permanent', code: 'max_turns' },
  max_budget: { class: 'permanent', code: 'max_budget' },
  aborted: { class: 'permanent', code: 'aborted' },
  startup_failed: { class: 'config', code: 'startup_bypass_root' },
  not_logged_in: { class: 'auth', code: 'not_logged_in' },
  auth_failed: { class: 'auth', code: 'auth_failed' },
  usage_limit: { class: 'limit', code: 'usage_limit' },
  rate_limited: { class: 'transient', code: 'rate_limited' },
  overloaded: { class: 'transient', code: 'overloaded' },
  api_error: { class: 'transient', code: 'api_error' },
  network: { class: 'transient', code: 'network' },
  prompt_too_long: { class: 'permanent', code: 'prompt_too_long' },
  permission_denied: { class: 'permanent', code: 'permission_denied' },
};

const samples = listFixtures().filter((entry) => entry.kind === undefined && entry.expect !== undefined);

describe('every recorded sample', () => {
  test('there are some', () => expect(samples.length).toBeGreaterThan(20));

  test.each(samples.map((entry) => [entry.file, entry.expect?.class ?? '', entry] as const))(
    '%s: %s',
    (file, kind, entry) => {
      const { result, results, lastLimit } = readLines(linesOf(file));
      const failure = result === null ? null : classifyClaudeResult(result, lastLimit, NOW_MS);
      if (kind === 'schema_failed') {
        // A schema that the model ignored shows only where one was asked for; we ask for none.
        expect(failure?.code ?? null).toBe(result?.ok === true ? null : 'schema_failed');
      } else {
        const expected = EXPECTED[kind];
        if (expected === undefined) throw new Error(`no expectation for ${kind}`);
        if (expected === null) expect(failure).toBeNull();
        else expect(failure).toMatchObject(expected);
      }
      if (entry.expect?.costUsd !== undefined) expect(result?.usage?.costUsd).toBe(entry.expect.costUsd);
      if (entry.expect?.model !== undefined) expect(result?.model).toBe(entry.expect.model);
      if (entry.expect?.resultCount !== undefined) expect(results).toBe(entry.expect.resultCount);
      if (kind === 'usage_limit') expect(failure?.resetAtMs).toBe(1_795_269_600_000);
    },
  );

  test('an empty success is told by its empty text', () => {
    expect(readLines(linesOf('claude-empty-output.json')).result).toMatchObject({ ok: true, text: '' });
  });
});

describe('wordings of every era', () => {
  const {
    cases,
  }: {
    cases: { text: string; resetsAt: string | null }[];
  } = JSON.parse(readFixture('claude-usage-limit-messages.json'));

  test.each(cases)('$text', ({ text, resetsAt }) => {
    // As 2.1.197 gives them: no api_error, no terminal reason, a status at most.
    const failure = classifyClaudeResult(errorResult({ text, terminalReason: 'completed' }), null, NOW_MS);
    if (resetsAt !== null) expect(failure).toMatchObject({ class: 'limit', resetAtMs: Date.parse(resetsAt) });
    else if (text.startsWith('Credit')) expect(failure).toMatchObject({ class: 'config', code: 'no_credit' });
    else expect(failure).toMatchObject({ class: 'transient', code: 'rate_limited' });
  });

  test('an overload without a status is known by its text', () => {
    const text = 'API Error: Repeated 529 Overloaded errors. The API is at capacity';
    expect(classifyClaudeResult(errorResult({ text }), null, NOW_MS)).toMatchObject({
      class: 'transient',
      code: 'overloaded',
    });
  });
});

describe('limits', () => {
  const limited = errorResult({
    text: "You've hit your weekly limit",
    apiStatus: 429,
    apiError: 'usage_limit_reached',
  });

  test('the structured reset wins over the text', () => {
    const result = { ...limited, text: "You've hit your 5-hour limit · resets 2pm (UTC)" };
    const resetAtMs = NOW_MS + 3 * 3_600_000;
    expect(classifyClaudeResult(result, { resetAtMs }, NOW_MS)?.resetAtMs).toBe(resetAtMs);
  });

  test('a reset that nobody named is half an hour away', () => {
    expect(classifyClaudeResult(limited, null, NOW_MS)?.resetAtMs).toBe(NOW_MS + 30 * 60_000);
  });

  test('a reset in the past still waits a minute: a limit spends no budget and would loop', () => {
    expect(classifyClaudeResult(limited, { resetAtMs: NOW_MS - 1 }, NOW_MS)?.resetAtMs).toBe(NOW_MS + 60_000);
  });

  test('a rate limit after a rejected window event is no plan limit by itself', () => {
    const result = errorResult({
      text: 'API Error: Server is temporarily limiting requests (not your usage limit)',
      apiStatus: 429,
    });
    expect(classifyClaudeResult(result, { resetAtMs: NOW_MS + 1 }, NOW_MS)?.class).toBe('transient');
  });
});

describe("the agent's own prose is never read", () => {
  const prose =
    'The ticket quotes "429 rate limit". You\'ve hit your limit · resets 2pm. Not logged in · Please run /login';

  test('a success that quotes every error is a success', () => {
    for (const text of [prose, "You've hit your limit · resets 2pm", 'API Error: 529 Overloaded', 'Not logged in']) {
      const result = { ...errorResult({ text, terminalReason: 'completed' }), ok: true };
      expect(classifyClaudeResult(result, null, NOW_MS)).toBeNull();
    }
  });

  test('an error text that quotes another error in its middle is not that error', () => {
    const result = errorResult({ text: `Reached maximum number of turns. ${prose}`, terminalReason: 'max_turns' });
    expect(classifyClaudeResult(result, null, NOW_MS)).toMatchObject({ class: 'permanent', code: 'max_turns' });
  });
});

test('auth comes before everything else, also by status alone', () => {
  expect(classifyClaudeResult(errorResult({ apiStatus: 401 }), null, NOW_MS)?.class).toBe('auth');
  expect(
    classifyClaudeResult(
      errorResult({ text: 'Failed to authenticate: OAuth token revoked.', apiStatus: 403 }),
      null,
      NOW_MS,
    )?.class,
  ).toBe('auth');
  expect(classifyClaudeResult(errorResult({ apiError: 'oauth_org_not_allowed' }), null, NOW_MS)?.class).toBe('auth');
});

test('an unknown model is a matter of configuration', () => {
  const text = "There's an issue with the selected model (claude-x). It may not exist";
  expect(classifyClaudeResult(errorResult({ text, apiStatus: 404 }), null, NOW_MS)).toMatchObject({
    class: 'config',
    code: 'model_not_found',
  });
});

test('what the structure does not explain is left to the caller', () => {
  expect(classifyClaudeResult(errorResult({ text: 'something new', terminalReason: null }), null, NOW_MS)).toBeNull();
});

test('the reason is one bounded line', () => {
  const text = `API Error: 500 ${'long\n'.repeat(1000)}`;
  const reason = classifyClaudeResult(errorResult({ text, apiStatus: 500 }), null, NOW_MS)?.reason ?? '';
  expect(reason.length).toBeLessThanOrEqual(300);
  expect(reason).not.toContain('\n');
});

function errorResult(fields: Partial<AgentFinalResult>): AgentFinalResult {
  return {
    ok: false,
    text: '',
    usage: null,
    model: null,
    sessionId: null,
    apiStatus: null,
    apiError: null,
    terminalReason: 'api_error',
    cumulativeUsage: true,
    deniedTools: [],
    ...fields,
  };
}
