/** The stage checklist that the Temporal Web UI shows as a workflow's current details. Bounded, deterministic markdown. */
import type { RunView, StageView, WorkItemStatus } from './protocol.ts';
import { formatUtc } from './time.ts';
import { addUsage, formatDuration, formatUsage, formatUsd, shortModel, zeroUsage } from './usage.ts';

const RUNS_SHOWN = 8;

/** Markdown for `setCurrentDetails`; a few kilobytes whatever the item went through. */
export function renderChecklist(status: WorkItemStatus): string {
  const parts = [
    `**${status.itemId}** ${plain(status.title, 200)}`,
    renderState(status),
    status.stages.map((stage) => renderStage(stage, status)).join('\n'),
    renderRuns(status.runs),
    renderFacts(status),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function renderState(status: WorkItemStatus): string {
  const { waiting } = status;
  if (waiting === null) return `${status.state} · stage ${status.stage}`;
  const until = waiting.untilMs === undefined ? '' : ` until ${formatUtc(waiting.untilMs)}`;
  const lines = [`**${status.state}** · ${plain(waiting.reason, 500)} (since ${formatUtc(waiting.sinceMs)}${until})`];
  if (waiting.commit !== undefined) lines.push(`commit \`${waiting.commit.slice(0, 10)}\``);
  if (waiting.next !== undefined) lines.push(`next: \`${waiting.next.replaceAll('`', '')}\``);
  return lines.join('\n\n');
}

function renderStage(stage: StageView, status: WorkItemStatus): string {
  const runs = status.runs.filter((run) => run.stage === stage.stage);
  const usage = runs.reduce((sum, run) => addUsage(sum, run.usage), zeroUsage());
  const facts = [
    stage.status === 'returned' ? 'to be done again' : '',
    stage.status === 'skipped' ? 'left out' : '',
    stage.durationMs > 0 ? formatDuration(stage.durationMs) : '',
    stage.entries > 1 ? `entered ${stage.entries} times` : '',
    runs.length > 1 ? `${runs.length} runs` : '',
    usage.costUsd > 0 ? formatUsd(usage.costUsd) : '',
    describeModel(runs.at(-1)),
  ];
  const name = stage.status === 'active' ? `**${stage.stage}**` : stage.stage;
  return [`- [${stage.status === 'done' ? 'x' : ' '}] ${name}`, ...facts.filter((fact) => fact !== '')].join(' · ');
}

function renderRuns(runs: readonly RunView[]): string {
  const shown = runs.slice(-RUNS_SHOWN).map((run) => {
    const facts = [
      `run ${run.number}`,
      run.role,
      run.outcome,
      describeModel(run),
      formatUsage(run.usage),
      plain(run.reason ?? '', 160),
    ];
    return `- ${facts.filter((fact) => fact !== '').join(' · ')}`;
  });
  const hidden = runs.length - shown.length;
  if (hidden > 0) shown.unshift(`- ${hidden} earlier ${hidden === 1 ? 'run' : 'runs'}`);
  return shown.length === 0 ? '' : `Runs\n${shown.join('\n')}`;
}

function renderFacts(status: WorkItemStatus): string {
  const facts = [
    status.branch === null ? '' : `branch \`${status.branch}\``,
    status.head === null ? '' : `head \`${status.head.slice(0, 10)}\``,
    status.developerAttempts > 0 ? `developer attempts ${status.developerAttempts}/${status.maxDeveloperAttempts}` : '',
    status.merged === null ? '' : `landed as \`${status.merged.head.slice(0, 10)}\``,
    formatUsage(status.usage),
    status.lastReason === null ? '' : `last reason: ${plain(status.lastReason, 300)}`,
  ];
  return facts.filter((fact) => fact !== '').join(' · ');
}

function describeModel(run: RunView | undefined): string {
  return run === undefined ? '' : [shortModel(run.model), run.effort ?? ''].filter((part) => part !== '').join(' · ');
}

/** One line of somebody's words, without markdown or markup of its own. */
function plain(text: string, limit: number): string {
  const line = text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[`*_[\]<>|\\]/g, (sign) => `\\${sign}`);
  return line.length > limit ? `${line.slice(0, limit).replace(/\\+$/, '')}…` : line;
}
