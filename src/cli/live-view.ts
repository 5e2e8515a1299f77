/**
 * An item on a terminal, redrawn in place: a line per stage, and below it what is going on. Rows are cut to the width of
 * the terminal, because one that wraps makes the next redraw eat the lines above.
 */
import type { StageView, WorkItemStatus } from '../domain/protocol.ts';
import { formatDuration, formatTokens, formatUsd } from '../domain/usage.ts';
import { oneLine } from './output.ts';
import type { Colors, Output } from './output.ts';
import { runInFlight, usageOfStage } from './render-item.ts';

export interface LiveView {
  draw(status: WorkItemStatus, activity: string | null): void;
  /** Leaves what is drawn where it is; the next draw starts below. */
  release(): void;
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

export function createLiveView(output: Output): LiveView {
  let drawn = 0;
  let frame = 0;
  const erase = (): void => {
    if (drawn > 0) output.raw(`\u001B[${drawn}A\u001B[0J`);
    drawn = 0;
  };
  return {
    draw(status, activity) {
      frame += 1;
      const lines = renderLive(status, activity, { columns: output.columns, colors: output.colors, frame });
      // One write, or the terminal flickers.
      output.raw(`${drawn > 0 ? `\u001B[${drawn}A\u001B[0J` : ''}${lines.join('\n')}\n`);
      drawn = lines.length;
      output.setPicture(erase);
    },
    release() {
      drawn = 0;
      output.setPicture(null);
    },
  };
}

/** The lines of one frame. */
export function renderLive(
  status: WorkItemStatus,
  activity: string | null,
  view: { columns: number; colors: Colors; frame: number },
): string[] {
  const { columns, colors } = view;
  const title = oneLine(`${status.itemId}  ${status.title}`, columns - 1);
  const lines = [colors.bold(title)];
  for (const stage of status.stages) {
    if (stage.stage === 'created' && stage.status !== 'active') continue;
    lines.push(renderStage(status, stage, view));
  }
  lines.push(colors.dim(oneLine(describeNow(status, activity), columns - 1)));
  return lines;
}

function renderStage(
  status: WorkItemStatus,
  stage: StageView,
  view: { columns: number; colors: Colors; frame: number },
): string {
  const usage = usageOfStage(status, stage.stage);
  const runs = status.runs.filter((run) => run.stage === stage.stage).length;
  const text = [
    stage.stage.padEnd(15),
    (stage.durationMs > 0 ? formatDuration(stage.durationMs) : '').padEnd(9),
    (runs === 0 ? '' : `${runs} ${runs === 1 ? 'run' : 'runs'}`).padEnd(8),
    (usage === null ? '' : formatTokens(usage.inputTokens + usage.outputTokens + usage.cachedTokens)).padEnd(8),
    usage === null ? '' : formatUsd(usage.costUsd),
  ].join(' ');
  const { sign, paint } = signOf(status, stage, view);
  return `  ${paint(sign)} ${stage.status === 'pending' ? view.colors.dim(cut(text, view.columns)) : cut(text, view.columns)}`;
}

function cut(text: string, columns: number): string {
  return text.trimEnd().slice(0, Math.max(10, columns - 5));
}

function signOf(
  status: WorkItemStatus,
  stage: StageView,
  { colors, frame }: { colors: Colors; frame: number },
): { sign: string; paint: (text: string) => string } {
  switch (stage.status) {
    case 'done':
      return stage.stage === 'cancelled' ? { sign: '✖', paint: colors.red } : { sign: '✔', paint: colors.green };
    case 'returned':
      return { sign: '↩', paint: colors.yellow };
    case 'skipped':
      return { sign: '-', paint: colors.dim };
    case 'pending':
      return { sign: '·', paint: colors.dim };
    case 'active':
      if (status.state === 'attention') return { sign: '!', paint: colors.red };
      if (status.state === 'paused') return { sign: '‖', paint: colors.yellow };
      if (status.waiting !== null && status.waiting.kind !== 'gate' && status.waiting.kind !== 'merge')
        return { sign: '?', paint: colors.yellow };
      return { sign: SPINNER[frame % SPINNER.length] ?? '▸', paint: colors.cyan };
    default:
      return stage.status satisfies never;
  }
}

function describeNow(status: WorkItemStatus, activity: string | null): string {
  if (status.state === 'done' || status.state === 'cancelled') return status.state;
  const run = runInFlight(status);
  if (run !== null && status.waiting === null) return `${run.role} (${run.agent}): ${activity ?? run.outcome}`;
  if (status.waiting !== null) return `waits for ${status.waiting.kind}: ${status.waiting.reason}`;
  return status.state === 'attention' ? (status.lastReason ?? '') : `${status.stage} …`;
}
