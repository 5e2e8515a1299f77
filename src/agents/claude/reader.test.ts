import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AgentFinalResult } from '../contract.ts';
import { linesOf, readFixture, readLines } from './fixtures.test-helper.ts';
import { createClaudeReader } from './reader.ts';

test('a successful stream gives session, tool calls, text and one result', () => {
  const { events, result } = readLines(linesOf('claude-success.stream.jsonl'));
  expect(events[0]).toEqual({
    type: 'session',
    sessionId: '6f1c2a54-0b7e-4c1d-9a53-2f0e8d7b1c42',
    model: 'claude-opus-5-5',
    version: '2.1.329',
  });
  expect(events).toContainEqual({ type: 'activity', text: 'Reading the retry module first.' });
  expect(events).toContainEqual({
    type: 'activity',
    toolOpen: 'toolu_01A',
    text: 'Read /srv/worktrees/PIPE-42/src/retry.ts',
  });
  expect(events).toContainEqual({ type: 'activity', toolClose: 'toolu_01A', text: '→ 1 export function retry() {}' });
  expect(result).toMatchObject({
    ok: true,
    model: 'claude-opus-5-5',
    cumulativeUsage: true,
    terminalReason: 'completed',
  });
});

test('usage is summed over all models, helper models included', () => {
  const { result } = readLines(linesOf('claude-success.json'));
  expect(result?.usage).toEqual({
    inputTokens: 412 + 1830,
    outputTokens: 11_834 + 212,
    cachedTokens: 902_114 + 48_210,
    costUsd: 1.284512,
    turns: 14,
    durationMs: 184_213,
  });
});

test('of several results the last one wins', () => {
  const { result, results } = readLines(linesOf('claude-background-two-results.stream.jsonl'));
  expect(results).toBe(2);
  expect(result?.usage?.costUsd).toBe(0.031);
});

test('an array, as verbose json prints it, is read like lines', () => {
  const { events, result } = readLines(linesOf('claude-verbose-array.json'));
  expect(events[0]?.type).toBe('session');
  expect(result?.ok).toBe(true);
});

test('a resumed session reports its whole cost, old builds their run alone', () => {
  const { first, resumed }: Record<string, object> = JSON.parse(readFixture('claude-resume-cumulative.json'));
  expect(readAfter('2.1.329', first)).toMatchObject({ cumulativeUsage: true, usage: { costUsd: 0.4 } });
  expect(readAfter('2.1.329', resumed)).toMatchObject({ cumulativeUsage: true, usage: { costUsd: 0.46 } });
  expect(readAfter('2.1.277', first)?.cumulativeUsage).toBe(true);
  expect(readAfter('2.1.276', first)?.cumulativeUsage).toBe(false);
  expect(readAfter('2.0.999', first)?.cumulativeUsage).toBe(false);
  expect(readAfter('3.0.0', first)?.cumulativeUsage).toBe(true);
});

test('after an interruption the total of the session is too small, and the run says what it used itself', () => {
  const sample: Record<string, object> & { expect: { interruptedCostUsd: number; runCostUsd: number } } = JSON.parse(
    readFixture('claude-resume-after-interrupt.json'),
  );
  const interrupted = readAfter('2.1.330', sample['interrupted']);
  const resumed = readAfter('2.1.330', sample['resumed']);
  expect(interrupted?.runUsage?.costUsd).toBe(sample.expect.interruptedCostUsd);
  const difference = (resumed?.usage?.costUsd ?? 0) - (interrupted?.usage?.costUsd ?? 0);
  expect(difference).toBeLessThan(sample.expect.runCostUsd / 2);
  expect(resumed?.runUsage).toEqual({
    inputTokens: 1000,
    outputTokens: 50,
    cachedTokens: 500,
    costUsd: sample.expect.runCostUsd,
    turns: 1,
    durationMs: 22_000,
  });
});

test('what a run used itself is the sum over its results, and unknown once one of them does not say', () => {
  const silent = JSON.stringify({ type: 'result', subtype: 'success', is_error: false, result: 'x' });
  expect(readLines([resultSince(10, 2), resultSince(5, 1)]).result?.runUsage).toMatchObject({
    inputTokens: 17,
    costUsd: 1.5,
    turns: 3,
  });
  expect(readLines([resultSince(10, 2), silent]).result).not.toHaveProperty('runUsage');
  expect(readLines([silent, resultSince(5, 1)]).result).not.toHaveProperty('runUsage');
});

test('the diagnosis of an interrupted run is not shown to people', () => {
  const { result } = readLines(linesOf('claude-error-during-execution.json'));
  expect(result).toMatchObject({ ok: false, text: '', terminalReason: 'aborted_tools', usage: { costUsd: 0.4471 } });
});

test('a killed stream has an open tool call and no result', () => {
  const { events, result } = readLines(linesOf('claude-killed-sigterm.stream.jsonl'));
  expect(events.at(-1)).toMatchObject({ toolOpen: 'toolu_01D', text: 'Bash npm test' });
  expect(result).toBeNull();
});

test('a result cut in the middle is no result', () => {
  expect(readLines(linesOf('claude-truncated.txt')).result).toBeNull();
});

