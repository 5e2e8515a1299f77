import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VERDICT_RULES, parseFrontmatter, parseVerdict } from './verdicts.ts';

const review = VERDICT_RULES.review;

function report(frontmatter: string, prose = ''): string {
  return `---\n${frontmatter}\n---\n${prose}`;
}

describe('parseFrontmatter', () => {
  it('reads a mapping, with a byte order mark and CRLF', () => {
    expect(parseFrontmatter('\uFEFF---\r\nverdict: APPROVED\r\nround: 2\r\n---\r\n# Review\r\n')).toEqual({
      verdict: 'APPROVED',
      round: 2,
    });
  });

  it.each([
    ['no frontmatter', '# Review\nverdict: APPROVED\n'],
    ['text before it', 'hello\n---\nverdict: APPROVED\n---\n'],
    ['never closed', '---\nverdict: APPROVED\n'],
    ['a list', report('- APPROVED')],
    ['a word', report('APPROVED')],
    ['empty', report('')],
    ['bad YAML', report('verdict: [APPROVED')],
    ['a repeated key', report('verdict: REQUEST_CHANGES\nverdict: APPROVED')],
    ['an alias', report('a: &x [1]\nb: *x')],
    ['an empty file', ''],
  ])('is null for %s', (_name, text) => {
    expect(parseFrontmatter(text)).toBeNull();
  });

  it('evaluates nothing', () => {
    const value = parseFrontmatter(
      report('verdict: !!js/function "function () { throw new Error() }"\n__proto__:\n  x: 1'),
    );
    expect(typeof value?.verdict).not.toBe('function');
    expect(Object.prototype).not.toHaveProperty('x');
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const value = parseFrontmatter(`---\n${text}\n---\n`);
        expect(value === null || typeof value === 'object').toBe(true);
      }),
    );
  });
});

describe('parseVerdict', () => {
  it.each([
    ['review', 'verdict: APPROVED', 'pass'],
    ['review', 'verdict: approved', 'pass'],
    ['review', 'verdict: "Approved"  # after two rounds', 'pass'],
    ['review', 'verdict: REQUEST_CHANGES', 'fail'],
    ['review', 'verdict: request_changes', 'fail'],
    ['testing', 'result: PASS', 'pass'],
    ['testing', 'result: Fail', 'fail'],
    ['deploy-staging', 'status: SUCCESS', 'pass'],
    ['deploy-staging', 'status: FAILED', 'fail'],
    ['deploy', 'status: success', 'pass'],
    ['deploy', 'status: failed', 'fail'],
  ] as const)('%s: %s is %s', (stage, line, kind) => {
    expect(parseVerdict(report(line), VERDICT_RULES[stage]).kind).toBe(kind);
  });

  it('counts the frontmatter only, never the prose', () => {
    const prose = 'verdict: APPROVED\n\nEverything is APPROVED.\n---\nverdict: APPROVED\n---\n';
    expect(parseVerdict(report('verdict: REQUEST_CHANGES', prose), review).kind).toBe('fail');
    expect(parseVerdict(prose, review)).toMatchObject({ kind: 'unreadable', value: null });
  });

  it.each([
    ['verdict: LGTM', 'LGTM'],
    ['verdict: NOT APPROVED', 'NOT APPROVED'],
    ['verdict: APPROVED with remarks', 'APPROVED with remarks'],
    ['verdict: true', null],
    ['verdict: [APPROVED]', null],
    ['verdict:', null],
    ['Verdict: APPROVED', null],
    ['result: PASS', null],
  ])('%s is unreadable, and the reason names what was expected', (line, value) => {
    const verdict = parseVerdict(report(line), review);
    expect(verdict).toMatchObject({ kind: 'unreadable', value });
    expect(verdict.reason).toContain('verdict: REQUEST_CHANGES');
  });

  it('passes for nothing but the one word', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const verdict = parseVerdict(report(`verdict: ${JSON.stringify(value)}`), review);
        expect(verdict.kind === 'pass').toBe(value.trim().toUpperCase() === 'APPROVED');
      }),
    );
  });
});
