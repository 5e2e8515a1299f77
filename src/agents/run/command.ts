/**
 * Gate, re-test, coverage and deploy commands: the same supervisor, directory and attach as an agent's. Its exit record
 * becomes a result that tells "it said no" from "it could not say": only the first ever goes back to a developer.
 */
import path from 'node:path';
import type { CommandResult } from '../../domain/types.ts';
import { type ExitRecord, type LaunchRecord, RUN_FILES } from '../record.ts';
import { attachRun } from './attach.ts';
import { launchRun, type WarmSupervisor } from './launch.ts';
import { readLaunchRecord } from './records.ts';
import { readTail } from './tail.ts';

const TAIL_BYTES = 2048;
const SHELLS = new Set(['sh', 'bash', 'dash', 'ash', 'ksh', 'zsh']);

export interface CommandOptions {
  /** Abort detaches; the command goes on until its own limit or lease. */
  signal: AbortSignal;
  renew(): boolean;
  /** Started ahead for this run. */
  warm?: WarmSupervisor;
}

/**
 * Runs a command, or attaches to it where its run id is at work or has ended.
 * Rejects with `signal.reason` on abort, and with `run_not_started` where no supervisor came up.
 */
export async function runCommand(
  runDir: string,
  launch: LaunchRecord,
  options: CommandOptions,
): Promise<CommandResult> {
  await launchRun(runDir, launch, options.warm);
  const end = await attachRun(runDir, { ...options, onLine: () => undefined });
  return commandResultFrom(runDir, end.kind === 'ended' ? end.exit : null);
}

/** What a command's exit record says; null: there is none, and nobody who could still write one. */
export function commandResultFrom(runDir: string, exit: ExitRecord | null): CommandResult {
  const logPath = path.join(runDir, RUN_FILES.events);
  const launch = readLaunchRecord(runDir);
  // A shell's own 126, 127, 137 and 143 mean something else than a command's.
  const isShell = launch.read === 'ok' && isShellLine(launch.record.argv);
  const judgement = exit === null ? LOST : judge(exit, isShell);
  const durationMs = exit === null ? 0 : Math.max(0, exit.endedAtMs - exit.startedAtMs);
  return { ...judgement, tail: readTail(logPath, TAIL_BYTES), logPath, durationMs };
}

type Judgement = Pick<CommandResult, 'status' | 'exit' | 'signal' | 'reason'>;

const LOST: Judgement = { status: 'lost', exit: null, signal: null, reason: 'its supervisor died' };

function judge(record: ExitRecord, isShell: boolean): Judgement {
  const { exit, signal, cause } = record;
  const seconds = Math.round((record.endedAtMs - record.startedAtMs) / 1000);
  const as = (status: CommandResult['status'], reason: string): Judgement => ({ status, exit, signal, reason });
  if (record.launchError !== null) return as('not-started', `could not start: ${record.launchError}`);
  switch (cause) {
    case 'budget':
      return as('timeout', `ended at its time limit after ${seconds} s`);
    case 'silence':
      return as('timeout', `ended after ${seconds} s: no output for too long`);
    case 'output':
      return as('killed', 'ended at its output limit');
    case 'stop':
      return as('stopped', record.stopReason === null ? 'stopped' : `stopped: ${record.stopReason}`);
    case 'shutdown':
      return as('stopped', 'stopped with its supervisor');
    case 'lease':
    case 'directory':
      return as('lost', 'ended: nobody attended it');
    case null:
      break;
    default:
      return cause satisfies never;
  }
  if (signal !== null || exit === null) return as('killed', `ended by ${signal ?? 'an unknown signal'}`);
  if (isShell && exit === 127) return as('not-started', 'command not found (exit 127)');
  if (isShell && exit === 126) return as('not-started', 'command cannot be executed (exit 126)');
  // A shell reports what it called as 128 + signal; an out-of-memory kill says nothing about the code.
  if (isShell && exit === 137) return { ...as('killed', 'ended by SIGKILL'), signal: 'SIGKILL' };
  if (isShell && exit === 143) return { ...as('killed', 'ended by SIGTERM'), signal: 'SIGTERM' };
  return as('completed', `exit ${exit}`);
}

/** `sh -c …`, also behind a sandbox's own arguments. */
function isShellLine(argv: string[]): boolean {
  return argv.some((word, index) => SHELLS.has(path.basename(word)) && /^-[a-z]*c$/.test(argv[index + 1] ?? ''));
}
