/** `logs ITEM`: what an agent did in a run, in readable lines. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { RUN_FILES } from '../../agents/record.ts';
import type { AgentEvent } from '../../agents/contract.ts';
import type { RunView, WorkItemStatus } from '../../domain/protocol.ts';
import { StagewrightError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { normaliseItemId, requireStatus } from '../find-item.ts';
import { plain } from '../output.ts';
import { openRunLog, renderEvent } from '../run-log.ts';

const POLL_MS = 300;
const STDERR_TAIL_BYTES = 2_000;

export function addLogs(program: Command, context: Context): void {
  program
    .command('logs')
    .description('what an agent did in a run of this item (default: the last run)')
    .argument('<item>', 'id of an item')
    .option('-f, --follow', 'go on as it grows, until the run has ended')
    .option('--run <run>', 'number or id (or the start of one) of the run')
    .action(async (item: string, { follow = false, run }: { follow?: boolean; run?: string }) => {
      const { client } = await context.openClient();
      const status = await requireStatus(client, normaliseItemId(item));
      await printRun(context, chooseRun(status, run), follow);
    });
}

/** Exported for its test. Throws `run_unknown`. */
export function chooseRun(status: WorkItemStatus, wanted: string | undefined): RunView {
  const { runs, itemId } = status;
  const found =
    wanted === undefined
      ? (runs.findLast((run) => run.runDir !== null) ?? runs.at(-1))
      : runs.find(
          (run) =>
            String(run.number) === wanted.replace(/^#/, '') || (wanted.length >= 4 && run.runId.startsWith(wanted)),
        );
  if (found !== undefined) return found;
  throw new StagewrightError(
    'run_unknown',
    wanted === undefined ? `${itemId} has had no run yet` : `${itemId} has no run ${wanted}`,
    {
      exit: 'notFound',
      mend:
        runs.length === 0
          ? `stagewright show ${itemId} says what it waits for`
          : `its runs: ${runs.map((run) => `#${run.number}`).join(', ')}`,
    },
  );
}

async function printRun(context: Context, run: RunView, follow: boolean): Promise<void> {
  const { runDir } = run;
  if (runDir === null && run.outcome === 'queued') {
    throw new StagewrightError('run_waits', `run #${run.number} has not started yet`, { exit: 'notFound' });
  }
  if (runDir === null || !existsSync(runDir)) {
    throw new StagewrightError('run_elsewhere', `the log of run #${run.number} is not on this host`, {
      exit: 'notFound',
      mend: `look on the host it ran on: ${runDir ?? run.runId}`,
    });
  }
  const { output } = context;
  output.line(output.colors.dim(`run #${run.number} · ${run.role} · ${run.agent} · ${runDir}`));
  const events = await readEvents(context, runDir, run.agent, follow);
  const stderr = readTail(path.join(runDir, RUN_FILES.stderr));
  if (stderr !== '') {
    output.line(output.colors.dim('stderr, its end:'));
    for (const line of stderr.split('\n')) output.line(output.colors.dim(`  ${line}`));
  }
  output.result({ run, events, stderr }, () => []);
}

async function readEvents(context: Context, runDir: string, agent: string, follow: boolean): Promise<AgentEvent[]> {
  const log = openRunLog(runDir, agent);
  const kept: AgentEvent[] = [];
  for (;;) {
    // Asked before the read: what was written before the end is then read too.
    const ended = existsSync(path.join(runDir, RUN_FILES.exit));
    const { events, more } = log.read();
    for (const event of events) {
      if (context.output.json) kept.push(event);
      const text = renderEvent(event);
      if (text !== null) context.output.line(text);
    }
    if (more) continue;
    if (!follow || ended) return kept;
    await sleep(POLL_MS);
  }
}

function readTail(file: string): string {
  try {
    return plain(readFileSync(file, 'utf8').slice(-STDERR_TAIL_BYTES)).trim();
  } catch {
    return '';
  }
}
