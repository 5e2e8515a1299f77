/**
 * The scripted agent behind a shell that makes two things readable afterwards: when the agent's process really ended
 * (its very last act is a line of output, so the log's time of change is its end), and how much CPU time it used itself.
 */
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { scriptedAgentPath } from '../src/agents/scripted/index.ts';
import { exitRecord } from '../test/support/processes.ts';

/** Writes the executable into `directory` and returns its path. */
export function writeInstantAgent(directory: string): string {
  const file = path.join(directory, 'instant-agent');
  const agent = `'${process.execPath}' '${scriptedAgentPath}' "$@"`;
  const script = [
    '#!/bin/bash',
    `if [ "$1" = --version ]; then exec ${agent}; fi`,
    `TIMEFORMAT='bench cpu %3U %3S'`,
    `time ${agent}`,
    'code=$?',
    `echo '{"type":"bench_end"}'`,
    'exit $code',
  ];
  writeFileSync(file, `${script.join('\n')}\n`);
  chmodSync(file, 0o755);
  return file;
}

export interface RunTimes {
  runId: string;
  stage: string;
  /** The supervisor has the agent's pid: it was spawned a moment before. */
  spawnedMs: number;
  /** The agent's last line of output. */
  endedMs: number;
  /** The supervisor has swept up and writes the exit record. */
  recordedMs: number;
  /** Of the agent itself, with what it started. */
  agentCpuMs: number;
}

interface Launch {
  runId: string;
  meta?: { stage?: string };
}

/** What a run's directory says of its times; all by this machine's clock. */
export function readRunTimes(runDir: string): RunTimes {
  const launch = JSON.parse(readFileSync(path.join(runDir, 'launch.json'), 'utf8')) as Launch;
  const said = /bench cpu ([\d.]+) ([\d.]+)/.exec(readFileSync(path.join(runDir, 'stderr.log'), 'utf8'));
  return {
    runId: launch.runId,
    stage: launch.meta?.stage ?? '?',
    spawnedMs: statSync(path.join(runDir, 'child.json')).mtimeMs,
    endedMs: statSync(path.join(runDir, 'events.jsonl')).mtimeMs,
    recordedMs: exitRecord(runDir).endedAtMs,
    agentCpuMs: (Number(said?.[1] ?? Number.NaN) + Number(said?.[2] ?? Number.NaN)) * 1_000,
  };
}
