/**
 * Why a run failed, and so which of its separate budgets pays. Structured signals come first; only then the words of the
 * unstructured tail, in one fixed order. The agent's own prose must never get here: a report about "HTTP 429" is no
 * rate limit.
 */
import { parseResetText } from './reset-time.ts';
import type { Failure } from './types.ts';

export { parseResetText } from './reset-time.ts';

/** As much of the end of the output as counts. */
export const TAIL_LIMIT_BYTES = 16 * 1024;

/** Lines that we write ourselves start so; our own stop messages are never a reason. */
export const OWN_LINE_PREFIX = '[stagewright]';

type Pattern = [code: string, pattern: RegExp, reason: string];

const AUTH: Pattern[] = [
  [
    'not_logged_in',
    /not logged in|(?<![\w/.-])\/login(?![\w/]|\.\w)|please set an auth method/,
    'the agent is not logged in',
  ],
  [
    'auth_failed',
    /unauthorized|failed to authenticate|authentication (?:failed|error)|invalid api key|oauth (?:token|session) (?:has )?(?:been )?(?:expired|revoked)/,
    'the provider refused the login',
  ],
  ['auth_failed', wholeNumber('401'), 'the provider refused the login (401)'],
];

const TRANSIENT: Pattern[] = [
  ['overloaded', /overloaded/, 'the provider is overloaded'],
  ['overloaded', wholeNumber('529'), 'the provider is overloaded (529)'],
  ['rate_limited', /rate limit|too many requests/, 'the provider limits the rate'],
  ['rate_limited', wholeNumber('429'), 'the provider limits the rate (429)'],
  ['quota', /\bquota/, 'a quota is used up for now'],
  ['retry_after', /retry after/, 'the provider asked to come back later'],
  ['unavailable', /service unavailable|temporarily unavailable/, 'the service is unavailable for now'],
  ['unavailable', wholeNumber('503'), 'the service is unavailable for now (503)'],
  ['connection', /connection (?:reset|refused|error|aborted)|econnreset/, 'the connection failed'],
  ['timeout', /timed out|time ?out|etimedout/, 'a request timed out'],
];

const CONFIG: Pattern[] = [
  [
    'unknown_model',
    /(?:unknown|unrecognized|invalid) model|model not found|no such model|issue with the selected model/,
    'the model is unknown',
  ],
  ['unknown_role', /unknown role/, 'the role is unknown'],
  [
    'bad_arguments',
    /(?:unknown|unrecognized|unexpected|invalid|missing required|ambiguous) (?:option|argument|flag|command|parameter)|option .{1,80} (?:argument (?:missing|is invalid)|requires)|cannot be used with root/,
    'the agent refused its arguments',
  ],
  ['no_credit', /credit balance is too low/, 'the account has no credit'],
];

const LIMIT =
  /(?<!rate )limits? reached|hit your [^.|\n]{0,40}limit|(?<!not your )usage limits?|reached your [^.|\n]{0,60}limits?|quota will reset/;

/**
 * What a tail of unstructured output says, or null where it says nothing. Without `nowMs` only reset times that name
 * their instant (epoch, date) can be read, and a limit without one counts as transient.
 */
export function classifyText(tail: string, nowMs?: number): Failure | null {
  const text = withoutOwnLines(lastBytes(tail, TAIL_LIMIT_BYTES));
  const words = normalise(text);
  const auth = firstMatch(AUTH, words);
  if (auth !== null) return { class: 'auth', ...auth };
  const limit = readLimit(text, nowMs);
  if (limit !== null && typeof limit === 'number') {
    return { class: 'limit', code: 'usage_limit', reason: 'the usage limit is reached', resetAtMs: limit };
  }
  const transient = firstMatch(TRANSIENT, words) ?? (limit === 'unknown' ? LIMIT_WITHOUT_RESET : null);
  if (transient !== null) return withRetryAfter({ class: 'transient', ...transient }, text);
  const config = firstMatch(CONFIG, words);
  return config === null ? null : { class: 'config', ...config };
}

