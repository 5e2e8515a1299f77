import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sign, verify } from '../src/sign.js';

test('verifies its own signature', () => {
  assert.equal(verify('{"id":1}', 'secret', sign('{"id":1}', 'secret')), true);
});

test('refuses another body, another secret, and something shorter', () => {
  const signature = sign('{"id":1}', 'secret');
  assert.equal(verify('{"id":2}', 'secret', signature), false);
  assert.equal(verify('{"id":1}', 'other', signature), false);
  assert.equal(verify('{"id":1}', 'secret', 'sha256='), false);
});
