/**
 * What an attempt remembers of the stream that it reads along: the last result, the session, a bounded tail. Everything
 * else is in the run's own files.
 */
import type { AgentFinalResult, EventReader } from '../src/agents/contract.ts';

/** Readable output kept for people, and unstructured output kept for classification. */
export const TAIL_BYTES = 2_048;
export const UNSTRUCTURED_BYTES = 16_384;
/** The longest that Claude Code's Bash tool can be asked for; other tools are shorter. */
const TOOL_LIMIT_MS = 600_000;

/** Reads the stream along: the last result wins, the tail is bounded, nothing else is kept. */
export class Witness {
  result: AgentFinalResult | null = null;
  limit: { resetAtMs: number | null } | null = null;
  sessionId: string | null = null;
  model: string | null = null;
  bytes = 0;
  blank = true;
  readable = '';
  unstructured = '';
  readonly #reader: EventReader;
  readonly #openTools = new Map<string, number>();

  constructor(reader: EventReader) {
    this.#reader = reader;
  }

  /** An open tool call is not silence until the tool's own limit. */
  isToolOpen(): boolean {
    return [...this.#openTools.values()].some((since) => performance.now() - since < TOOL_LIMIT_MS);
  }

  see(line: string): void {
    this.bytes += line.length + 1;
    if (line.trim() !== '') this.blank = false;
    const events = this.#reader.read(line);
    if (events.length === 0 && !line.startsWith('{'))
      this.unstructured = keepTail(this.unstructured, line, UNSTRUCTURED_BYTES);
    for (const event of events) {
      switch (event.type) {
        case 'session':
          this.sessionId = event.sessionId;
          this.model = event.model ?? this.model;
          break;
        case 'activity':
          if (event.toolOpen !== undefined) this.#openTools.set(event.toolOpen, performance.now());
          if (event.toolClose !== undefined) this.#openTools.delete(event.toolClose);
          if (event.text !== undefined) this.readable = keepTail(this.readable, event.text, TAIL_BYTES);
          break;
        case 'limit':
          if (event.status === 'rejected') this.limit = { resetAtMs: event.resetAtMs };
          break;
        case 'result':
          this.result = event.result;
          break;
        case 'usage':
          break;
        default:
          event satisfies never;
      }
    }
  }
}

function keepTail(text: string, line: string, limit: number): string {
  return `${text}${text === '' ? '' : '\n'}${line}`.slice(-limit);
}
