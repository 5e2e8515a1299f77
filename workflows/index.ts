/** Every workflow of the worker's bundle. */
export { launchGate } from './launch-gate.ts';
export { mergeQueue } from './merge-queue.ts';
export { workItem } from './work-item.ts';
