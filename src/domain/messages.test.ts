import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MESSAGE_NAMES, alertSign, quoteText, renderAlert, renderComment } from './messages.ts';
import type { MessageData } from './messages.ts';

const english = { itemId: 'ET-12', language: 'en' } as const;
const russian = { itemId: 'ET-12', language: 'ru' } as const;

const FULL: MessageData = {
  branch: 'feature/ET-12-x',
  from: 'analysis',
  stage: 'development',
  role: 'developer',
  attempt: 2,
  text: 'Which unit?',
  next: 'stagewright approve ET-12',
  by: 'ann',
  reason: 'two tests fail',
  commit: '0123456789abcdef0123456789abcdef01234567',
  files: ['docs/work-items/ET-12/01-brd.md', 'docs/work-items/ET-12/02-spec.md'],
  kind: 'approval',
  gate: 'local-tests',
  tail: 'not ok 1\nnot ok 2',
  number: 3,
  outcome: 'succeeded',
  model: 'provider/claude-opus-4-8',
  effort: 'xhigh',
  usage: { inputTokens: 12_400, outputTokens: 2_200, cachedTokens: 0, costUsd: 1.284, turns: 14, durationMs: 200_000 },
  durationMs: 200_000,
  logPath: '/runs/ET-12/a',
  class: 'permanent',
  again: true,
  untilMs: Date.parse('2026-11-21T14:00:00Z'),
  base: 'aaaaaaaaaaaaaaaaaaaa',
  head: 'bbbbbbbbbbbbbbbbbbbb',
  retested: true,
  result: 'red',
  outside: ['src/a.ts'],
  refused: ['big.bin: over 10 MiB'],
  command: 'approve',
  runs: 7,
};

describe('renderComment', () => {
  for (const context of [english, russian]) {
    it.each(MESSAGE_NAMES)(`says something in ${context.language} for %s, with and without values`, (name) => {
      for (const data of [FULL, {}]) {
        const text = renderComment(name, data, context);
        expect(text.trim()).not.toBe('');
        expect(text).not.toMatch(/\bnull\b|undefined|NaN|\[object/);
      }
    });
  }

  it('asks for an approval with the short sha, the files and the commands', () => {
    for (const context of [english, russian]) {
      const text = renderComment('approvalAsked', FULL, context);
      for (const part of [
        '`0123456789`',
        '01-brd.md',
        '02-spec.md',
        '/approve',
        '/reject',
        'stagewright approve ET-12',
      ]) {
        expect(text).toContain(part);
      }
    }
  });

  it('writes the run with model, effort and usage', () => {
    expect(renderComment('runEnded', FULL, english)).toBe(
      'Run 3 of the developer: succeeded · opus-4-8 · xhigh · 12.4k in · 2.2k out · $1.28 · 14 turns · 3m 20s',
    );
    expect(renderComment('runEnded', { ...FULL, model: null, usage: null }, russian)).toBe(
      'Запуск 3 (разработчик): успех · xhigh · 3m 20s',
    );
  });

  it('names attempt and reason of a return, wait and next command', () => {
    expect(renderComment('returned', FULL, english)).toBe(
      '🔄 analysis → **development**, developer runs again (attempt 2)\n\n> two tests fail',
    );
    expect(renderComment('waitingUntil', FULL, english)).toBe('Waiting until 2026-11-21 14:00 UTC: two tests fail');
    expect(renderComment('attention', FULL, english)).toContain('Next: `stagewright approve ET-12`');
    expect(renderComment('attention', FULL, english)).toContain('Log: `/runs/ET-12/a`');
  });

  it('speaks Russian', () => {
    expect(renderComment('stageChanged', FULL, russian)).toBe(
      'Аналитика → **Разработка**, работает разработчик (попытка 2)',
    );
  });

  it('quotes and bounds the words of agents and tests', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.integer({ min: 1, max: 200 }), (words, times) => {
        const text = renderComment(
          'gateRefused',
          { gate: 'g', reason: words, tail: `${words}\n`.repeat(times) },
          english,
        );
        expect(text.length).toBeLessThan(2_000 + 600 + 40 * 2 + 200);
        const quoted = text.split('\n').slice(1);
        expect(quoted.every((line) => line === '' || line.startsWith('>'))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('cannot be left by a backtick in a file name', () => {
    expect(renderComment('notCommitted', { outside: ['a`b'], refused: [] }, english)).toContain("- `a'b`");
  });
});

describe('quoteText', () => {
  it('drops terminal sequences and control characters', () => {
    expect(quoteText('\u001B[31mred\u001B[0m\u0007 ok\n[x] done')).toBe('\n\n> red ok\n> [x] done');
  });
  it('is empty for blank text', () => {
    expect(quoteText(' \n ')).toBe('');
  });
});

describe('alerts', () => {
  it('has the sign of each kind', () => {
    const kinds = ['approval', 'questions', 'attention', 'tests', 'started', 'again', 'failed', 'breaker'] as const;
    expect(kinds.map(alertSign).join(' ')).toBe('📋 ❓ ⚠️ ❌ 🔍 🔄 🚨 🔴');
  });

  it('carries item, reason, log and next command, the reason on one line', () => {
    const alert = renderAlert(
      { key: 'k', kind: 'attention', cause: 'cap', data: FULL },
      { itemId: 'ET-12', title: 'Retry budget', language: 'en' },
    );
    expect(alert).toEqual({
      key: 'k',
      kind: 'attention',
      itemId: 'ET-12',
      title: 'Retry budget',
      reason: 'A person is needed in development: two tests fail',
      logPath: '/runs/ET-12/a',
      next: 'stagewright approve ET-12',
    });
  });

  it('fits every kind in both languages, also without values', () => {
    for (const language of ['en', 'ru'] as const) {
      for (const kind of [
        'approval',
        'questions',
        'attention',
        'failed',
        'started',
        'again',
        'breaker',
        'info',
      ] as const) {
        for (const cause of ['done', 'cancelled', 'other']) {
          for (const data of [FULL, {}]) {
            const { reason } = renderAlert({ key: 'k', kind, cause, data }, { itemId: 'ET-12', title: 't', language });
            expect(reason).not.toBe('');
            expect(reason).not.toMatch(/\n|\bnull\b|undefined/);
          }
        }
      }
    }
  });
});
