/**
 * Reads Claude Code's stream-json into the common vocabulary. The set of event types is open: what it does not know is
 * a bare sign of life, so that a new kind of event never looks like silence. Never throws.
 */
import type { Usage } from '../../domain/types.ts';
import { zeroUsage } from '../../domain/usage.ts';
import type { AgentEvent, EventReader } from '../contract.ts';
import { asNumber, asRecord, asRecords, asText, type JsonRecord, oneLine, parseJson } from './json.ts';
import { readResult } from './result.ts';

/** Since this version `total_cost_usd` and `modelUsage` count the whole session over `--resume`. */
const CUMULATIVE_SINCE = [2, 1, 277] as const;

export interface ReaderOptions {
  /** Fixed answer to "does usage count the whole session?"; by default the init event's version decides. */
  cumulativeUsage?: boolean;
}

/** A reader of one stream; several `result` lines may come, and the last one wins. */
export function createClaudeReader(options: ReaderOptions = {}): EventReader {
  const state = {
    model: null as string | null,
    version: null as string | null,
    assistantError: null as string | null,
    used: zeroUsage() as Usage | null,
  };

  function readEvent(event: JsonRecord): AgentEvent[] {
    switch (event['type']) {
      case 'system':
        return readSystem(event);
      case 'assistant':
        return readAssistant(event);
      case 'user':
        return readToolResults(event);
      case 'rate_limit_event':
        return readLimit(event);
      case 'result': {
        const cumulativeUsage = options.cumulativeUsage ?? isCumulative(state.version);
        const { model, assistantError, used: usedBefore } = state;
        const result = readResult(event, { model, assistantError, cumulativeUsage, usedBefore });
        state.used = result.runUsage ?? null;
        return [{ type: 'result', result }];
      }
      default:
        return typeof event['type'] === 'string' ? [{ type: 'activity' }] : [];
    }
  }

  function readSystem(event: JsonRecord): AgentEvent[] {
    switch (event['subtype']) {
      case 'init': {
        const sessionId = asText(event['session_id']);
        state.model = asText(event['model']) ?? state.model;
        state.version = asText(event['claude_code_version']) ?? state.version;
        // A later turn of the same stream starts with a clean slate.
        state.assistantError = null;
        return sessionId === null
          ? [{ type: 'activity' }]
          : [{ type: 'session', sessionId, model: state.model, version: state.version }];
      }
      case 'api_retry': {
        const cause = asNumber(event['error_status']) ?? asText(event['error']) ?? 'connection';
        const waitS = Math.round((asNumber(event['retry_delay_ms']) ?? 0) / 1000);
        const text = `API retry ${String(event['attempt'])}/${String(event['max_retries'])} in ${waitS} s (${cause})`;
        return [{ type: 'activity', text: oneLine(text) }];
      }
      case 'model_fallback':
        return [{ type: 'activity', text: oneLine(`model fallback to ${String(event['fallback_model'])}`) }];
      default:
        return [{ type: 'activity' }];
    }
  }

  function readAssistant(event: JsonRecord): AgentEvent[] {
    const message = asRecord(event['message']);
    const ofSubAgent = asText(event['parent_tool_use_id']) !== null;
    // A sub-agent's trouble, or one that a later answer got over, does not explain how the run ended.
    if (!ofSubAgent) {
      const synthetic = event['is_api_error_message'] === true || message?.['model'] === '<synthetic>';
      state.assistantError = synthetic ? asText(event['error']) : null;
    }
    const indent = ofSubAgent ? '↳ ' : '';
    const events = asRecords(message?.['content']).map((block) => readBlock(block, indent));
    return events.length > 0 ? events : [{ type: 'activity' }];
  }

  return {
    read(line: string): AgentEvent[] {
      const parsed = parseJson(line);
      // `json` output with verbose set by the user's own settings prints one array instead of lines.
      const events = Array.isArray(parsed) ? asRecords(parsed) : asRecords([parsed]);
      return events.flatMap(readEvent);
    },
  };
}

function readBlock(block: JsonRecord, indent: string): AgentEvent {
  const id = asText(block['id']);
  if (block['type'] === 'tool_use' && id !== null) {
    return { type: 'activity', toolOpen: id, text: indent + describeTool(block) };
  }
  const text = block['type'] === 'text' ? oneLine(asText(block['text']) ?? '') : '';
  return text === '' ? { type: 'activity' } : { type: 'activity', text: indent + text };
}

/** `Bash npm test`, `Read src/retry.ts`: the tool and the argument that tells most. */
function describeTool(block: JsonRecord): string {
  const name = asText(block['name']) ?? 'tool';
  const input = asRecord(block['input']) ?? {};
  const telling = ['command', 'file_path', 'path', 'pattern', 'url', 'query', 'description']
    .map((key) => asText(input[key]))
    .find((value) => value !== null);
  return oneLine(telling === undefined ? name : `${name} ${telling}`);
}

function readToolResults(event: JsonRecord): AgentEvent[] {
  const results = asRecords(asRecord(event['message'])?.['content']).filter((block) => block['type'] === 'tool_result');
  const events = results.flatMap((block): AgentEvent[] => {
    const id = asText(block['tool_use_id']);
    if (id === null) return [];
    const text = oneLine(textOfContent(block['content']), 120);
    const sign = block['is_error'] === true ? '✗' : '→';
    return [{ type: 'activity', toolClose: id, ...(text === '' ? {} : { text: `${sign} ${text}` }) }];
  });
  return events.length > 0 ? events : [{ type: 'activity' }];
}

function textOfContent(content: unknown): string {
  if (typeof content === 'string') return content;
  return asRecords(content)
    .map((block) => asText(block['text']) ?? '')
    .join(' ');
}

function readLimit(event: JsonRecord): AgentEvent[] {
  const info = asRecord(event['rate_limit_info']) ?? {};
  const status = info['status'] === 'rejected' ? 'rejected' : info['status'] === 'allowed_warning' ? 'warning' : null;
  if (status === null) return [{ type: 'activity' }];
  const resetsAt = asNumber(info['resetsAt']);
  return [
    {
      type: 'limit',
      status,
      resetAtMs: resetsAt === null ? null : resetsAt * 1000,
      kind: asText(info['rateLimitType']),
    },
  ];
}

/** Unknown versions count as present ones: booking the maximum per session is right for both. */
function isCumulative(version: string | null): boolean {
  const match = /^(\d+)\.(\d+)\.(\d+)/u.exec(version ?? '');
  if (match === null) return true;
  const parts = match.slice(1).map(Number);
  for (const [index, least] of CUMULATIVE_SINCE.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}
