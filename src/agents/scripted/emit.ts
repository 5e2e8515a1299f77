/**
 * Claude's stream-json, written synchronously to descriptor 1: what was printed before a kill is really there, and
 * `process.exit` loses nothing.
 */
import { writeSync } from 'node:fs';
import { errnoOf } from '../../errors.ts';
import type { ApiErrorEnd, Step } from './scenario.ts';

export interface EmitContext {
  sessionId: string;
  model: string;
  version: string;
}

export interface Accrued {
  costUsd: number;
  input: number;
  output: number;
  cached: number;
  turns: number;
  durationMs: number;
}

/** Writes all of it, waiting where the reader is slow. A reader that is gone ends the process. */
export function writeAll(descriptor: number, text: string | Uint8Array): void {
  let bytes = typeof text === 'string' ? Buffer.from(text) : text;
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(descriptor, bytes));
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'EPIPE') process.exit(1);
      // Out of disk: like the real one, it goes on and the line is lost.
      if (code !== 'EAGAIN') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

export type Emitter = ReturnType<typeof createEmitter>;

/** One function per event; `mute` prints nothing (ends without a log). */
export function createEmitter(context: EmitContext, mute: boolean) {
  let events = 0;
  const base = { session_id: context.sessionId };

  function emit(event: Record<string, unknown>): void {
    events += 1;
    const uuid = `00000000-0000-4000-8000-${String(events).padStart(12, '0')}`;
    if (!mute) writeAll(1, `${JSON.stringify({ ...event, ...base, uuid })}\n`);
  }
  function assistant(block: Record<string, unknown>, extra: Record<string, unknown> = {}): void {
    const model = extra['is_api_error_message'] === true ? '<synthetic>' : context.model;
    const message = { type: 'message', role: 'assistant', model, content: [block], stop_reason: null };
    emit({ type: 'assistant', message, parent_tool_use_id: null, ...extra });
  }
  return {
    init(cwd: string): void {
      emit({
        type: 'system',
        subtype: 'init',
        cwd,
        tools: ['Bash', 'Edit', 'Read', 'Write'],
        mcp_servers: [],
        model: context.model,
        permissionMode: 'bypassPermissions',
        apiKeySource: 'none',
        claude_code_version: context.version,
        output_style: 'default',
      });
    },
    say: (text: string) => assistant({ type: 'text', text }),
    progress: () => emit({ type: 'system', subtype: 'status', status: 'working' }),
    toolUse: (id: string, name: string, input: Record<string, unknown>) =>
      assistant({ type: 'tool_use', id, name, input }),
    toolResult(id: string, content: string, isError = false): void {
      const block = { tool_use_id: id, type: 'tool_result', content, is_error: isError };
      emit({ type: 'user', message: { role: 'user', content: [block] }, parent_tool_use_id: null });
    },
    /** The events of a failed API call that come before its result. */
    apiError(error: ApiErrorEnd): void {
      if (error.resetsAt !== undefined) {
        const info = {
          status: 'rejected',
          resetsAt: error.resetsAt,
          rateLimitType: 'five_hour',
          isUsingOverage: false,
        };
        emit({ type: 'rate_limit_event', rate_limit_info: info });
      }
      assistant(
        { type: 'text', text: error.text },
        { is_api_error_message: true, error: error.assistantError ?? 'unknown', ...apiErrorFields(error) },
      );
    },
    result(fields: Record<string, unknown>, accrued: Accrued): void {
      emit(resultEvent(fields, accrued, context.model));
    },
    /** A result line that breaks off, as old builds could leave it on a pipe. */
    cutResult(accrued: Accrued): void {
      const line = JSON.stringify(
        resultEvent({ subtype: 'success', is_error: false, result: 'Done.' }, accrued, context.model),
      );
      if (!mute) writeAll(1, line.slice(0, line.length / 2));
    },
  };
}

export function apiErrorFields(error: ApiErrorEnd): Record<string, unknown> {
  return {
    api_error_status: error.status ?? null,
    ...(error.type === undefined ? {} : { api_error_type: error.type }),
    ...(error.error === undefined ? {} : { api_error: error.error }),
  };
}

function resultEvent(fields: Record<string, unknown>, accrued: Accrued, model: string): Record<string, unknown> {
  return {
    type: 'result',
    duration_ms: accrued.durationMs,
    duration_api_ms: accrued.durationMs,
    num_turns: accrued.turns,
    stop_reason: 'end_turn',
    total_cost_usd: accrued.costUsd,
    usage: {
      input_tokens: accrued.input,
      output_tokens: accrued.output,
      cache_read_input_tokens: accrued.cached,
      cache_creation_input_tokens: 0,
    },
    modelUsage: {
      [model]: {
        inputTokens: accrued.input,
        outputTokens: accrued.output,
        cacheReadInputTokens: accrued.cached,
        cacheCreationInputTokens: 0,
        costUSD: accrued.costUsd,
      },
    },
    permission_denials: [],
    terminal_reason: 'completed',
    api_error_status: null,
    ...fields,
  };
}

/** What a step has cost when `fraction` of it is done; a resumed session counts from its start, like the real one. */
export function accrue(step: Step, actions: number, fraction: number, durationMs: number): Accrued {
  const tokens = step.tokens ?? { input: 40 * actions, output: 180 * actions, cached: 15_000 * actions };
  return {
    costUsd: Math.round((step.costUsd ?? 0.01 * Math.max(1, actions)) * fraction * 1e6) / 1e6,
    input: Math.round(tokens.input * fraction),
    output: Math.round(tokens.output * fraction),
    cached: Math.round(tokens.cached * fraction),
    turns: Math.max(1, Math.round(actions * fraction)),
    durationMs,
  };
}
