import { createHmac, timingSafeEqual } from 'node:crypto';

/** `sha256=<hex>` over the exact body. */
export function sign(body, secret) {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** Compares in constant time: the time it takes must not tell how much of a guess was right. */
export function verify(body, secret, signature) {
  const expected = Buffer.from(sign(body, secret));
  const given = Buffer.from(String(signature));
  return expected.length === given.length && timingSafeEqual(expected, given);
}
