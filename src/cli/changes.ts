/** What has happened between two looks at an item, a line each: the view for logs and pipes. */
import type { RunView, WorkItemStatus } from '../domain/protocol.ts';
import { formatDuration, formatUsage, shortModel } from '../domain/usage.ts';
import { oneLine } from './output.ts';

/** Pure. A first look (`previous` null) tells what has happened so far. */
export function describeChanges(previous: WorkItemStatus | null, next: WorkItemStatus): string[] {
  const lines: string[] = [];
  for (const run of next.runs)
    lines.push(...describeRun(previous?.runs.find((old) => old.runId === run.runId) ?? null, run));
  if (previous?.stage !== next.stage) lines.push(describeStage(previous, next));
  for (const { stage, by } of next.approvals.slice(previous?.approvals.length ?? 0))
    lines.push(`${stage}: approved by ${by}`);
  const gate = next.lastGate;
  if (gate !== null && gate.status !== 'passed' && !isSame(gate, previous?.lastGate ?? null)) {
    lines.push(`gate ${gate.gate} ${gate.status}: ${oneLine(gate.reason)}`);
  }
  const { waiting } = next;
  if (waiting !== null && (previous?.waiting?.kind !== waiting.kind || previous.waiting.reason !== waiting.reason)) {
    lines.push(`waits for ${waiting.kind}: ${oneLine(waiting.reason)}`);
  }
  if (next.merged !== null && previous?.merged == null) {
    const how =
      next.merged.retested === true ? 'this very commit was tested again before' : 'this very tree was tested before';
    lines.push(`merged: ${next.merged.head} (${how})`);
  }
  return lines;
}

function describeStage(previous: WorkItemStatus | null, next: WorkItemStatus): string {
  const order = next.stages.map((view) => view.stage);
  const back = previous !== null && order.indexOf(next.stage) < order.indexOf(previous.stage);
  if (!back) return `→ ${next.stage}`;
  return `↩ back to ${next.stage}${next.lastReason === null ? '' : `: ${oneLine(next.lastReason)}`}`;
}

function describeRun(old: RunView | null, run: RunView): string[] {
  const name = `${run.stage}: ${run.role} run #${run.number}`;
  const lines: string[] = [];
  const wasStarted = old !== null && old.outcome !== 'queued';
  if (!wasStarted && run.outcome !== 'queued') {
    const agent = [run.agent, shortModel(run.model), run.effort ?? ''].filter((word) => word !== '').join(' · ');
    lines.push(`${name} started (${agent})`);
  }
  const ended = run.outcome !== 'queued' && run.outcome !== 'running';
  if (ended && (old === null || old.outcome === 'queued' || old.outcome === 'running')) {
    const took =
      run.startedAtMs === null || run.endedAtMs === null
        ? ''
        : ` after ${formatDuration(run.endedAtMs - run.startedAtMs)}`;
    const usage = run.usage === null ? '' : formatUsage({ ...run.usage, durationMs: 0 });
    const reason = run.outcome === 'succeeded' || run.reason === undefined ? '' : `: ${oneLine(run.reason)}`;
    lines.push(`${name} ${run.outcome}${took}${usage === '' ? '' : ` (${usage})`}${reason}`);
  }
  return lines;
}

function isSame(left: { gate: string; commit: string; reason: string }, right: typeof left | null): boolean {
  return right !== null && left.gate === right.gate && left.commit === right.commit && left.reason === right.reason;
}