test('a warning of the usage window is not a rejection', () => {
  const reader = createClaudeReader();
  expect(reader.read(limitEvent('allowed'))).toEqual([{ type: 'activity' }]);
  expect(reader.read(limitEvent('allowed_warning'))).toEqual([
    { type: 'limit', status: 'warning', resetAtMs: 1_795_269_600_000, kind: 'seven_day' },
  ]);
  expect(reader.read(limitEvent('rejected'))).toMatchObject([{ type: 'limit', status: 'rejected' }]);
});

test('an unknown event is a sign of life, an unreadable line is nothing', () => {
  const reader = createClaudeReader();
  expect(reader.read('{"type":"from_the_future","payload":[1]}')).toEqual([{ type: 'activity' }]);
  expect(reader.read('')).toEqual([]);
  expect(reader.read('npm warn something')).toEqual([]);
  expect(reader.read('{"no":"type"}')).toEqual([]);
  expect(reader.read('42')).toEqual([]);
});

test("a sub-agent's API error does not explain how the run ended", () => {
  const end = JSON.stringify({
    type: 'result',
    subtype: 'error_max_turns',
    is_error: true,
    errors: ['Reached maximum'],
  });
  expect(readLines([apiError('toolu_1'), end]).result).toMatchObject({ apiError: null, terminalReason: 'max_turns' });
  expect(readLines([apiError(null), end]).result?.apiError).toBe('rate_limit');
});

test('after a fallback the model that answered is named', () => {
  const init = {
    type: 'system',
    subtype: 'init',
    session_id: 's',
    model: 'claude-opus-4-8',
    claude_code_version: '2.1.329',
  };
  const end = {
    type: 'result',
    subtype: 'success',
    is_error: false,
    result: 'x',
    modelUsage: { helper: { costUSD: 0.01 }, 'claude-sonnet-4-8[1m]': { costUSD: 1 } },
  };
  expect(readLines([init, end].map((event) => JSON.stringify(event))).result?.model).toBe('claude-sonnet-4-8');
});

test('is_error false is not enough: the terminal reason and the status have a say', () => {
  expect(isFine({ terminal_reason: 'completed' })).toBe(true);
  expect(isFine({})).toBe(true);
  expect(isFine({ terminal_reason: 'hook_stopped' })).toBe(false);
  expect(isFine({ api_error_status: 529 })).toBe(false);
  expect(isFine({ is_error: undefined })).toBe(false);
});

test('readable text is one bounded line without control characters', () => {
  const block = { type: 'text', text: `\u001b[31mred\nnext\u0000 ${'x'.repeat(10_000)}` };
  const [event] = createClaudeReader().read(JSON.stringify({ type: 'assistant', message: { content: [block] } }));
  expect(event).toMatchObject({ type: 'activity' });
  const text = event?.type === 'activity' ? (event.text ?? '') : '';
  expect(text).toMatch(/^\[31mred next x+…$/u);
  expect(text.length).toBeLessThanOrEqual(200);
});

test('no line, however odd, makes the reader throw', () => {
  const event = fc.record(
    {
      type: fc.constantFrom('system', 'assistant', 'user', 'result', 'rate_limit_event', 'other'),
      subtype: fc.oneof(fc.constantFrom('init', 'api_retry', 'success'), fc.jsonValue()),
      message: fc.oneof(fc.jsonValue(), fc.record({ content: fc.oneof(fc.jsonValue(), fc.array(fc.jsonValue())) })),
      rate_limit_info: fc.jsonValue(),
      modelUsage: fc.jsonValue(),
      usage: fc.jsonValue(),
      permission_denials: fc.jsonValue(),
      errors: fc.jsonValue(),
      result: fc.jsonValue(),
    },
    { requiredKeys: ['type'] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        event.map((value) => JSON.stringify(value)),
      ),
      (line) => {
        expect(Array.isArray(createClaudeReader().read(line))).toBe(true);
      },
    ),
  );
});

function initEvent(version: string): string {
  return JSON.stringify({
    type: 'system',
    subtype: 'init',
    session_id: 's',
    model: 'm',
    claude_code_version: version,
  });
}

function limitEvent(status: string): string {
  const info = { status, resetsAt: 1_795_269_600, rateLimitType: 'seven_day' };
  return JSON.stringify({ type: 'rate_limit_event', rate_limit_info: info });
}

function apiError(parent: string | null): string {
  return JSON.stringify({
    type: 'assistant',
    parent_tool_use_id: parent,
    is_api_error_message: true,
    error: 'rate_limit',
    message: { model: '<synthetic>', content: [] },
  });
}

/** A result that names what was used since the one before it. */
function resultSince(inputTokens: number, turns: number): string {
  const models = { main: { inputTokens, costUSD: 0.5 }, helper: { inputTokens: 1, costUSD: 0.25 } };
  const end = { type: 'result', subtype: 'success', is_error: false, result: 'x', num_turns: turns };
  return JSON.stringify({ ...end, model_usage_since_last_result: models });
}

/** Whether a result that says `is_error: false` counts as fine with these fields besides. */
function isFine(fields: object): boolean | undefined {
  const result = { type: 'result', subtype: 'success', is_error: false, result: 'x', ...fields };
  return readLines([JSON.stringify(result)]).result?.ok;
}

/** The final result as a CLI of that version gives it. */
function readAfter(version: string, result: unknown): AgentFinalResult | null {
  return readLines([initEvent(version), JSON.stringify(result)]).result;
}
