/** One work item as text: a list row, the table of stages and runs, and what it waits for. */
import { itemPaths } from '../git/layout.ts';
import { addUsage, formatDuration, formatTokens, formatUsd, shortModel } from '../domain/usage.ts';
import type { RunView, StageView, WorkItemStatus } from '../domain/protocol.ts';
import type { Usage } from '../domain/types.ts';
import type { ItemLook } from '../server/snapshot.ts';
import { currentRun } from '../server/views.ts';
import { oneLine, plain } from './output.ts';
import type { Colors } from './output.ts';

/** Rows with the columns aligned; widths by the longest cell, the last column free. */
export function alignRows(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** The list of `stagewright status`. */
export function renderList(looks: readonly ItemLook[], colors: Colors, nowMs: number): string[] {
  if (looks.length === 0) return [];
  const rows = looks.map(({ summary, answer }) => {
    if (!answer.ok)
      return [summary.itemId, summary.stage ?? '?', `(${answer.message})`, '', '', oneLine(summary.title ?? '', 60)];
    const status = answer.value;
    const ended = status.state === 'done' || status.state === 'cancelled';
    const ms = (ended ? status.updatedAtMs : nowMs) - status.startedAtMs;
    return [
      status.itemId,
      status.stage,
      describeState(status),
      formatDuration(ms),
      formatUsd(status.usage.costUsd),
      oneLine(status.title, 60),
    ];
  });
  const [head = '', ...lines] = alignRows([['ITEM', 'STAGE', 'STATE', 'TIME', 'COST', 'TITLE'], ...rows]);
  return [colors.dim(head), ...lines];
}

function describeState(status: WorkItemStatus): string {
  if (status.state === 'attention') return 'attention: a person is needed';
  if (status.waiting === null) return status.state;
  return `${status.state === 'paused' ? 'paused, ' : ''}waiting: ${status.waiting.kind}`;
}

/** Everything about one item, for `stagewright show`. */
export function renderItem(status: WorkItemStatus, colors: Colors, nowMs: number): string[] {
  const lines = [
    `${colors.bold(status.itemId)}  ${plain(status.title)}`,
    `${status.stage} · ${describeState(status)} · developer attempts ${status.developerAttempts} of ${status.maxDeveloperAttempts}`,
  ];
  if (status.branch !== null)
    lines.push(`branch ${status.branch}${status.head === null ? '' : ` at ${status.head.slice(0, 10)}`}`);
  if (status.pullRequest !== null) lines.push(`pull request ${status.pullRequest}`);
  lines.push(...renderWaiting(status, colors, nowMs));
  lines.push('', ...renderStages(status, colors));
  if (status.runs.length > 0) lines.push('', ...renderRuns(status.runs, colors, nowMs));
  for (const { stage, by, commit } of status.approvals)
    lines.push(`approved: ${stage} by ${by} at ${commit.slice(0, 10)}`);
  const gate = status.lastGate;
  if (gate !== null) {
    lines.push(`last gate: ${gate.gate} ${gate.status} at ${gate.commit.slice(0, 10)}: ${oneLine(gate.reason)}`);
    if (gate.logPath !== undefined) lines.push(`  log ${gate.logPath}`);
  }
  if (status.merged !== null) lines.push(`merged: ${status.merged.head} on ${status.merged.base.slice(0, 10)}`);
  return lines;
}

/** What it waits for, since when, and the exact next command. */
export function renderWaiting({ waiting, lastReason }: WorkItemStatus, colors: Colors, nowMs: number): string[] {
  if (waiting === null) return lastReason === null ? [] : [`last reason: ${oneLine(lastReason)}`];
  const since = formatDuration(nowMs - waiting.sinceMs);
  const until = waiting.untilMs === undefined ? '' : `, until ${new Date(waiting.untilMs).toISOString()}`;
  const lines = [`waits for ${waiting.kind} since ${since}${until}:`];
  lines.push(
    ...plain(waiting.reason)
      .trim()
      .split('\n')
      .map((line) => `  ${line}`),
  );
  for (const file of waiting.files ?? []) lines.push(`  ${file}`);
  if (waiting.next !== undefined) lines.push(`next: ${colors.bold(waiting.next)}`);
  return lines;
}

/** Usage of the runs of one stage. */
export function usageOfStage(status: WorkItemStatus, stage: StageView['stage']): Usage | null {
  const runs = status.runs.filter((run) => run.stage === stage && run.usage !== null);
  return runs.length === 0 ? null : runs.reduce((sum, run) => addUsage(sum, run.usage), addUsage(null, null));
}

export function renderStages(status: WorkItemStatus, colors: Colors): string[] {
  const rows = status.stages.map((stage) => {
    const runs = status.runs.filter((run) => run.stage === stage.stage);
    const usage = usageOfStage(status, stage.stage);
    return [
      stage.stage,
      stage.status,
      stage.durationMs > 0 ? formatDuration(stage.durationMs) : '',
      runs.length === 0 ? '' : String(runs.length),
      usage === null ? '' : formatTokens(usage.inputTokens + usage.outputTokens + usage.cachedTokens),
      usage === null ? '' : formatUsd(usage.costUsd),
    ];
  });
  const [head = '', ...lines] = alignRows([['STAGE', '', 'TIME', 'RUNS', 'TOKENS', 'COST'], ...rows]);
  return [colors.dim(head), ...lines];
}

function renderRuns(runs: readonly RunView[], colors: Colors, nowMs: number): string[] {
  const rows = runs.map((run) => [
    `#${run.number}`,
    run.role,
    run.outcome,
    run.startedAtMs === null ? '' : formatDuration((run.endedAtMs ?? nowMs) - run.startedAtMs),
    [run.agent, shortModel(run.model), run.effort ?? ''].filter((word) => word !== '').join(' · '),
    run.runDir ?? run.runId,
  ]);
  const [head = '', ...lines] = alignRows([['RUN', 'ROLE', 'OUTCOME', 'TIME', 'AGENT', 'DIRECTORY'], ...rows]);
  return [colors.dim(head), ...lines];
}

/** Directory in which a person can read the files of an item. */
export function treeOf(home: string, itemId: string): string {
  return itemPaths(home, itemId).tree;
}

/** `developer #3 (scripted)`: the run in flight, or null. */
export function runInFlight(status: WorkItemStatus): RunView | null {
  const run = currentRun(status);
  return run !== null && (run.outcome === 'running' || run.outcome === 'queued') ? run : null;
}
