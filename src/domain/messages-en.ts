/** The messages in English. */
import type { Texts, Values } from './message-data.ts';
import { shortModel } from './usage.ts';

export const ENGLISH: Texts = {
  comments: {
    started: (v) => `🔍 Work on ${v.itemId} has started.${part(' Branch ', v.code('branch'), '.')}`,
    stageChanged: (v) =>
      `${v.line('from')} → **${v.line('stage')}**${part(', ', v.line('role'), ' at work')}${attempt(v)}`,
    returned: (v) =>
      `🔄 ${v.line('from')} → **${v.line('stage')}**${part(', ', v.line('role'), ' runs again')}${attempt(v)}${v.quote('reason')}`,
    questions: (v) =>
      `❓ The analyst has questions. Please answer with a comment here (a reaction does not reach us).${v.quote('text')}${next(v)}`,
    answered: (v) => `Answer received${part(' from ', v.names('by'), '')}; the run goes on with it.`,
    approvalAsked: (v) =>
      `📋 Please approve **${v.line('stage')}** at ${v.commit('commit')}: comment \`/approve\`, or \`/reject why\`.${v.list('files')}${next(v)}`,
    approved: (v) => `✅ ${v.line('stage')} approved by ${v.line('by')} at ${v.commit('commit')}.`,
    rejected: (v) =>
      `❌ Rejected by ${v.line('by')}${part(': ', v.line('stage'), ' runs again with the reason')}.${v.quote('reason')}`,
    reminder: (v) =>
      `📋 Still waiting for a person (${v.line('kind')} in ${v.line('stage')}).${v.quote('reason')}${next(v)}`,
    gateRefused: (v) => `❌ Gate ${v.code('gate')} says no: ${v.line('reason')}${v.quote('tail')}`,
    conflict: (v) => `⚠️ The architect found a conflict; back to analysis.${v.quote('text')}`,
    runEnded: (v) => `Run ${v.text('number')}${part(' of the ', v.line('role'), '')}: ${facts(v)}`,
    runFailed: (v) =>
      `🚨 The run failed: ${v.line('reason')}.${v.flag('again') ? ' It runs again as soon as launching is possible.' : ''}${log(v)}`,
    waitingUntil: (v) => `Waiting until ${v.instant('untilMs')}: ${v.line('reason')}`,
    attention: (v) => `⚠️ A person is needed in **${v.line('stage')}**: ${v.line('reason')}${log(v)}${next(v)}`,
    landed: (v) =>
      `✅ Landed on main as ${v.commit('head')}${part(' (on top of ', v.commit('base'), ')')}; ${v.flag('retested') ? 'this very commit was tested again before' : 'this very tree had been tested before'}.`,
    mergeRefused: (v) => `❌ Not merged (${v.line('result')}): ${v.line('reason')}`,
    paused: (v) => `Paused by ${v.line('by')}.${next(v)}`,
    resumed: (v) => `Resumed by ${v.line('by')}.`,
    cancelled: (v) =>
      `Cancelled${part(' by ', v.line('by'), '')}. Branch and work are kept.${v.quote('reason')}${total(v)}`,
    notCommitted: (v) =>
      `⚠️ Not everything was committed.${part('\n\nOutside of what this role may change (kept as a patch in the run record):', v.list('outside'), '')}${part('\n\nRefused and left in place:', v.list('refused'), '')}`,
    commandRefused: (v) => `The command ${v.code('command')} was refused: ${v.line('reason')}`,
    done: (v) => `✅ Done${part(': landed as ', v.commit('head'), '')}.${v.quote('reason')}${total(v)}`,
  },
  alerts: {
    approval: 'approval wanted',
    questions: 'questions',
    attention: 'a person is needed',
    failed: 'failed',
    started: 'started',
    again: 'runs again',
    breaker: 'breaker',
    info: 'news',
  },
};

function part(before: string, value: string, after: string): string {
  return value === '' ? '' : `${before}${value}${after}`;
}

function attempt(v: Values): string {
  const count = v.count('attempt');
  return count === null || count < 1 ? '' : ` (attempt ${count})`;
}

function next(v: Values): string {
  return part('\n\nNext: ', v.code('next'), '');
}

function log(v: Values): string {
  return part('\n\nLog: ', v.code('logPath'), '');
}

function facts(v: Values): string {
  const usage = v.usage('usage');
  const all = [
    v.line('outcome'),
    shortModel(v.text('model')),
    v.line('effort'),
    usage === '' ? v.duration('durationMs') : usage,
  ];
  return all.filter((fact) => fact !== '').join(' · ');
}

function total(v: Values): string {
  const runs = v.count('runs');
  const all = [runs === null ? '' : `${runs} ${runs === 1 ? 'run' : 'runs'}`, v.usage('usage')].filter(
    (fact) => fact !== '',
  );
  return part('\n\nIn all: ', all.join(' · '), '');
}
