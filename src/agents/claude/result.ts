/**
 * Normalises Claude Code's final result object. `subtype: "success"` alone proves nothing: every API, login and limit
 * failure carries it too, so `is_error`, `api_error_status` and `terminal_reason` are read together.
 */
import type { Usage } from '../../domain/types.ts';
import { addUsage } from '../../domain/usage.ts';
import type { AgentFinalResult } from '../contract.ts';
import { asCount, asNumber, asRecord, asRecords, asText, type JsonRecord } from './json.ts';

/** Ends that are not a finished turn, whatever `is_error` says. Unknown reasons are left to `is_error`. */
const BAD_TERMINAL_REASONS = new Set([
  'max_turns',
  'budget_exhausted',
  'structured_output_retry_exhausted',
  'prompt_too_long',
  'image_error',
  'model_error',
  'api_error',
  'blocking_limit',
  'rapid_refill_breaker',
  'malformed_tool_use_exhausted',
  'aborted_streaming',
  'aborted_tools',
  'stop_hook_prevented',
  'hook_stopped',
  'tool_deferred',
  'tool_deferred_unavailable',
  'background_requested',
  'turn_setup_failed',
]);

/** What the stream said before its result, and the result object itself does not repeat. */
export interface ResultContext {
  /** Model of the init event. */
  model: string | null;
  /** `error` of the last synthetic assistant message (`authentication_failed`, `model_not_found` …). */
  assistantError: string | null;
  cumulativeUsage: boolean;
  /** Sum of what the stream's earlier results used; null where one of them did not say. */
  usedBefore: Usage | null;
}

/** Reads a `type: "result"` object. */
export function readResult(source: JsonRecord, context: ResultContext): AgentFinalResult {
  const terminalReason = asText(source['terminal_reason']);
  const apiStatus = asNumber(source['api_error_status']);
  const errors = Array.isArray(source['errors']) ? source['errors'].filter((entry) => typeof entry === 'string') : [];
  const runUsage = readRunUsage(source, context.usedBefore);
  return {
    ok:
      source['is_error'] === false &&
      (source['subtype'] === undefined || source['subtype'] === 'success') &&
      apiStatus === null &&
      !(terminalReason !== null && BAD_TERMINAL_REASONS.has(terminalReason)),
    text: typeof source['result'] === 'string' ? source['result'] : errors.filter(isForPeople).join('\n'),
    usage: readUsage(source),
    ...(runUsage === null ? {} : { runUsage }),
    model: mainModel(source, context.model),
    sessionId: asText(source['session_id']),
    apiStatus,
    apiError: readApiError(source, context.assistantError),
    terminalReason: terminalReason ?? reasonOfSubtype(source),
    cumulativeUsage: context.cumulativeUsage,
    deniedTools: asRecords(source['permission_denials'])
      .map((denial) => asText(denial['tool_name']))
      .filter((name) => name !== null),
  };
}

/**
 * One word for the error, most telling first: a start-up failure, the API's own finding (`usage_limit_reached`), the
 * stream's finding, the HTTP error type.
 */
function readApiError(source: JsonRecord, assistantError: string | null): string | null {
  const startup = asText(source['startup_failure_reason']);
  if (startup !== null) return `startup:${startup}`;
  return (
    asText(source['api_error']) ??
    (source['is_error'] === false ? null : assistantError) ??
    asText(source['api_error_type'])
  );
}

/** Old builds leave `terminal_reason` out on budget and schema errors; the subtype says the same. */
function reasonOfSubtype(source: JsonRecord): string | null {
  switch (source['subtype']) {
    case 'error_max_turns':
      return 'max_turns';
    case 'error_max_budget_usd':
      return 'budget_exhausted';
    case 'error_max_structured_output_retries':
      return 'structured_output_retry_exhausted';
    default:
      return null;
  }
}

/** An interrupted run explains itself in `[ede_diagnostic] result_type=…`: nothing that a person could use. */
function isForPeople(error: string): boolean {
  return !error.startsWith('[ede_diagnostic]');
}

/** `modelUsage` covers sub-agents and helper models; `usage` only the main loop, and is the fallback. */
function readUsage(source: JsonRecord): Usage | null {
  const perModel = modelEntries(source['modelUsage']);
  const main = asRecord(source['usage']);
  if (perModel.length === 0 && main === null && source['total_cost_usd'] === undefined) return null;
  const tokens =
    perModel.length > 0
      ? sumTokens(perModel)
      : {
          inputTokens: asCount(main?.['input_tokens']),
          outputTokens: asCount(main?.['output_tokens']),
          cachedTokens: asCount(main?.['cache_read_input_tokens']) + asCount(main?.['cache_creation_input_tokens']),
        };
  return { ...tokens, costUsd: asCount(source['total_cost_usd']), ...readSpan(source) };
}

/** The first result of a stream counts from the start of the process, also after a resume; later ones from the one before. */
function readRunUsage(source: JsonRecord, usedBefore: Usage | null): Usage | null {
  if (usedBefore === null || asRecord(source['model_usage_since_last_result']) === null) return null;
  const perModel = modelEntries(source['model_usage_since_last_result']);
  const costUsd = sumOf(perModel, 'costUSD');
  return addUsage(usedBefore, { ...sumTokens(perModel), costUsd, ...readSpan(source) });
}

function readSpan(source: JsonRecord): Pick<Usage, 'turns' | 'durationMs'> {
  return { turns: asCount(source['num_turns']), durationMs: asCount(source['duration_ms']) };
}

function modelEntries(models: unknown): JsonRecord[] {
  return asRecords(Object.values(asRecord(models) ?? {}));
}

function sumTokens(perModel: JsonRecord[]): Pick<Usage, 'inputTokens' | 'outputTokens' | 'cachedTokens'> {
  return {
    inputTokens: sumOf(perModel, 'inputTokens'),
    outputTokens: sumOf(perModel, 'outputTokens'),
    cachedTokens: sumOf(perModel, 'cacheReadInputTokens') + sumOf(perModel, 'cacheCreationInputTokens'),
  };
}

function sumOf(perModel: JsonRecord[], key: string): number {
  return perModel.reduce((total, entry) => total + asCount(entry[key]), 0);
}

/** The init event's model where it answered; after a fallback the one that cost most. Old builds append `[1m]`. */
function mainModel(source: JsonRecord, initModel: string | null): string | null {
  const models = Object.entries(asRecord(source['modelUsage']) ?? {}).map(([name, entry]) => ({
    name: name.replace(/\[\w+\]$/u, ''),
    costUsd: asCount(asRecord(entry)?.['costUSD']),
  }));
  const first = initModel?.replace(/\[\w+\]$/u, '') ?? null;
  if (models.length === 0 || models.some((entry) => entry.name === first)) return first;
  return models.reduce((best, entry) => (entry.costUsd > best.costUsd ? entry : best)).name;
}
