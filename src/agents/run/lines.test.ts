import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { createLineSplitter, LINE_HEAD_BYTES, LINE_LIMIT_BYTES } from './lines.ts';

function split(chunks: Buffer[]): string[] {
  const lines: string[] = [];
  const splitter = createLineSplitter((line) => lines.push(line));
  const reused = Buffer.alloc(Math.max(1, ...chunks.map((chunk) => chunk.length)));
  for (const chunk of chunks) {
    // The reader reuses its buffer: whatever is kept must be a copy.
    chunk.copy(reused);
    splitter.push(reused.subarray(0, chunk.length));
    reused.fill('#');
  }
  splitter.end();
  return lines;
}

it('gives the same lines however the bytes are cut', () => {
  const text = fc
    .array(fc.constantFrom('a', '\n', 'ж', '🚨', '{"x":1}\n'), { maxLength: 40 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, fc.array(fc.nat(50), { maxLength: 8 }), (content, cuts) => {
      const bytes = Buffer.from(content);
      const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      const expected = content.split('\n');
      if (expected.at(-1) === '') expected.pop();
      expect(split(chunks)).toEqual(expected);
    }),
  );
});

it('passes on only the head of a line over the limit, and the next line whole', () => {
  const chunk = Buffer.alloc(256 * 1024, 'x');
  const chunks = Array.from({ length: 40 }, () => chunk);
  expect(split([...chunks, Buffer.from('tail\nnext\n')])).toEqual(['x'.repeat(LINE_HEAD_BYTES), 'next']);
});

it('passes on a line at the limit as it is', () => {
  const line = 'y'.repeat(LINE_LIMIT_BYTES);
  expect(split([Buffer.from(line), Buffer.from('\n')])).toEqual([line]);
});
