import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evidencePayload } from './evidence.ts';

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', 'null', '","', '\\', '\uD800', '\uD801'));
const fields = fc.record({
  itemId: text,
  command: text,
  stage: fc.option(text),
  commit: fc.option(text),
  text: fc.option(text),
  nonce: text,
  at: fc.integer(),
});

describe('evidencePayload', () => {
  it('is the same for the same command and for no other, down to the bytes', () => {
    fc.assert(
      fc.property(fields, fields, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        expect(mac(evidencePayload(a)) === mac(evidencePayload(b))).toBe(same);
        expect(evidencePayload({ ...a })).toBe(evidencePayload(a));
      }),
      { numRuns: 300 },
    );
  });

  it('does not let text move from one field into the next', () => {
    const base = { itemId: 'ET-1', command: 'approve', stage: null, commit: null, text: null, nonce: 'n', at: 1 };
    const payloads = [
      base,
      { ...base, itemId: 'ET-1","approve', command: '' },
      { ...base, stage: '' },
      { ...base, stage: 'null' },
      { ...base, commit: 'abc' },
      { ...base, text: 'abc' },
      { ...base, text: '\uD800' },
      { ...base, text: '\uFFFD' },
      { ...base, at: 2 },
    ].map((each) => mac(evidencePayload(each)));
    expect(new Set(payloads).size).toBe(payloads.length);
  });
});

function mac(payload: string): string {
  return createHmac('sha256', 'key').update(payload).digest('hex');
}
