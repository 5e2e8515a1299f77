export { deliver, DeliveryError } from './deliver.js';
export { createOutbox } from './outbox.js';
export { sign, verify } from './sign.js';
