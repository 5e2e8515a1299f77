/**
 * Reads a run's event log as it grows, through the agent's own reader, into readable lines. Reads from where it stopped,
 * in bounded pieces; a file that is not there yet is an empty one.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { agentCli } from '../agents/index.ts';
import type { AgentEvent, EventReader } from '../agents/contract.ts';
import { createLineSplitter } from '../agents/run/lines.ts';
import { RUN_FILES } from '../agents/record.ts';
import { formatUsage } from '../domain/usage.ts';
import { plain } from './output.ts';

const PIECE_BYTES = 256 * 1024;

export interface RunLog {
  /** Events since the last call; at most a few MB of log a call. True in `more` where there is more to read at once. */
  read(): { events: AgentEvent[]; more: boolean };
}

/** `agent`: name of the adapter whose reader knows the format. */
export function openRunLog(runDir: string, agent: string): RunLog {
  const reader: EventReader = agentCli(agent).createReader();
  const file = path.join(runDir, RUN_FILES.events);
  const buffer = Buffer.alloc(PIECE_BYTES);
  let events: AgentEvent[] = [];
  let offset = 0;
  const lines = createLineSplitter((line) => {
    if (line.trim() !== '') events.push(...reader.read(line));
  });
  return {
    read() {
      events = [];
      const bytes = readPiece(file, buffer, offset);
      offset += bytes;
      lines.push(buffer.subarray(0, bytes));
      return { events, more: bytes === PIECE_BYTES };
    },
  };
}

function readPiece(file: string, buffer: Buffer, offset: number): number {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return 0;
  }
  try {
    return readSync(descriptor, buffer, 0, buffer.length, offset);
  } finally {
    closeSync(descriptor);
  }
}

/** An event for people; null where there is nothing to say. */
export function renderEvent(event: AgentEvent): string | null {
  switch (event.type) {
    case 'session':
      return `session ${event.sessionId}${event.model === null ? '' : ` · ${event.model}`}`;
    case 'activity':
      return event.text === undefined || event.text.trim() === '' ? null : plain(event.text).trimEnd();
    case 'usage':
      return null;
    case 'limit':
      return `usage limit: ${event.status}${event.resetAtMs === null ? '' : ` until ${new Date(event.resetAtMs).toISOString()}`}`;
    case 'result': {
      const usage = formatUsage(event.result.usage);
      return `${event.result.ok ? 'result' : 'failed'}: ${plain(event.result.text).trim()}${usage === '' ? '' : `\n${usage}`}`;
    }
    default:
      return event satisfies never;
  }
}
