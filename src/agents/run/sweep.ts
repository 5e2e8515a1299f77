/**
 * The sweep by somebody else than the supervisor, once that is dead: a tree without a supervisor would work on, unpaid for
 * and unwatched, beside its successor.
 */
import { endGroup, endMarked, findGroup, findMarked, markerName, readBootId } from '../supervisor.ts';
import { readChildRecord, readSupervisorRecord } from './records.ts';

/**
 * SIGKILL to everything marked with this run, and with its directory also to the child's process group. For runs whose
 * supervisor is dead; a living one does this itself. Returns how many processes were ended; 0 without /proc.
 */
export async function endTree(runId: string, runDir?: string): Promise<number> {
  return endTrees([runDir === undefined ? { runId } : { runId, runDir }]);
}

/** The same for many runs at the price of one look at the process table. */
export async function endTrees(runs: { runId: string; runDir?: string }[]): Promise<number> {
  let ended = 0;
  for (const { runDir } of runs) {
    const leader = runDir === undefined ? null : readLeader(runDir);
    if (leader !== null) ended += await endGroup(leader);
  }
  return ended + (await endMarked(new Set(runs.map(({ runId }) => markerName(runId)))));
}

/** True while anything of the run's tree is alive on this host. */
export function isTreeAlive(runId: string, runDir: string): boolean {
  const leader = readLeader(runDir);
  if (leader !== null && findGroup(leader).length > 0) return true;
  return findMarked(new Set([markerName(runId)])).length > 0;
}

/** Null also for a child of an earlier boot: its number belongs to somebody else now. */
function readLeader(runDir: string): { pid: number; startTicks: number } | null {
  const child = readChildRecord(runDir);
  const supervisor = readSupervisorRecord(runDir);
  if (child.read !== 'ok' || supervisor.read !== 'ok' || supervisor.record.bootId !== readBootId()) return null;
  const { pid, startTicks } = child.record;
  return startTicks === null || pid <= 1 ? null : { pid, startTicks };
}
