/**
 * Makes sure that a run is dead. Also where it was never launched: the stop request is then what a launch that comes too
 * late finds first.
 */
import { readRunState } from '../src/agents/run/state.ts';
import { endTree, requestStop, stopRun as stopRunDirectory } from '../src/agents/run/stop.ts';
import { runDirectory } from './deps.ts';
import type { Deps } from './deps.ts';
import { whileBeating } from './heartbeat.ts';
import type { StopInput, StopResult } from './types.ts';

export async function stopRun(deps: Deps, input: StopInput): Promise<StopResult> {
  const { home, limits } = deps.config();
  const runDir = runDirectory(home, input.itemId, input.runId);
  return await whileBeating(
    () => ({ runDir }),
    async () => {
      for (;;) {
        const state = readRunState(runDir);
        switch (state.state) {
          case 'absent':
            requestStop(runDir, input.reason);
            return { stopped: true, sessionId: null };
          case 'ended':
            return { stopped: true, sessionId: state.launch?.sessionId ?? null };
          case 'lost':
            await endTree(input.runId, runDir);
            return { stopped: true, sessionId: state.launch?.sessionId ?? null };
          case 'corrupt':
            await endTree(input.runId, runDir);
            deps.log('a corrupt run directory was passed over', { runDir, reason: state.reason });
            return { stopped: true, sessionId: null };
          case 'launching':
          case 'running':
            await stopRunDirectory(runDir, input.reason, { waitMs: limits.interruptMs + limits.graceMs + 10_000 });
            break;
          default:
            state satisfies never;
        }
      }
    },
  );
}
