/**
 * Starts a run, once: launch.json is created exclusively and durable before anything is started, and the supervisor's own
 * claim decides between two starters. So a second attempt, or one that died half way, never makes a second agent.
 */
import { type ChildProcess, spawn } from 'node:child_process';
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
 * `warm`: made by {@link warmSupervisor} for this run; used up, whatever becomes of the launch.
 */
export async function launchRun(
  runDir: string,
  launch: LaunchRecord,
  warm?: WarmSupervisor,
): Promise<{ launched: boolean }> {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  // Made now, so that a renewal needs no disk block later.
  bumpCounter(path.join(runDir, RUN_FILES.lease));
  const content = `${JSON.stringify(launch, null, 2)}\n`;
  const launched = createExclusive(path.join(runDir, RUN_FILES.launch), content, { sync: true });
  // A launcher that died after its record leaves a run that waits for a supervisor: the claim decides, so just start one.
  if (readRunState(runDir).state === 'launching' && warm?.take() !== true) startSupervisor(runDir, launch.runId);
  warm?.discard();
  await waitForChild(runDir);
  return { launched };
}

/** A supervisor's process that has done nothing yet. */
export interface WarmSupervisor {
  /** Lets it claim the run; false where it is not there any more. */
  take(): boolean;
  /** Lets it go; nothing happens where it was taken. */
  discard(): void;
}

/**
 * Starts the process of a run's supervisor while its tree is still being made: Node's start (30 ms and more) then costs
 * no time. It touches nothing before it is taken, and ends by itself if its launcher dies.
 */
export function warmSupervisor(runDir: string, runId: string): WarmSupervisor {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const supervisor = spawnSupervisor(runDir, runId, 'pipe');
  const { stdin } = supervisor;
  stdin?.on('error', () => undefined);
  return {
    take() {
      if (stdin === null || !stdin.writable || supervisor.pid === undefined || supervisor.exitCode !== null)
        return false;
      stdin.end('go');
      return true;
    },
    discard() {
      stdin?.end();
    },
  };
}

/** Starts a supervisor for a launch record that has none. Harmless where there is one: the claim decides. */
export function startSupervisor(runDir: string, runId: string): void {
  spawnSupervisor(runDir, runId, 'ignore');
}

/** No flags for V8: with any, Node starts without the code cache of its own modules, and a third slower. */
function spawnSupervisor(runDir: string, runId: string, stdin: 'ignore' | 'pipe'): ChildProcess {
  const env = baseEnvironment(process.env);
  // Marked with its own run, it would fall to the sweep that it makes.
  delete env[markerName(runId)];
  // It speaks to nobody; reading a machine's certificates doubles Node's start. The agent's own environment has them.
  delete env['NODE_EXTRA_CA_CERTS'];
  const log = openSync(path.join(runDir, RUN_FILES.log), 'a', 0o600);
  try {
    const argv = [compiled('src/agents/supervisor.js'), path.resolve(runDir), ...(stdin === 'pipe' ? ['--wait'] : [])];
    const supervisor = spawn(process.execPath, argv, { detached: true, cwd: '/', env, stdio: [stdin, 'ignore', log] });
    // Failure to start shows as a claim that never comes.
    supervisor.once('error', () => undefined);
    supervisor.unref();
    return supervisor;
  } finally {
    closeSync(log);
  }
}

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
