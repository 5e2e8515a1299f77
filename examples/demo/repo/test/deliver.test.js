import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliver } from '../src/deliver.js';
import { verify } from '../src/sign.js';

const options = { url: 'https://example.com/hook', secret: 'secret' };

test('sends the signed event', async () => {
  let seen;
  const result = await deliver(
    { id: 'a' },
    {
      ...options,
      send: async (request) => {
        seen = request;
        return { status: 204 };
      },
    },
  );
  assert.equal(result.status, 204);
  assert.equal(verify(seen.body, 'secret', seen.headers['x-courier-signature']), true);
});

test('tells failures that may pass from those that will not', async () => {
  const answer = (status) => ({ ...options, send: async () => ({ status }) });
  await assert.rejects(deliver({ id: 'a' }, answer(503)), { permanent: false, status: 503 });
  await assert.rejects(deliver({ id: 'a' }, answer(429)), { permanent: false, status: 429 });
  await assert.rejects(deliver({ id: 'a' }, answer(410)), { permanent: true, status: 410 });
});

test('an unreachable subscriber may come back', async () => {
  const send = async () => {
    throw new TypeError('fetch failed');
  };
  await assert.rejects(deliver({ id: 'a' }, { ...options, send }), { permanent: false, status: null });
});
