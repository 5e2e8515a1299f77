/**
 * What a worker does before it polls: ends the trees of runs whose supervisor is dead. Living supervisors are left alone:
 * their runs are waiting to be attached to, or belong to a second worker on this host.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { RUN_FILES } from '../record.ts';
import { readRunState } from './state.ts';
import { endTrees } from './sweep.ts';

export interface SweepReport {
  /** Directories that were looked at, and how many of them had ended. */
  looked: number;
  ended: number;
  /** Run directories with a supervisor at work or about to start. */
  living: string[];
  /** Run directories without a supervisor or an exit record; whatever was left of them is dead now. */
  lost: string[];
  /** Processes that were ended. */
  strays: number;
  /** Passed over. */
  corrupt: { runDir: string; reason: string }[];
}

/** Looks at every `<home>/runs/<item>/<run id>`. An ended run costs one existence check. */
export async function sweepHost(home: string): Promise<SweepReport> {
  const report: SweepReport = { looked: 0, ended: 0, living: [], lost: [], strays: 0, corrupt: [] };
  const trees: { runId: string; runDir: string }[] = [];
  for (const runDir of listRunDirectories(path.join(home, 'runs'))) {
    report.looked += 1;
    if (existsSync(path.join(runDir, RUN_FILES.exit))) {
      report.ended += 1;
      continue;
    }
    const found = readRunState(runDir);
    if (found.state === 'running' || found.state === 'launching') report.living.push(runDir);
    if (found.state === 'corrupt') report.corrupt.push({ runDir, reason: found.reason });
    if (found.state === 'lost') {
      report.lost.push(runDir);
      trees.push({ runId: found.launch?.runId ?? path.basename(runDir), runDir });
    }
  }
  if (trees.length > 0) report.strays = await endTrees(trees);
  return report;
}

function listRunDirectories(runs: string): string[] {
  return listDirectories(runs).flatMap(listDirectories);
}

function listDirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(directory, entry.name));
  } catch {
    return [];
  }
}
