import { sign } from './sign.js';

/** A delivery that failed; `permanent` says that the same request will fail again. */
export class DeliveryError extends Error {
  constructor(message, { status = null, permanent = false, cause } = {}) {
    super(message, { cause });
    this.name = 'DeliveryError';
    this.status = status;
    this.permanent = permanent;
  }
}

/** Sends one event once. `send` is given url, method, headers and body, like fetch. */
export async function deliver(event, { url, secret, send }) {
  const body = JSON.stringify(event);
  const headers = { 'content-type': 'application/json', 'x-courier-signature': sign(body, secret) };
  let response;
  try {
    response = await send({ url, method: 'POST', headers, body });
  } catch (cause) {
    throw new DeliveryError('the subscriber could not be reached', { cause });
  }
  if (response.status >= 200 && response.status < 300) return { status: response.status };
  const { status } = response;
  // Too early and too many requests pass; the other 4xx say that the request itself is wrong.
  const permanent = status >= 400 && status < 500 && status !== 425 && status !== 429;
  throw new DeliveryError(`the subscriber answered ${status}`, { status, permanent });
}
