import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OWN_LINE_PREFIX, TAIL_LIMIT_BYTES, classifyFailure, classifyText } from './classify.ts';
import type { Failure, FailureClass } from './types.ts';

const nowMs = Date.parse('2026-11-21T10:00:00Z');

function classOf(tail: string): FailureClass | undefined {
  return classifyText(tail, nowMs)?.class;
}

describe('classifyText', () => {
  it.each([
    'Not logged in · Please run /login',
    'NOT_LOGGED_IN',
    'run /login first',
    'Unauthorized',
    'HTTP 401',
    'Failed to authenticate. API Error: 401 OAuth token has expired.',
    'Failed to authenticate: OAuth token revoked.',
    'Failed to authenticate: OAuth session expired and could not be refreshed',
    'Invalid API key · Fix external API key',
    'unexpected status 401 Unauthorized: Incorrect API key provided',
    'Please set an Auth method in your /home/agent/.gemini/settings.json',
  ])('auth: %s', (text) => {
    expect(classOf(text)).toBe('auth');
  });

  it.each([
    'HTTP 429',
    '(429)',
    'status:429',
    'error-429',
    'rate limit',
    'Rate-Limited',
    'rate_limit_error',
    'Overloaded',
    'overloaded_error',
    'Too Many Requests',
    'too_many-requests',
    'quota exceeded',
    'insufficient_quota',
    'Retry-After: 42',
    'Service Unavailable',
    '503',
    'Repeated 529 Overloaded errors.',
    '529.',
    'request timed out',
    'Timeout',
    'time-out',
    'connection reset by peer',
    'Connection refused',
    'connection_error',
    'connection aborted',
    'temporarily unavailable',
    'read ECONNRESET',
    'ETIMEDOUT',
    'exceeded retry limit, last status: 429 Too Many Requests',
    'API Error: Server is temporarily limiting requests (not your usage limit) · Rate limited',
    'Request rejected (429) · This request would exceed the rate limit for your organization of 40,000 input tokens per minute.',
    'You have exhausted your daily quota on this model.',
  ])('transient: %s', (text) => {
    expect(classOf(text)).toBe('transient');
  });

  it.each([
    "error: unknown option '--effrot'",
    "There's an issue with the selected model (claude-opus-9).",
    'unknown model: gpt-9',
    'unrecognized_model',
    "error: option '--model <model>' argument missing",
    '--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons',
    'Credit balance is too low',
    'unknown role "designer"',
  ])('config: %s', (text) => {
    expect(classOf(text)).toBe('config');
  });

  it.each([
    '',
    'Segmentation fault',
    'processed 1429 rows',
    'took 4290 ms',
    '10,429 tokens',
    '503.5 MB',
    '1.529',
    'x503y',
    'at run (src/agents/run.ts:429:13)',
    'see src/pages/login.ts',
    'POST https://example.test/login',
    'Prompt is too long',
  ])('says nothing about %j', (text) => {
    expect(classOf(text)).toBeUndefined();
  });

  it('keeps its order: auth, limit, transient, config', () => {
    const auth = 'HTTP 401';
    const limit = "You've hit your 5-hour limit · resets 2pm (UTC)";
    const transient = 'HTTP 429';
    const config = 'unknown option';
    expect(classOf([config, transient, limit, auth].join('\n'))).toBe('auth');
    expect(classOf([config, transient, limit].join('\n'))).toBe('limit');
    expect(classOf([config, transient].join('\n'))).toBe('transient');
  });

  it.each([
    ['Claude AI usage limit reached|1795269600', '2026-11-21T14:00:00Z'],
    ["You've hit your weekly limit · resets Nov 24, 10:07pm (UTC)", '2026-11-24T22:07:00Z'],
    ['You’ve hit your usage limit. Upgrade to Pro or try again at 2:00 PM.', '2026-11-21T14:00:00Z'],
    [
      'API Error: 400 You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.',
      '2026-12-01T00:00:00Z',
    ],
    ['5-hour limit reached ∙ resets 2pm', '2026-11-21T14:00:00Z'],
  ])('limit with its reset: %s', (text, reset) => {
    expect(classifyText(`noise\n${text}\nmore`, nowMs)).toMatchObject({ class: 'limit', resetAtMs: Date.parse(reset) });
  });

  it('takes a limit without a reset still to come for transient', () => {
    expect(classOf("You've hit your limit")).toBe('transient');
    expect(classOf('Claude AI usage limit reached|1700000000')).toBe('transient');
  });

  it('reads absolute resets without knowing the time, relative ones not', () => {
    expect(classifyText('usage limit reached|1795269600')).toMatchObject({
      class: 'limit',
      resetAtMs: 1_795_269_600_000,
    });
    expect(classifyText("You've hit your limit · resets 2pm (UTC)")).toMatchObject({ class: 'transient' });
  });

  it.each([
    ['429\nRetry-After: 42', 42_000],
    ['{"status":429,"retry_after": 7}', 7_000],
    ["429 {'retry-after':'9'}", 9_000],
    ['429, please retry after 30 seconds', 30_000],
    ['retry_after=1.5', 1_500],
    ['Retry-After: 3\n429\nRetry-After: 12', 12_000],
  ])('Retry-After in %j', (text, retryAfterMs) => {
    expect(classifyText(text, nowMs)).toMatchObject({ class: 'transient', retryAfterMs });
  });

  it.each(['429 Retry-After: 0', '429 Retry-After: -5', '429 {"retry_after": -7}'])('ignores %j', (text) => {
    expect(classifyText(text, nowMs)).not.toHaveProperty('retryAfterMs');
  });

  it('looks at the last 16 KiB only, in bytes', () => {
    expect(classOf(`429\n${'x'.repeat(TAIL_LIMIT_BYTES)}`)).toBeUndefined();
    expect(classOf(`429\n${'x'.repeat(TAIL_LIMIT_BYTES - 10)}`)).toBe('transient');
    expect(classOf(`429\n${'щ'.repeat(TAIL_LIMIT_BYTES / 2)}`)).toBeUndefined();
  });

  it('never reads our own stop messages', () => {
    expect(classOf(`${OWN_LINE_PREFIX} the run timed out and was ended`)).toBeUndefined();
  });

  it('is bounded in time on hostile text', () => {
    const started = performance.now();
    classifyText('option '.repeat(3000) + 'hit your '.repeat(500) + 'resets 1 '.repeat(500), nowMs);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('finds a status code only as a number of its own', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('429', '503', '529'),
        fc.stringMatching(/^[0-9a-z]{0,2}$/),
        fc.stringMatching(/^[0-9a-z]{0,2}$/),
        (code, before, after) => {
          const alone = before === '' && after === '';
          expect(classOf(`x ${before}${code}${after} y`) === 'transient').toBe(alone);
        },
      ),
    );
  });
});

