/**
 * Ends a run: by request while its supervisor lives (it alone signals its child), by the sweep once it does not.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ExitRecord, RUN_FILES } from '../record.ts';
import { createExclusive } from '../supervisor.ts';
import { readSupervisorRecord } from './records.ts';
import { isSupervisorAlive, readRunState } from './state.ts';
import { endTree } from './sweep.ts';

export { endTree } from './sweep.ts';

const LOOK_MS = 50;

/**
 * Asks the supervisor to end the run; the first request's reason stands. Before the launch it forbids it: a launch that
 * comes late ends at once with cause `stop` and starts nothing.
 */
export function requestStop(runDir: string, reason: string): void {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const file = path.join(runDir, RUN_FILES.stop);
  if (existsSync(file)) return;
  try {
    createExclusive(file, `${reason}\n`);
  } catch {
    // On a full disk an empty file still goes, and is a request too.
    writeFileSync(file, '', { mode: 0o600 });
  }
  nudgeSupervisor(runDir);
}

/** It would see the request within half a second anyway. SIGCONT harms nobody, should the number be somebody else's. */
function nudgeSupervisor(runDir: string): void {
  const supervisor = readSupervisorRecord(runDir);
  if (supervisor.read !== 'ok' || !isSupervisorAlive(supervisor.record)) return;
  try {
    process.kill(supervisor.record.pid, 'SIGCONT');
  } catch {
    // Gone since.
  }
}

/**
 * Requests the stop and waits up to `waitMs` for the exit record. Null: nothing was launched, the wait is over, or the run
 * is lost, in which case its tree has been ended here.
 */
export async function stopRun(runDir: string, reason: string, options: { waitMs: number }): Promise<ExitRecord | null> {
  if (readRunState(runDir).state !== 'ended') requestStop(runDir, reason);
  const deadline = performance.now() + options.waitMs;
  for (;;) {
    const found = readRunState(runDir);
    if (found.state === 'ended') return found.exit;
    if (found.state === 'absent') return null;
    if (found.state === 'lost') {
      await endTree(found.launch?.runId ?? path.basename(runDir), runDir);
      return null;
    }
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return null;
    await sleep(Math.min(LOOK_MS, leftMs));
  }
}
