/**
 * The baseline of the hand-off: a queue of files that a loop looks into every two seconds, as a service without an engine
 * has it. Many of them at once, each in a phase of its own, so that it takes seconds and not minutes.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withCleanup } from './cleanup.ts';

export const POLL_MS = 2_000;

/** From a job's file being there to its process being spawned, once per queue, milliseconds. */
export async function measurePolling(queues: number): Promise<number[]> {
  const root = mkdtempSync(path.join(os.tmpdir(), 'stagewright-polling-'));
  return await withCleanup(
    async () => rmSync(root, { recursive: true, force: true }),
    () => Promise.all(Array.from({ length: queues }, () => handOver(mkdtempSync(path.join(root, 'queue-'))))),
  );
}

async function handOver(directory: string): Promise<number> {
  let submittedMs = Number.NaN;
  const submit = async (): Promise<void> => {
    await sleep(Math.random() * POLL_MS);
    submittedMs = performance.now();
    writeFileSync(path.join(directory, 'job'), '');
  };
  const poll = async (): Promise<void> => {
    while (readdirSync(directory).length === 0) await sleep(POLL_MS);
    await new Promise<void>((resolve, reject) => {
      const child = spawn('true', { stdio: 'ignore' });
      child.once('spawn', resolve);
      child.once('error', reject);
    });
  };
  await Promise.all([submit(), poll()]);
  return performance.now() - submittedMs;
}
