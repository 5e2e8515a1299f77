/** What messages are made from: names and flat values that a workflow recorded, read without trust in their shape. */
import { formatUtc } from './time.ts';
import type { Usage } from './types.ts';
import { formatDuration, formatUsage } from './usage.ts';

export const MESSAGE_NAMES = [
  'started',
  'stageChanged',
  'returned',
  'questions',
  'answered',
  'approvalAsked',
  'approved',
  'rejected',
  'reminder',
  'gateRefused',
  'conflict',
  'runEnded',
  'runFailed',
  'waitingUntil',
  'attention',
  'landed',
  'mergeRefused',
  'paused',
  'resumed',
  'cancelled',
  'notCommitted',
  'commandRefused',
  'done',
] as const;
export type MessageName = (typeof MESSAGE_NAMES)[number];

export type MessageData = Record<string, string | number | boolean | null | string[] | Usage>;

export type Language = 'en' | 'ru';

/** One language: a text for every message, from values that may be missing. */
export interface Texts {
  comments: Record<MessageName, (values: Values) => string>;
  /** Headline of an alert where the message of the same name does not serve. */
  alerts: Record<'approval' | 'questions' | 'attention' | 'failed' | 'started' | 'again' | 'breaker' | 'info', string>;
}

/** Longest quotation of somebody's words, characters. */
const QUOTE_LIMIT = 2_000;
const QUOTE_LINES = 40;
const LIST_LIMIT = 20;

/** Reads message data by key; whatever is missing or of another type is an empty string, so no text says "null". */
export interface Values {
  itemId: string;
  text(key: string): string;
  /** One line, bounded. */
  line(key: string): string;
  /** As code within a line; empty where there is none. */
  code(key: string): string;
  /** First ten characters of a commit id, as code. */
  commit(key: string): string;
  flag(key: string): boolean;
  instant(key: string): string;
  duration(key: string): string;
  usage(key: string): string;
  count(key: string): number | null;
  /** Names joined with commas. */
  names(key: string): string;
  /** Markdown list, one entry a line, bounded. */
  list(key: string): string;
  /** Markdown quotation of somebody's words, bounded; starts with a blank line, empty where there are none. */
  quote(key: string): string;
}

export function readValues(itemId: string, data: MessageData): Values {
  const raw = (key: string): MessageData[string] => (Object.hasOwn(data, key) ? (data[key] ?? null) : null);
  const text = (key: string): string => {
    const value = raw(key);
    return typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';
  };
  const number = (key: string): number | null => {
    const value = raw(key);
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  };
  const strings = (key: string): string[] => {
    const value = raw(key);
    return Array.isArray(value) ? value : [];
  };
  return {
    itemId,
    text,
    line: (key) => oneLine(text(key), 500),
    code: (key) => asCode(text(key)),
    commit: (key) => asCode(text(key).slice(0, 10)),
    flag: (key) => raw(key) === true,
    instant: (key) => formatUtc(number(key) ?? Number.NaN),
    duration: (key) => (number(key) === null ? '' : formatDuration(number(key) ?? 0)),
    usage: (key) => {
      const value = raw(key);
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? formatUsage(value) : '';
    },
    count: number,
    names: (key) => (strings(key).length > 0 ? strings(key).join(', ') : text(key)),
    list: (key) => renderList(strings(key)),
    quote: (key) => quoteText(text(key)),
  };
}

/** Somebody's words as a markdown quotation, at most 2,000 characters and 40 lines; empty for blank text. */
export function quoteText(text: string): string {
  const clean = text
    .slice(0, 4 * QUOTE_LIMIT)
    .replace(/(?![\t\n])\p{Cc}\[[0-9;?]*[A-Za-z]/gu, '')
    .replace(/(?![\t\n])\p{Cc}/gu, '')
    .trim();
  if (clean === '') return '';
  const cut = clean.length > QUOTE_LIMIT ? `${clean.slice(0, QUOTE_LIMIT)}…` : clean;
  const lines = cut.split('\n');
  const shown = lines.length > QUOTE_LINES ? [...lines.slice(0, QUOTE_LINES), '…'] : lines;
  return `\n\n${shown.map((line) => `> ${line}`.trimEnd()).join('\n')}`;
}

function oneLine(text: string, limit: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > limit ? `${line.slice(0, limit)}…` : line;
}

function asCode(text: string): string {
  const line = oneLine(text.replaceAll('`', "'"), 300);
  return line === '' ? '' : `\`${line}\``;
}

function renderList(entries: readonly string[]): string {
  const shown = entries.slice(0, LIST_LIMIT).map((entry) => `- ${asCode(entry)}`);
  if (entries.length > LIST_LIMIT) shown.push(`- … +${entries.length - LIST_LIMIT}`);
  return shown.length === 0 ? '' : `\n${shown.join('\n')}`;
}
