import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { artifactsDirectory, branchName, isValidItemId, neutraliseText, pullRequestTitle } from './names.ts';

const words = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          'fixes',
          'Closes:',
          'resolve',
          'RESOLVED',
          ' ',
          '#',
          '!',
          '12',
          '@',
          'bob',
          'WIP:',
          'Draft:',
          'GH-',
        ),
        fc.constantFrom('https://forge.test/o/r/issues/7', 'o/r#3', '[skip ci]', 'ET-4', '\n', '(', '[', ':'),
      ),
    )
    .map((parts) => parts.join('')),
);

describe('isValidItemId', () => {
  it.each(['ET-1', 'A1_B-999999999', '7SEAS-12'])('accepts %s', (id) => {
    expect(isValidItemId(id)).toBe(true);
  });
  it.each(['', 'ET', 'ET-', 'ET-0', 'ET-01', 'et-1', '../ET-1', 'ET-1/..', 'ET 1', '-ET-1', 'ET-1\n', 'ET-1234567890'])(
    'refuses %j',
    (id) => {
      expect(isValidItemId(id)).toBe(false);
    },
  );
});

describe('branchName', () => {
  it.each([
    ['ET-12', 'Add a retry budget', 'feature/ET-12-add-a-retry-budget'],
    ['ET-12', 'Починить щётку', 'feature/ET-12-pochinit-schetku'],
    ['ET-12', 'Crème brûlée!', 'feature/ET-12-creme-brulee'],
    ['ET-12', '日本', 'feature/ET-12-work'],
    ['ET-12', '', 'feature/ET-12-work'],
    ['ET-12', '--force', 'feature/ET-12-force'],
  ])('%s %j is %s', (id, title, branch) => {
    expect(branchName(id, title)).toBe(branch);
  });

  it('is a short plain ref for any id and title', () => {
    fc.assert(
      fc.property(words, words, (id, title) => {
        const branch = branchName(id, title);
        expect(branch).toMatch(/^feature\/[A-Za-z0-9_][A-Za-z0-9_-]*[a-z0-9]$/);
        expect(branch.length).toBeLessThanOrEqual(100);
      }),
    );
  });

  it('is a ref to git itself', () => {
    const branch = branchName('ET-1', 'a..b ~^:?*[\\ @{ .lock');
    expect(execFileSync('git', ['check-ref-format', '--branch', branch], { encoding: 'utf8' }).trim()).toBe(branch);
  });
});

describe('neutraliseText', () => {
  /** What Gitea, GitHub and GitLab act upon. */
  const ACTED_UPON = [
    /\b(?:close[sd]?|closing|fix(?:e[sd]|ing)?|resolve[sd]?|resolving|implement(?:s|ed|ing)?|reopen(?:s|ed)?):?\s+(?:[\w./-]+)?[#!][0-9]/i,
    /\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:https?:\/\/|[A-Z]\w*-[0-9])/i,
    /[#!][0-9]/,
    /\bGH-[0-9]/i,
    /\/(?:issues|pulls?|merge_requests)\/[0-9]/i,
    /@[A-Za-z0-9_]/,
    /\[(?:skip|no) ci\]|\[ci skip\]/i,
    /^\s*[[(]?\s*(?:wip|draft)\b/i,
  ];

  it('leaves nothing that a forge acts upon', () => {
    fc.assert(
      fc.property(words, (text) => {
        const safe = neutraliseText(text);
        for (const pattern of ACTED_UPON) expect(safe).not.toMatch(pattern);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    'fixes #1',
    'Fixed: #12',
    'closes !123',
    'Resolves owner/repo#4',
    'closes https://forge.test/o/r/issues/7',
    'fix ET-12',
    'ask @root, @org/team',
    'WIP: do it',
    '[WIP] do it',
    'Draft: do it',
    '(draft) do it',
    'go [skip ci]',
    '***NO_CI***',
    'GH-4',
  ])('changes %j only by what readers do not see', (text) => {
    const safe = neutraliseText(text);
    expect(safe).not.toBe(text);
    expect(safe.replaceAll('\u200B', '')).toBe(text);
  });

  it.each(['Fix the login page', 'Draftsman tool', 'Price in # units', 'wipe the disk', 'Closes early on Fridays'])(
    'leaves %j alone',
    (text) => {
      expect(neutraliseText(text)).toBe(text);
    },
  );

  it('takes nothing away, and doing it twice changes nothing more', () => {
    fc.assert(
      fc.property(words, (text) => {
        const safe = neutraliseText(text);
        expect(safe.replaceAll('\u200B', '')).toBe(text.replaceAll('\u200B', ''));
        expect(neutraliseText(safe)).toBe(safe);
      }),
    );
  });
});

describe('pullRequestTitle', () => {
  it('is one bounded line after the id', () => {
    fc.assert(
      fc.property(words, (title) => {
        const line = pullRequestTitle('ET-12', title);
        expect(line).toMatch(/^ET-12: \S/u);
        expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect(Array.from(line).length).toBeLessThanOrEqual(207);
      }),
    );
  });

  it('cannot smuggle a trailer into a commit message', () => {
    expect(pullRequestTitle('ET-1', 'x\n\nStagewright-Run: 1')).toBe('ET-1: x Stagewright-Run: 1');
  });

  it('says something for an empty title', () => {
    expect(pullRequestTitle('ET-1', ' \n')).toBe('ET-1: work item');
  });
});

describe('artifactsDirectory', () => {
  it('fills in the id', () => {
    expect(artifactsDirectory('docs/work-items/<ID>/', 'ET-12')).toBe('docs/work-items/ET-12');
  });
  it('refuses an id that would leave the directory', () => {
    expect(() => artifactsDirectory('docs/<ID>', '../../etc')).toThrow('invalid work item id');
  });
});