/**
 * The class of a failed run: structured signals, else the tail, else permanent (`fallback` names code and reason). A
 * limit whose reset time is missing everywhere or already past is transient: it would otherwise be tried again at once
 * and for ever, since waiting for a reset uses no budget.
 */
export function classifyFailure(request: {
  structured: Failure | null;
  tail: string;
  nowMs: number;
  fallback?: { code: string; reason: string };
}): Failure {
  const { structured, tail, nowMs } = request;
  if (structured !== null) return completeStructured(structured, tail, nowMs);
  const fallback = request.fallback ?? { code: 'failed', reason: 'the run failed' };
  return classifyText(tail, nowMs) ?? { class: 'permanent', ...fallback };
}

const LIMIT_WITHOUT_RESET = { code: 'usage_limit', reason: 'the usage limit is reached, until when is not said' };

function completeStructured(failure: Failure, tail: string, nowMs: number): Failure {
  const text = withoutOwnLines(lastBytes(tail, TAIL_LIMIT_BYTES));
  if (failure.class === 'transient') return withRetryAfter(failure, text);
  if (failure.class !== 'limit') return failure;
  const fromText = readLimit(text, nowMs);
  const resetAtMs = failure.resetAtMs ?? parseResetText(failure.reason, nowMs) ?? fromText;
  if (typeof resetAtMs === 'number' && resetAtMs > nowMs) return { ...failure, resetAtMs };
  const { resetAtMs: _past, ...rest } = failure;
  return withRetryAfter({ ...rest, class: 'transient' }, text);
}

/** Reset time of the last limit message; 'unknown' where it names none that is still to come; null: no such message. */
function readLimit(text: string, nowMs: number | undefined): number | 'unknown' | null {
  const lines = text.split('\n').filter((line) => LIMIT.test(normalise(line)));
  if (lines.length === 0) return null;
  for (const line of lines.toReversed()) {
    const resetAtMs = parseResetText(line, nowMs ?? 0);
    if (resetAtMs !== null && (nowMs === undefined ? namesItsInstant(line) : resetAtMs > nowMs)) return resetAtMs;
  }
  return 'unknown';
}

function namesItsInstant(line: string): boolean {
  return parseResetText(line, 0) === parseResetText(line, 400 * 86_400_000);
}

const RETRY_AFTER = /retry[\s_-]after["']?\s*[:=]?\s*["']?(-?\d+(?:\.\d+)?)(?!\d)/gi;

function withRetryAfter(failure: Failure, text: string): Failure {
  if (failure.retryAfterMs !== undefined && failure.retryAfterMs > 0) return failure;
  const { retryAfterMs: _ignored, ...rest } = failure;
  const seconds = [...text.matchAll(RETRY_AFTER)].map((match) => Number(match[1])).filter((value) => value > 0);
  const last = seconds.at(-1);
  return last === undefined ? rest : { ...rest, retryAfterMs: Math.ceil(last * 1000) };
}

function firstMatch(patterns: readonly Pattern[], words: string): { code: string; reason: string } | null {
  for (const [code, pattern, reason] of patterns) if (pattern.test(words)) return { code, reason };
  return null;
}

/** A status code as a number of its own: not part of another number, a decimal, or a line number of a stack trace. */
function wholeNumber(digits: string): RegExp {
  return new RegExp(String.raw`(?<![\w]|\d[.,]|\.(?:[cm]?[jt]sx?|py|go|rs|rb|java|php|sh):)${digits}(?![\w]|[.,]\d)`);
}

/** Lower case; space, `_` and `-` alike; typographic apostrophes made plain. */
function normalise(text: string): string {
  return text
    .toLowerCase()
    .replace(/[’‘]/g, "'")
    .replace(/[\s_-]+/g, ' ');
}

function withoutOwnLines(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .filter((line) => !line.trimStart().startsWith(OWN_LINE_PREFIX))
    .join('\n');
}

/** The end of a text, at most `limit` bytes of UTF-8. */
function lastBytes(text: string, limit: number): string {
  let bytes = 0;
  for (let index = text.length - 1; index >= 0; index -= 1) {
    const unit = text.charCodeAt(index);
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
    if (bytes > limit) return text.slice(index + 1);
  }
  return text;
}
