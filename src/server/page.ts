/** The start page: the queue as plain HTML, without scripts; it reloads itself. */
import { formatDuration, formatUsd } from '../domain/usage.ts';
import type { WorkItemStatus } from '../domain/protocol.ts';
import type { Snapshot } from './snapshot.ts';
import { currentRun } from './views.ts';

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c1f23;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #e3e6ea;vertical-align:top}
th{font-weight:600;color:#5a6370}.attention{color:#b3261e}.running{color:#1a6b3c}.small{color:#5a6370;font-size:.9em}
@media(prefers-color-scheme:dark){body{background:#15181c;color:#e6e8eb}th,td{border-color:#2d333b}.small,th{color:#98a2ae}.attention{color:#ff8a80}.running{color:#7bd88f}}`;

export function renderPage(snapshot: Snapshot, nowMs: number): string {
  const rows = snapshot.open.map(({ summary, answer }) =>
    answer.ok
      ? renderRow(answer.value, nowMs)
      : `<tr><td>${escapeHtml(summary.itemId)}</td><td>${escapeHtml(summary.title ?? '')}</td><td>${summary.stage ?? ''}</td><td colspan="3">${escapeHtml(answer.message)}</td></tr>`,
  );
  const table =
    rows.length === 0
      ? '<p>Nothing is being worked on. <code>stagewright submit --repo PATH "title"</code> starts an item.</p>'
      : `<table><tr><th>Item</th><th>Title</th><th>Stage</th><th>State</th><th>Time</th><th>Cost</th></tr>${rows.join('')}</table>`;
  const { done, cancelled, failed } = snapshot.closedCounts;
  const problems = snapshot.problems.map((problem) => `<li>${escapeHtml(problem)}</li>`).join('');
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3"><meta name="viewport" content="width=device-width"><title>Stagewright</title><style>${STYLE}</style></head><body><h1>Stagewright</h1>${table}<p class="small">${done} done, ${cancelled} cancelled, ${failed} failed · <a href="/queue">queue</a> · <a href="/status">status</a></p>${problems === '' ? '' : `<ul class="small">${problems}</ul>`}</body></html>`;
}

function renderRow(status: WorkItemStatus, nowMs: number): string {
  const run = currentRun(status);
  const doing = status.waiting?.reason ?? (run?.outcome === 'running' ? `${run.role}: ${run.agent}` : '');
  const tone = status.state === 'attention' || status.state === 'running' ? ` class="${status.state}"` : '';
  return `<tr><td>${escapeHtml(status.itemId)}</td><td>${escapeHtml(status.title)}</td><td>${status.stage}</td><td><span${tone}>${status.state}</span><div class="small">${escapeHtml(doing)}</div></td><td>${formatDuration(nowMs - status.startedAtMs)}</td><td>${formatUsd(status.usage.costUsd)}</td></tr>`;
}

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
