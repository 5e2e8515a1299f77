import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enqueue, hold, move, next, withdraw } from './merge-order.ts';
import type { QueueEntry } from './merge-order.ts';
import type { MergeRequest } from './protocol.ts';

function request(key: string, priority = 0): MergeRequest {
  const common = { project: 'ET', title: key, branch: key, head: key, pullRequest: null, validated: null };
  return { key, itemId: key, workflowId: key, priority, ...common };
}

function fill(...requests: MergeRequest[]): QueueEntry[] {
  return requests.reduce<QueueEntry[]>((queue, each) => enqueue(queue, each), []);
}

function keys(queue: readonly QueueEntry[]): string {
  return queue.map((entry) => entry.request.key).join('');
}

describe('merge order', () => {
  it('goes by priority, then by arrival', () => {
    expect(keys(fill(request('a'), request('b', 5), request('c'), request('d', 5), request('e', 9)))).toBe('ebdac');
  });

  it('knows a key: a repeated request keeps its place', () => {
    expect(keys(enqueue(fill(request('a'), request('b')), request('a', 9)))).toBe('ab');
  });

  it('withdraws, also what is not there', () => {
    const queue = fill(request('a'), request('b'));
    expect(keys(withdraw(queue, 'a'))).toBe('b');
    expect(keys(withdraw(queue, 'z'))).toBe('ab');
  });

  it('passes over what is held, and it keeps its place', () => {
    const queue = hold(fill(request('a'), request('b')), 'a', true);
    expect(next(queue)?.request.key).toBe('b');
    expect(next(hold(queue, 'a', false))?.request.key).toBe('a');
    expect(next(hold(queue, 'b', true))).toBeNull();
    expect(next([])).toBeNull();
  });

  it("keeps a person's order against later requests of higher priority", () => {
    const queue = move(fill(request('a'), request('b'), request('c')), 'c', 0);
    expect(keys(queue)).toBe('cab');
    expect(keys(enqueue(queue, request('d', 9)))).toBe('cdab');
  });

  it.each([
    [-5, 'cab'],
    [Number.NaN, 'cab'],
    [1, 'acb'],
    [99, 'abc'],
  ])('moves to %d within the list', (position, expected) => {
    expect(keys(move(fill(request('a'), request('b'), request('c')), 'c', position))).toBe(expected);
  });

  it('never loses or doubles a request', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('enqueue' as const), key, value: fc.nat(3) }),
      fc.record({
        kind: fc.constantFrom('withdraw' as const, 'hold' as const, 'release' as const, 'move' as const),
        key,
        value: fc.nat(5),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let queue: QueueEntry[] = [];
        const expected = new Set<string>();
        for (const each of steps) {
          if (each.kind === 'enqueue') {
            queue = enqueue(queue, request(each.key, each.value));
            expected.add(each.key);
          } else if (each.kind === 'withdraw') {
            queue = withdraw(queue, each.key);
            expected.delete(each.key);
          } else if (each.kind === 'move') queue = move(queue, each.key, each.value);
          else queue = hold(queue, each.key, each.kind === 'hold');
          expect(queue.map((entry) => entry.request.key).toSorted()).toEqual([...expected].toSorted());
          const rest = queue.filter((entry) => !entry.moved).map((entry) => entry.request.priority);
          expect(rest).toEqual(rest.toSorted((x, y) => y - x));
        }
      }),
    );
  });
});