describe('classifyFailure', () => {
  const permanent: Failure = { class: 'permanent', code: 'max_turns', reason: 'too many turns' };

  it('takes the structured word before any text', () => {
    expect(classifyFailure({ structured: permanent, tail: 'HTTP 401 429', nowMs })).toEqual(permanent);
  });

  it('is permanent where nothing says anything', () => {
    expect(classifyFailure({ structured: null, tail: 'boom', nowMs })).toMatchObject({
      class: 'permanent',
      code: 'failed',
    });
  });

  it("completes a structured rate limit with the tail's Retry-After", () => {
    const structured: Failure = { class: 'transient', code: 'rate_limited', reason: '429' };
    expect(classifyFailure({ structured, tail: 'retry-after: 40', nowMs })).toEqual({
      ...structured,
      retryAfterMs: 40_000,
    });
  });

  it('completes a structured limit from its own words, then from the tail', () => {
    const structured: Failure = {
      class: 'limit',
      code: 'usage_limit',
      reason: "You've hit your limit · resets 2pm (UTC)",
    };
    const resetAtMs = Date.parse('2026-11-21T14:00:00Z');
    expect(classifyFailure({ structured, tail: '', nowMs })).toMatchObject({ class: 'limit', resetAtMs });
    expect(
      classifyFailure({
        structured: { ...structured, reason: 'limit' },
        tail: 'usage limit reached|1795269600',
        nowMs,
      }),
    ).toMatchObject({
      class: 'limit',
      resetAtMs,
    });
  });

  it('never returns a limit without a reset still to come: it would be tried for ever at no cost', () => {
    const structured: Failure = { class: 'limit', code: 'usage_limit', reason: 'limit' };
    for (const failure of [structured, { ...structured, resetAtMs: nowMs - 1 }, { ...structured, resetAtMs: nowMs }]) {
      const judged = classifyFailure({ structured: failure, tail: '', nowMs });
      expect(judged.class).toBe('transient');
      expect(judged).not.toHaveProperty('resetAtMs');
    }
  });
});
