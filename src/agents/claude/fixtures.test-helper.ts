/** Reads the recorded streams and results of `test/fixtures/agents` through the reader, as a run would. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../paths.ts';
import type { AgentEvent, AgentFinalResult } from '../contract.ts';
import { createClaudeReader, type ReaderOptions } from './reader.ts';

const directory = path.join(packageRoot, 'test/fixtures/agents');

export interface FixtureEntry {
  file: string;
  kind?: string;
  expect?: {
    class: string;
    costUsd?: number;
    model?: string;
    models?: string[];
    resultCount?: number;
    resetsAt?: number;
  };
}

export function readFixture(file: string): string {
  return readFileSync(path.join(directory, file), 'utf8');
}

export function listFixtures(): FixtureEntry[] {
  const index: { fixtures: FixtureEntry[] } = JSON.parse(readFixture('index.json'));
  return index.fixtures;
}

/** Streams line by line; a pretty-printed result or array as the one line that the CLI prints. */
export function linesOf(file: string): string[] {
  const text = readFixture(file);
  return file.endsWith('.json') ? [JSON.stringify(JSON.parse(text))] : text.split('\n');
}

export interface Seen {
  events: AgentEvent[];
  result: AgentFinalResult | null;
  results: number;
  lastLimit: { resetAtMs: number | null } | null;
}

export function readLines(lines: string[], options: ReaderOptions = {}): Seen {
  const reader = createClaudeReader(options);
  const seen: Seen = { events: [], result: null, results: 0, lastLimit: null };
  for (const event of lines.flatMap((line) => reader.read(line))) {
    seen.events.push(event);
    if (event.type === 'limit' && event.status === 'rejected') seen.lastLimit = { resetAtMs: event.resetAtMs };
    if (event.type !== 'result') continue;
    seen.result = event.result;
    seen.results += 1;
  }
  return seen;
}
