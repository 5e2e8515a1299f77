import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOutbox } from '../src/outbox.js';

test('hands events out in order and keeps them until they are done', () => {
  const outbox = createOutbox();
  outbox.add({ id: 'a' });
  outbox.add({ id: 'b' });
  assert.equal(outbox.next().id, 'a');
  assert.equal(outbox.next().id, 'a');
  assert.equal(outbox.done('a'), true);
  assert.equal(outbox.next().id, 'b');
});

test('takes an id once', () => {
  const outbox = createOutbox();
  assert.equal(outbox.add({ id: 'a' }), true);
  assert.equal(outbox.add({ id: 'a' }), false);
  assert.equal(outbox.size, 1);
});

test('refuses more than its limit', () => {
  const outbox = createOutbox({ limit: 1 });
  outbox.add({ id: 'a' });
  assert.throws(() => outbox.add({ id: 'b' }), RangeError);
});
