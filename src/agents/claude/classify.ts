/**
 * The failure matrix of Claude Code's result object, in SPEC 4's order: auth, limit, transient, config, permanent.
 * Structured fields decide; texts are matched only at the start of a result that the CLI itself marked as an error, and
 * there the words are its own. An agent that quotes "429 rate limit" in its answer is therefore never taken for one.
 */
import type { Failure } from '../../domain/types.ts';
import type { AgentFinalResult } from '../contract.ts';
import { oneLine } from './json.ts';
import { parseResetTime } from './reset-time.ts';

/** Wait for a usage window whose reset nobody named. */
const UNKNOWN_RESET_MS = 30 * 60_000;
/** A reset that has passed already would loop without spending any budget. */
const LEAST_LIMIT_WAIT_MS = 60_000;

const AUTH_ERRORS = new Set([
  'authentication_failed',
  'authentication_error',
  'permission_error',
  'oauth_org_not_allowed',
  'account_on_hold',
  'verification_required',
  'cloud_credential_error',
]);
const AUTH_TEXT = /^(?:Not logged in\b|Invalid API key\b|Failed to authenticate\b)/u;
const PLAN_LIMIT_TEXT =
  /^(?:You['’]ve hit your (?:[\w-]+ )?limit\b|Claude (?:AI )?usage limit reached|(?:5-hour|weekly|Opus|Sonnet)(?: weekly)? limit reached)/iu;
const SPEND_CAP_TEXT = /^API Error: 400 You have reached your specified API usage limits/u;
const NO_CREDIT_TEXT = /^Credit balance is too low/u;
const NETWORK_TEXT = /^API Error: (?:Connection\b|Can['’]t reach the API server|Unable to connect|Request timed out)/u;
const RATE_TEXT = /^API Error: (?:Request rejected \(429\)|Server is temporarily limiting requests|429\b)/u;
const OVERLOADED_TEXT = /^API Error: (?:Repeated )?529\b/u;
const SERVER_TEXT = /^API Error: 5\d\d\b/u;
const MODEL_TEXT = /^There['’]s an issue with the selected model/u;

/** See `AgentCli.classifyResult`. */
export function classifyClaudeResult(
  result: AgentFinalResult,
  lastLimit: { resetAtMs: number | null } | null,
  nowMs: number = Date.now(),
): Failure | null {
  if (result.ok) return classifyBlockedTools(result);
  return (
    classifyAuth(result) ??
    classifyLimit(result, lastLimit, nowMs) ??
    classifyTransient(result) ??
    classifyConfig(result) ??
    classifyPermanent(result)
  );
}

/** Blocked tools end with exit 0 and a polite "success". */
function classifyBlockedTools(result: AgentFinalResult): Failure | null {
  if (result.deniedTools.length === 0) return null;
  const tools = [...new Set(result.deniedTools)].join(', ');
  return failure('permanent', 'permission_denied', `the agent was not allowed to use ${oneLine(tools)}`);
}

function classifyAuth(result: AgentFinalResult): Failure | null {
  const { apiStatus, apiError, text } = result;
  if (
    apiStatus === 401 ||
    apiStatus === 403 ||
    AUTH_TEXT.test(text) ||
    (apiError !== null && AUTH_ERRORS.has(apiError))
  ) {
    const code = apiStatus === null && text.startsWith('Not logged in') ? 'not_logged_in' : 'auth_failed';
    return failure('auth', code, said(result, 'the agent is not logged in'));
  }
  return null;
}

function classifyLimit(
  result: AgentFinalResult,
  lastLimit: { resetAtMs: number | null } | null,
  nowMs: number,
): Failure | null {
  const spendCap = SPEND_CAP_TEXT.test(result.text);
  if (!spendCap && result.apiError !== 'usage_limit_reached' && !PLAN_LIMIT_TEXT.test(result.text)) return null;
  const named = (spendCap ? null : lastLimit?.resetAtMs) ?? parseResetTime(result.text, nowMs);
  const resetAtMs = Math.max(named ?? nowMs + UNKNOWN_RESET_MS, nowMs + LEAST_LIMIT_WAIT_MS);
  const code = spendCap ? 'spend_limit' : 'usage_limit';
  return { ...failure('limit', code, said(result, 'the usage limit is reached')), resetAtMs };
}

function classifyTransient(result: AgentFinalResult): Failure | null {
  const { apiStatus, apiError, text } = result;
  if (apiStatus === 529 || apiError === 'overloaded' || apiError === 'overloaded_error' || OVERLOADED_TEXT.test(text)) {
    return failure('transient', 'overloaded', said(result, 'the API is overloaded'));
  }
  if (apiStatus === 429 || apiError === 'rate_limit' || apiError === 'rate_limit_error' || RATE_TEXT.test(text)) {
    return failure('transient', 'rate_limited', said(result, 'the API limits the rate of requests'));
  }
  if (apiError === 'connection_failed' || NETWORK_TEXT.test(text)) {
    return failure('transient', 'network', said(result, 'the API could not be reached'));
  }
  const serverStatus = apiStatus !== null && (apiStatus >= 500 || apiStatus === 408);
  if (serverStatus || apiError === 'server_error' || apiError === 'api_error' || SERVER_TEXT.test(text)) {
    return failure('transient', 'api_error', said(result, 'the API failed'));
  }
  return null;
}

function classifyConfig(result: AgentFinalResult): Failure | null {
  const { apiError, text } = result;
  if (apiError?.startsWith('startup:') === true) {
    const code = `startup_${apiError.slice('startup:'.length)}`;
    return failure('config', code, said(result, 'the CLI refused to start'));
  }
  if (apiError === 'model_not_found' || MODEL_TEXT.test(text)) {
    return failure('config', 'model_not_found', said(result, 'the model is not known'));
  }
  if (apiError === 'billing_error' || NO_CREDIT_TEXT.test(text)) {
    return failure('config', 'no_credit', said(result, 'the account has no credit'));
  }
  return null;
}

/** Ends that a repetition would meet again. Anything unknown is null: the caller's text ladder has the last word. */
function classifyPermanent(result: AgentFinalResult): Failure | null {
  switch (result.terminalReason) {
    case 'prompt_too_long':
      return failure('permanent', 'prompt_too_long', said(result, 'the prompt is too long'));
    case 'max_turns':
      return failure('permanent', 'max_turns', said(result, 'the turn limit is reached'));
    case 'budget_exhausted':
      return failure('permanent', 'max_budget', said(result, "the run's money budget is used up"));
    case 'structured_output_retry_exhausted':
      return failure('permanent', 'schema_failed', said(result, 'the answer did not fit its schema'));
    case 'aborted_streaming':
    case 'aborted_tools':
      return failure('permanent', 'aborted', 'the agent was interrupted');
    default:
      break;
  }
  if (result.apiStatus === 413)
    return failure('permanent', 'request_too_large', said(result, 'the request is too large'));
  if (result.apiError === 'max_output_tokens') {
    return failure('permanent', 'max_output_tokens', said(result, 'the answer exceeded the output limit'));
  }
  if (result.apiError === 'invalid_request' || result.apiError === 'invalid_request_error') {
    return failure('permanent', 'invalid_request', said(result, 'the API refused the request'));
  }
  return null;
}

/** The CLI's own sentence, bounded; it holds no argv, environment or secret. */
function said(result: AgentFinalResult, otherwise: string): string {
  const text = oneLine(result.text, 300);
  return text === '' ? otherwise : text;
}

function failure(kind: Failure['class'], code: string, reason: string): Failure {
  return { class: kind, code, reason };
}
