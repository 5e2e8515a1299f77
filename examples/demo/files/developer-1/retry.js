import { deliver } from './deliver.js';

/** Pauses between the tries, in milliseconds. */
export function retryDelays({ tries, baseMs }) {
  return Array.from({ length: tries - 1 }, (_, index) => baseMs * 2 ** (index + 1));
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** `deliver`, tried again after growing pauses. */
export async function deliverWithRetry(event, options) {
  const { tries = 5, baseMs = 1000, capMs = 30_000, wait = sleep, ...rest } = options;
  const delays = retryDelays({ tries, baseMs, capMs });
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { ...(await deliver(event, rest)), attempts: attempt };
    } catch (error) {
      const delayMs = delays[attempt - 1];
      if (delayMs === undefined) throw error;
      await wait(delayMs);
    }
  }
}
