/**
 * Starts a run, once: launch.json is created exclusively and durable before anything is started, and the supervisor's own
 * claim decides between two starters. So a second attempt, or one that died half way, never makes a second agent.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StagewrightError } from '../../errors.ts';
import { compiled } from '../../paths.ts';
import { type LaunchRecord, RUN_FILES } from '../record.ts';
import { createExclusive, markerName } from '../supervisor.ts';
import { baseEnvironment } from './environment.ts';
import { bumpCounter } from './counter.ts';
import { isSupervisorAlive, readRunState } from './state.ts';

/** A Node start takes 50 ms; on a starved machine it has taken seconds. */
const START_LIMIT_MS = 30_000;

/**
 * Launches the run unless its launch record is there already (`launched: false`: attach to it). When it returns, the child
 * is spawned, or exit.json says why not, or the run is lost. Throws `run_not_started` if no supervisor came up.
 */
export async function launchRun(runDir: string, launch: LaunchRecord): Promise<{ launched: boolean }> {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  // Made now, so that a renewal needs no disk block later.
  bumpCounter(path.join(runDir, RUN_FILES.lease));
  const content = `${JSON.stringify(launch, null, 2)}\n`;
  const launched = createExclusive(path.join(runDir, RUN_FILES.launch), content, { sync: true });
  // A launcher that died after its record leaves a run that waits for a supervisor: the claim decides, so just start one.
  if (readRunState(runDir).state === 'launching') startSupervisor(runDir, launch.runId);
  await waitForChild(runDir);
  return { launched };
}

/** Starts a supervisor for a launch record that has none. Harmless where there is one: the claim decides. */
export function startSupervisor(runDir: string, runId: string): void {
  const env = baseEnvironment(process.env);
  // Marked with its own run, it would fall to the sweep that it makes.
  delete env[markerName(runId)];
  const log = openSync(path.join(runDir, RUN_FILES.log), 'a', 0o600);
  try {
    const argv = [...SUPERVISOR_FLAGS, compiled('src/agents/supervisor.js'), path.resolve(runDir)];
    const supervisor = spawn(process.execPath, argv, {
      detached: true,
      cwd: '/',
      env,
      stdio: ['ignore', 'ignore', log],
    });
    // Failure to start shows as a claim that never comes.
    supervisor.once('error', () => undefined);
    supervisor.unref();
  } finally {
    closeSync(log);
  }
}

/** It holds next to nothing: a small heap keeps it at the size of Node itself. */
const SUPERVISOR_FLAGS = ['--max-old-space-size=32', '--max-semi-space-size=1'];

async function waitForChild(runDir: string): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  while (performance.now() < deadline) {
    if (existsSync(path.join(runDir, RUN_FILES.child)) || existsSync(path.join(runDir, RUN_FILES.exit))) return;
    if (existsSync(path.join(runDir, RUN_FILES.supervisor))) {
      const found = readRunState(runDir);
      if (found.state !== 'running' || !isSupervisorAlive(found.supervisor)) return;
    }
    await sleep(5);
  }
  throw new StagewrightError('run_not_started', `no supervisor came up for ${path.basename(runDir)}`, {
    mend: `see ${path.join(runDir, RUN_FILES.log)}; \`stagewright doctor\` checks disk space and the Node version`,
  });
}
