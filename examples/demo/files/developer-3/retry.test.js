import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliverWithRetry, retryDelays } from '../src/index.js';

/** A subscriber that gives these answers one after the other, and a clock that only writes down. */
function subscriber(...answers) {
  const waits = [];
  let calls = 0;
  const send = async () => ({ status: answers[Math.min(calls++, answers.length - 1)] });
  const options = { url: 'https://example.com/hook', secret: 'secret', send, wait: async (ms) => waits.push(ms) };
  return { options, waits, calls: () => calls };
}

test('the pauses double and stop at the cap', () => {
  assert.deepEqual(retryDelays({ tries: 5, baseMs: 1000, capMs: 30_000 }), [1000, 2000, 4000, 8000]);
  assert.deepEqual(retryDelays({ tries: 4, baseMs: 10_000, capMs: 15_000 }), [10_000, 15_000, 15_000]);
});

test('two failures and a success are three tries', async () => {
  const { options, waits } = subscriber(503, 503, 204);
  assert.deepEqual(await deliverWithRetry({ id: 'a' }, options), { status: 204, attempts: 3 });
  assert.deepEqual(waits, [1000, 2000]);
});

test('gives up after the last try, without a pause behind it', async () => {
  const { options, waits, calls } = subscriber(503);
  await assert.rejects(deliverWithRetry({ id: 'a' }, options), { status: 503 });
  assert.equal(calls(), 5);
  assert.equal(waits.length, 4);
});

test('a permanent failure is not tried again', async () => {
  const { options, waits, calls } = subscriber(410);
  await assert.rejects(deliverWithRetry({ id: 'a' }, options), { status: 410, permanent: true });
  assert.equal(calls(), 1);
  assert.deepEqual(waits, []);
});
