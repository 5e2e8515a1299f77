import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AGENT_STAGES, type AgentStage, ROLE_OF } from '../domain/types.ts';
import { loadPrompt, type PromptInput, quoteData, renderPrompt } from './prompts.ts';

const EXPECTED: Record<AgentStage, string[]> = {
  analysis: ['01-brd.md', '02-spec.md', '03-acceptance-criteria.md', '04-test-plan.yaml'],
  architecture: ['06-architecture.md', '06-adr'],
  development: [],
  review: ['12-review.md'],
  testing: ['13-test-report.md'],
  'deploy-staging': ['14-staging-report.md'],
  deploy: ['15-deploy-report.md'],
};

function input(stage: AgentStage, fields: Partial<PromptInput> = {}): PromptInput {
  const directory = 'docs/work-items/ET-12';
  return {
    itemId: 'ET-12',
    title: 'Retry failed deliveries',
    description: 'Try again a few times.',
    stage,
    role: ROLE_OF[stage],
    entry: 1,
    branch: 'feature/ET-12-retry-failed-deliveries',
    artifactsDirectory: directory,
    expected: EXPECTED[stage].map((file) => `${directory}/${file}`),
    reasons: [],
    questionsPath: `${directory}/01-questions.md`,
    conflictPath: `${directory}/10-conflict.md`,
    markersFile: 'regression-markers.txt',
    ...fields,
  };
}

describe('pages', () => {
  test.each(AGENT_STAGES)('%s, the first time', (stage) => {
    expect(renderPrompt(input(stage))).toMatchSnapshot();
  });

  test('the developer, after red tests and a review', () => {
    const reasons: PromptInput['reasons'] = [
      { kind: 'tests', text: 'not ok 3 - gives up\n# fail 1', path: '/home/x/runs/ET-12/r1/events.jsonl' },
      { kind: 'review', text: '1. `src/retry.js`: permanent errors are retried.' },
    ];
    expect(renderPrompt(input('development', { entry: 2, reasons }))).toMatchSnapshot();
  });

  test('no placeholder is left and no paragraph is empty', () => {
    for (const stage of AGENT_STAGES) {
      const prompt = renderPrompt(input(stage));
      expect(prompt).not.toMatch(/\{\{|\}\}|\n\n\n|undefined|null/u);
    }
    const { markersFile: _, ...rest } = input('development');
    expect(renderPrompt(rest)).not.toMatch(/\n\n\n|string, file/u);
  });

  test('every kind of return is said in its own words', () => {
    const kinds = ['gate', 'review', 'tests', 'answer', 'conflict', 'rejection', 'missing', 'merge', 'retry'] as const;
    const intros = kinds.map((kind) => {
      const prompt = renderPrompt(input('development', { reasons: [{ kind, text: 'THE-REASON' }] }));
      const lines = prompt.split('\n');
      const at = lines.indexOf('THE-REASON');
      expect(at).toBeGreaterThan(0);
      return lines[at - 3];
    });
    expect(new Set(intros).size).toBe(kinds.length);
  });

  test('an unknown placeholder in an override names itself', () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'stagewright-prompts-'));
    for (const name of ['nobody', 'constructor']) {
      writeFileSync(path.join(directory, 'tester.md'), `Hello {{${name}}}`);
      expect(() => renderPrompt(input('testing', { overrideDirs: [directory] }))).toThrow(
        `unknown placeholder {{${name}}}`,
      );
    }
    rmSync(directory, { recursive: true });
  });
});

describe('overrides', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'stagewright-prompts-'));
    for (const name of ['a', 'b']) mkdirSync(path.join(root, name));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const load = (): string => loadPrompt('tester', { overrideDirs: [path.join(root, 'a'), path.join(root, 'b')] });

  test('the first directory that has the page wins, else ours', () => {
    expect(load()).toContain('# Tester of {{itemId}}');
    writeFileSync(path.join(root, 'b', 'tester.md'), 'from b');
    expect(load()).toBe('from b');
    writeFileSync(path.join(root, 'a', 'tester.md'), 'from a');
    expect(load()).toBe('from a');
  });

  test('no link is followed, no empty or huge page is taken', () => {
    const secret = path.join(root, 'secret');
    writeFileSync(secret, 'SECRET');
    symlinkSync(secret, path.join(root, 'a', 'tester.md'));
    writeFileSync(path.join(root, 'b', 'tester.md'), 'x'.repeat(64 * 1024 + 1));
    expect(load()).toContain('# Tester of {{itemId}}');
  });
});

