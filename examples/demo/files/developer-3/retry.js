import { deliver } from './deliver.js';

/** Pauses between the tries, in milliseconds: doubled each time, none longer than the cap. */
export function retryDelays({ tries, baseMs, capMs }) {
  return Array.from({ length: tries - 1 }, (_, index) => Math.min(baseMs * 2 ** index, capMs));
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** `deliver`, tried again after growing pauses where the failure may pass. */
export async function deliverWithRetry(event, options) {
  const { tries = 5, baseMs = 1000, capMs = 30_000, wait = sleep, ...rest } = options;
  const delays = retryDelays({ tries, baseMs, capMs });
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { ...(await deliver(event, rest)), attempts: attempt };
    } catch (error) {
      const delayMs = delays[attempt - 1];
      // The same request would fail again, and hold up the events behind it.
      if (error.permanent || delayMs === undefined) throw error;
      await wait(delayMs);
    }
  }
}
