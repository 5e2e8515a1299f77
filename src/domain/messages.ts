/**
 * Board comments and alerts as pure functions of recorded values, in English and Russian. Agents' and tests' words are
 * quoted and bounded; a missing value is left out, never written as "null".
 */
import type { Alert } from '../notifiers/port.ts';
import { readValues } from './message-data.ts';
import type { Language, MessageData, MessageName, Texts } from './message-data.ts';
import { ENGLISH } from './messages-en.ts';
import { RUSSIAN } from './messages-ru.ts';
import type { AlertKind } from './types.ts';

export { MESSAGE_NAMES, quoteText } from './message-data.ts';
export type { Language, MessageData, MessageName } from './message-data.ts';

const TEXTS: Record<Language, Texts> = { en: ENGLISH, ru: RUSSIAN };

const SIGNS = {
  approval: '📋',
  questions: '❓',
  attention: '⚠️',
  tests: '❌',
  started: '🔍',
  again: '🔄',
  failed: '🚨',
  breaker: '🔴',
  info: 'ℹ️',
} as const satisfies Record<AlertKind | 'tests', string>;

/** The sign that stands before an alert; `tests` for failed tests. */
export function alertSign(kind: AlertKind | 'tests'): string {
  return SIGNS[kind];
}

/** A board comment, in markdown. */
export function renderComment(
  message: MessageName,
  data: MessageData,
  context: { itemId: string; language: Language },
): string {
  return TEXTS[context.language].comments[message](readValues(context.itemId, data));
}

/** An alert: what it is about, the reason in one line, the log, the next command. */
export function renderAlert(
  alert: { key: string; kind: AlertKind; cause: string; data: MessageData },
  context: { itemId: string; title: string; language: Language },
): Alert {
  const { key, kind, cause, data } = alert;
  const values = readValues(context.itemId, data);
  const texts = TEXTS[context.language];
  const logPath = values.text('logPath');
  const next = values.text('next');
  return {
    key,
    kind,
    itemId: context.itemId,
    title: context.title,
    reason: describe(texts, kind, cause, readValues(context.itemId, withoutEndings(data))),
    ...(logPath === '' ? {} : { logPath }),
    ...(next === '' ? {} : { next }),
  };
}

/** The comment of the same matter on one line and without its sign, where there is one; else headline and reason. */
function describe(texts: Texts, kind: AlertKind, cause: string, values: ReturnType<typeof readValues>): string {
  const name = {
    approval: 'approvalAsked',
    questions: 'questions',
    attention: 'attention',
    started: 'started',
  } as const;
  const message =
    kind === 'info' && (cause === 'done' || cause === 'cancelled')
      ? cause
      : (name as Record<string, MessageName>)[kind];
  if (message === undefined) {
    return [texts.alerts[kind], values.line('reason')].filter((words) => words !== '').join(': ');
  }
  const [first = '', ...rest] = texts.comments[message](values)
    .split('\n')
    .filter((line) => line.trim() !== '');
  const line = [first.replace(/^[^\p{L}`]+/u, ''), ...rest.map((more) => more.replace(/^> /, ''))].join(' ');
  return line.replace(/\s+/g, ' ').replaceAll('**', '').slice(0, 600).trim();
}

/** Log and next command have fields of their own in an alert. */
function withoutEndings(data: MessageData): MessageData {
  const { logPath: _logPath, next: _next, ...rest } = data;
  return rest;
}
