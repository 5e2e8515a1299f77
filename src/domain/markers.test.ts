import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMarkers, parseMarkers } from './markers.ts';
import type { Marker } from './markers.ts';

function marker(itemId: string, string: string, file: string): Marker {
  return { itemId, string, file, line: 1 };
}

const everything = (): boolean => true;

function holdsOnly(...files: string[]): (file: string) => boolean {
  return (file) => files.includes(file);
}

describe('parseMarkers', () => {
  it('reads plain and quoted strings and passes over comments', () => {
    const text = [
      '# item, string, file',
      'ET-1, retryBudget, src/retry.ts',
      '',
      'ET-2, "a, b", src/a b.ts',
      'ET-3, "say ""hi""", src/x.ts',
      'ET-4, call(a, b), src/y.ts',
      'ET-5, "name": 1, "docs/z.md"',
    ].join('\r\n');
    const { markers, errors } = parseMarkers(`\uFEFF${text}`);
    expect(errors).toEqual([]);
    expect(markers).toEqual([
      { itemId: 'ET-1', string: 'retryBudget', file: 'src/retry.ts', line: 2 },
      { itemId: 'ET-2', string: 'a, b', file: 'src/a b.ts', line: 4 },
      { itemId: 'ET-3', string: 'say "hi"', file: 'src/x.ts', line: 5 },
      { itemId: 'ET-4', string: 'call(a, b)', file: 'src/y.ts', line: 6 },
      { itemId: 'ET-5', string: '"name": 1', file: 'docs/z.md', line: 7 },
    ]);
  });

  it.each([
    'ET-1',
    'ET-1, only-two',
    'nothing, x, src/a.ts',
    'ET-1, , src/a.ts',
    'ET-1, "", src/a.ts',
    'ET-1, x, ../etc/passwd',
    'ET-1, x, /etc/passwd',
    'ET-1, x, src//a.ts',
    'ET-1, x,',
  ])('reports %j with its line and still reads the rest', (line) => {
    const { markers, errors } = parseMarkers(`${line}\nET-9, kept, a.ts\n`);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(/^line 1: /);
    expect(markers.map((found) => found.itemId)).toEqual(['ET-9']);
  });

  it('reads back whatever is quoted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (string) => {
        fc.pre(string.trim() !== '' && !/[\r\n\u2028\u2029]/.test(string));
        const { markers } = parseMarkers(`ET-1, "${string.replaceAll('"', '""')}", a/b.ts`);
        expect(markers).toEqual([{ itemId: 'ET-1', string, file: 'a/b.ts', line: 1 }]);
      }),
    );
  });
});

describe('checkMarkers', () => {
  const main = [marker('ET-1', 'alpha', 'a.ts'), marker('ET-2', 'beta', 'b.ts')];

  it('is content while every marker of main and every new line holds', () => {
    const candidateMarkers = [...main, marker('ET-3', 'gamma', 'c.ts')];
    expect(checkMarkers({ mainMarkers: main, candidateMarkers, itemId: 'ET-3', contains: everything })).toEqual([]);
  });

  it('names the owner of a string that is lost', () => {
    const problems = checkMarkers({
      mainMarkers: main,
      candidateMarkers: main,
      itemId: 'ET-3',
      contains: (file) => file !== 'b.ts',
    });
    expect(problems).toMatchObject([{ kind: 'missing', marker: { itemId: 'ET-2' } }]);
    expect(problems[0]?.reason).toContain('ET-2');
  });

  it("refuses another item's line being removed, also where its string still stands", () => {
    const candidateMarkers = main.slice(0, 1);
    const problems = checkMarkers({ mainMarkers: main, candidateMarkers, itemId: 'ET-3', contains: everything });
    expect(problems).toMatchObject([{ kind: 'removed', marker: { itemId: 'ET-2' } }]);
  });

  it('lets an item remove its own line, with its string', () => {
    const candidateMarkers = main.slice(0, 1);
    const contains = holdsOnly('a.ts');
    expect(checkMarkers({ mainMarkers: main, candidateMarkers, itemId: 'ET-2', contains })).toEqual([]);
  });

  it('refuses a new line that does not hold', () => {
    const candidateMarkers = [...main, marker('ET-3', 'gamma', 'c.ts')];
    const contains = holdsOnly('a.ts', 'b.ts');
    expect(checkMarkers({ mainMarkers: main, candidateMarkers, itemId: 'ET-3', contains })).toMatchObject([
      { kind: 'missing', marker: { itemId: 'ET-3' } },
    ]);
  });

  it('takes a changed line for a removed one: an owner is not rewritten away', () => {
    const candidateMarkers = [marker('ET-3', 'alpha', 'a.ts'), marker('ET-2', 'beta', 'b.ts')];
    const problems = checkMarkers({ mainMarkers: main, candidateMarkers, itemId: 'ET-3', contains: everything });
    expect(problems).toMatchObject([{ kind: 'removed', marker: { itemId: 'ET-1' } }]);
  });
});