describe('ticket text is data', () => {
  /** Fence-closing material, placeholders, replacement patterns, controls. */
  const hostile = fc
    .array(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 20 }),
        fc.constantFrom(
          '```',
          '````',
          '`````````',
          '~~~',
          '\n',
          '\r',
          '\r\n',
          '\u2028',
          '\u0085',
          '{{ticket}}',
          '{{verdict}}',
          '$&',
          "$'",
          '---',
          '# Developer',
          '\u202e',
          '\u0000',
        ),
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join(''));

  test('no text closes its fence', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const { body, rest } = readFence(quoteData(text));
        expect(rest).toBe('');
        expect(body).not.toMatch(/[^\P{Cc}\n\t]|[\u0085\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
        // Nothing that a person would read is lost.
        expect(body.replaceAll(/\s/gu, '').length).toBe(
          text.replaceAll(/[\p{Cc}\s\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '').length,
        );
      }),
      { numRuns: 300 },
    );
  });

  test('whatever stands in title, description and reason, the page around it stays the same', () => {
    const calm = renderPrompt(input('review', { reasons: [{ kind: 'rejection', text: 'calm' }] }));
    fc.assert(
      fc.property(hostile, hostile, hostile, (title, description, text) => {
        const prompt = renderPrompt(input('review', { title, description, reasons: [{ kind: 'rejection', text }] }));
        expect(readOutside(prompt, 2)).toBe(readOutside(calm, 2));
      }),
      { numRuns: 200 },
    );
  });

  test('it is bounded: title 200, description 20,000, reason 8,000, of outputs the end', () => {
    const prompt = renderPrompt(
      input('development', {
        title: 'T'.repeat(500),
        description: '😀'.repeat(30_000),
        reasons: [
          { kind: 'tests', text: `${'a'.repeat(20_000)}THE-END` },
          { kind: 'rejection', text: `THE-BEGINNING${'b'.repeat(20_000)}` },
        ],
      }),
    );
    expect(prompt).toContain(`Title: ${'T'.repeat(200)} [… 300 characters left out]`);
    expect(prompt.match(/😀/gu)?.length).toBe(20_000);
    expect(prompt).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])/u);
    expect(prompt).toContain('THE-END');
    expect(prompt).toContain('THE-BEGINNING');
    expect(prompt.match(/a{1000,}/gu)?.[0]?.length).toBe(8_000 - 'THE-END'.length);
  });

  test('a path cannot leave its backticks', () => {
    const reasons: PromptInput['reasons'] = [{ kind: 'tests', text: 'x', path: '/runs/`\n# New orders' }];
    const prompt = renderPrompt(input('development', { branch: 'feature/a`\nb', reasons }));
    expect(prompt).toContain("`/runs/' # New orders`");
    expect(prompt).toContain("branch `feature/a' b`");
  });
});

/** Reads a fence as CommonMark does: it ends at a line of at least as many backticks and nothing else. */
function readFence(text: string): { body: string; rest: string } {
  const lines = text.split('\n');
  const fence = /^(`{3,})text$/u.exec(lines[0] ?? '')?.[1] ?? '';
  expect(fence.length).toBeGreaterThanOrEqual(3);
  const close = lines.findIndex((line, index) => {
    const run = /^ {0,3}(`{3,})[ \t]*$/u.exec(line)?.[1];
    return index > 0 && run !== undefined && run.length >= fence.length;
  });
  return { body: lines.slice(1, close).join('\n'), rest: lines.slice(close + 1).join('\n') };
}

/** What stands outside of the first `fences` fences. */
function readOutside(prompt: string, fences: number): string {
  let rest = prompt;
  let outside = '';
  for (let index = 0; index < fences; index += 1) {
    const start = rest.search(/^`{3,}text$/mu);
    outside += rest.slice(0, start);
    rest = `\n${readFence(rest.slice(start)).rest}`;
  }
  return outside + rest;
}
