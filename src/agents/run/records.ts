/**
 * Reads the small files of a run directory. An agent runs as the same user and can write there, and a disk can fill up
 * half way: whatever is found is checked field by field, and nothing here throws.
 */
import { lstatSync } from 'node:fs';
import path from 'node:path';
import {
  type ChildRecord,
  type ExitRecord,
  type LaunchRecord,
  RUN_FILES,
  RUN_FORMAT,
  type SupervisorRecord,
} from '../record.ts';
import { readSmallFile } from '../supervisor.ts';

/** Formats that this version reads: its own and the previous one, so that an upgrade can attach to running agents. */
const READABLE_FORMATS: readonly unknown[] = [RUN_FORMAT, RUN_FORMAT - 1];
/** A launch record holds argv and environment, which may be long. */
const RECORD_LIMIT_BYTES = 4 * 1024 * 1024;

/** `missing`: no such file. `invalid`: there, but torn, not ours, or of an unknown format. */
export type Read<T> = { read: 'ok'; record: T } | { read: 'missing' } | { read: 'invalid'; reason: string };

type Fields = Record<string, unknown>;
type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isTextOrNull: Check = (value) => value === null || isText(value);
const isNumberOrNull: Check = (value) => value === null || isNumber(value);
const isTextList: Check = (value) => Array.isArray(value) && value.every(isText);
const isTextMap: Check = (value) => isFields(value) && Object.values(value).every(isText);

const LAUNCH_FIELDS: Record<string, Check> = {
  runId: isText,
  itemId: isText,
  kind: (value) => value === 'agent' || value === 'command',
  argv: isTextList,
  env: isTextMap,
  cwd: isText,
  budgetMs: isNumber,
  silenceMs: isNumber,
  outputLimitBytes: isNumber,
  leaseMs: isNumber,
  interruptMs: isNumber,
  graceMs: isNumber,
  agent: isTextOrNull,
  model: isTextOrNull,
  effort: isTextOrNull,
  sessionId: isTextOrNull,
  meta: isTextMap,
};

const SUPERVISOR_FIELDS: Record<string, Check> = {
  pid: isNumber,
  startTicks: isNumberOrNull,
  bootId: isTextOrNull,
  hostId: isTextOrNull,
  startedAtMs: isNumber,
};

const CHILD_FIELDS: Record<string, Check> = { pid: isNumber, startTicks: isNumberOrNull };

const EXIT_FIELDS: Record<string, Check> = {
  runId: isText,
  exit: isNumberOrNull,
  realExit: isNumberOrNull,
  signal: isTextOrNull,
  cause: isTextOrNull,
  stopReason: isTextOrNull,
  launchError: isTextOrNull,
  childPid: isNumberOrNull,
  startedAtMs: isNumber,
  endedAtMs: isNumber,
  strays: isNumber,
  signals: isTextList,
};

export function readLaunchRecord(runDir: string): Read<LaunchRecord> {
  return readRecord<LaunchRecord>(runDir, RUN_FILES.launch, LAUNCH_FIELDS);
}

export function readSupervisorRecord(runDir: string): Read<SupervisorRecord> {
  return readRecord<SupervisorRecord>(runDir, RUN_FILES.supervisor, SUPERVISOR_FIELDS);
}

export function readChildRecord(runDir: string): Read<ChildRecord> {
  return readRecord<ChildRecord>(runDir, RUN_FILES.child, CHILD_FIELDS);
}

export function readExitRecord(runDir: string): Read<ExitRecord> {
  return readRecord<ExitRecord>(runDir, RUN_FILES.exit, EXIT_FIELDS);
}

function readRecord<T>(runDir: string, file: string, fields: Record<string, Check>): Read<T> {
  const text = readSmallFile(path.join(runDir, file), RECORD_LIMIT_BYTES);
  if (text === null) return isThere(path.join(runDir, file)) ? invalid(file, 'unreadable') : { read: 'missing' };
  let value: T & Fields;
  try {
    value = JSON.parse(text);
  } catch {
    return invalid(file, text.trim() === '' ? 'empty' : 'not JSON');
  }
  if (!isFields(value)) return invalid(file, 'not an object');
  if (!READABLE_FORMATS.includes(value['format'])) return invalid(file, `unknown format ${String(value['format'])}`);
  const bad = Object.entries(fields).find(([name, check]) => !check(value[name]));
  return bad === undefined ? { read: 'ok', record: value } : invalid(file, `bad field ${bad[0]}`);
}

function isThere(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

function invalid(file: string, why: string): { read: 'invalid'; reason: string } {
  return { read: 'invalid', reason: `${file}: ${why}` };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
