export { deliver, DeliveryError } from './deliver.js';
export { createOutbox } from './outbox.js';
export { deliverWithRetry, retryDelays } from './retry.js';
export { sign, verify } from './sign.js';
