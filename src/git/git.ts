/**
 * The one door to git: a clean environment, no hooks, no configuration but ours, a time limit, and errors that carry
 * neither argv nor credentials. Without it a user's ~/.gitconfig, a planted hook or a password prompt decides what a
 * merge gate does.
 */
import { execa } from 'execa';
import { errnoOf } from '../errors.ts';

/** Author and committer of everything that we commit. */
export const IDENTITY = { name: 'Stagewright', email: 'stagewright@localhost' } as const;

/** Limit for work on local objects and trees, milliseconds. */
export const LOCAL_TIMEOUT_MS = 120_000;
/** Limit for fetch and push, milliseconds: a first fetch of a large repository over a slow line. */
export const REMOTE_TIMEOUT_MS = 600_000;
const KILL_DELAY_MS = 5_000;
const MAX_BUFFER_BYTES = 64 * 1024 * 1024;

const CONFIG = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.untrackedCache': 'false',
  'core.precomposeUnicode': 'false',
  'protocol.ext.allow': 'never',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'submodule.recurse': 'false',
  'fetch.recurseSubmodules': 'false',
  'push.recurseSubmodules': 'no',
  'core.quotePath': 'false',
  'advice.detachedHead': 'false',
  'user.name': IDENTITY.name,
  'user.email': IDENTITY.email,
} as const;

export interface GitOptions {
  gitDir?: string;
  workTree?: string;
  cwd?: string;
  /** Added to the clean environment: GIT_INDEX_FILE, an askpass helper … */
  env?: Record<string, string>;
  /** Settings for this command alone, beside the fixed ones. */
  config?: Record<string, string>;
  input?: string | Uint8Array;
  /** Read stdin from this file instead. */
  inputFile?: string;
  /** Milliseconds; default {@link LOCAL_TIMEOUT_MS}. */
  timeoutMs?: number;
  /** Bytes of output; past it the command is ended and fails. */
  maxBuffer?: number;
  signal?: AbortSignal;
  /** Exit codes that are answers, not failures; default [0]. */
  okCodes?: readonly number[];
  /** Write stdout to this file instead of memory. */
  stdoutFile?: string;
}

export interface GitOutput {
  code: number;
  stdout: string;
  stderr: string;
}

export class GitError extends Error {
  override readonly name = 'GitError';
  /** Exit code; null where git was ended or never started. */
  readonly code: number | null;
  /** Shortened, without credentials. */
  readonly stderr: string;
  /** True: locks, network, time limit: the same command may well pass later. */
  readonly retryable: boolean;
  readonly timedOut: boolean;

  constructor(
    message: string,
    detail: { code: number | null; stderr: string; retryable: boolean; timedOut?: boolean },
  ) {
    super(message);
    this.code = detail.code;
    this.stderr = detail.stderr;
    this.retryable = detail.retryable;
    this.timedOut = detail.timedOut ?? false;
  }
}

export type GitRunner = (args: readonly string[], options: GitOptions) => Promise<GitOutput>;

let runner: GitRunner = runGitHere;

/** Who starts git from now on; what is asked of it stays the same. */
export function setGitRunner(next: GitRunner): void {
  runner = next;
}

/**
 * Runs git and returns its output. Throws GitError on an exit code outside `okCodes`, a time limit, or too much output;
 * rethrows the signal's own reason on abort.
 */
export async function git(args: readonly string[], options: GitOptions = {}): Promise<GitOutput> {
  options.signal?.throwIfAborted();
  return await runner(args, options);
}

/** The same, always as a child of this very process. */
export async function runGitHere(args: readonly string[], options: GitOptions): Promise<GitOutput> {
  const { signal } = options;
  const okCodes = options.okCodes ?? [0];
  signal?.throwIfAborted();
  const child = execa('git', [...args], {
    ...(options.cwd === undefined && options.gitDir === undefined ? {} : { cwd: options.cwd ?? options.gitDir }),
    env: gitEnvironment(options),
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    // A group of its own: git's helpers (upload-pack, ssh) hold its pipes, and must end with it.
    detached: true,
    cleanup: false,
    ...inputOf(options),
    ...(options.stdoutFile === undefined ? {} : { stdout: { file: options.stdoutFile } }),
    maxBuffer: options.maxBuffer ?? MAX_BUFFER_BYTES,
  });
  const limit = endGroup(child.pid, options.timeoutMs ?? LOCAL_TIMEOUT_MS, signal);
  const result = await child;
  const timedOut = limit.release();
  signal?.throwIfAborted();
  const stderr = textOf(result.stderr);
  if (result.exitCode !== undefined && okCodes.includes(result.exitCode) && !timedOut && !result.isMaxBuffer) {
    return { code: result.exitCode, stdout: textOf(result.stdout), stderr };
  }
  const { exitCode, signal: endedBy, isMaxBuffer, cause } = result;
  throw describeFailure(args[0] ?? '', { exitCode, signal: endedBy, isMaxBuffer, cause, timedOut }, stderr);
}

/** Ends a process group at a limit or on abort: SIGTERM, then SIGKILL. `release` says whether the limit was met. */
function endGroup(pid: number | undefined, timeoutMs: number, signal?: AbortSignal): { release(): boolean } {
  let timedOut = false;
  let killer: NodeJS.Timeout | undefined;
  const send = (name: NodeJS.Signals): void => {
    try {
      if (pid !== undefined) process.kill(-pid, name);
    } catch {
      // Gone already.
    }
  };
  const end = (): void => {
    send('SIGTERM');
    killer ??= setTimeout(() => send('SIGKILL'), KILL_DELAY_MS);
  };
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, timeoutMs);
  signal?.addEventListener('abort', end, { once: true });
  return {
    release: () => {
      clearTimeout(timer);
      clearTimeout(killer);
      signal?.removeEventListener('abort', end);
      return timedOut;
    },
  };
}

/** Runs git and returns stdout without its final newline. */
export async function gitLine(args: readonly string[], options: GitOptions = {}): Promise<string> {
  const { stdout } = await git(args, options);
  return stdout.endsWith('\n') ? stdout.slice(0, -1) : stdout;
}

/** The whole environment of a git process; nothing else of ours reaches it. */
export function gitEnvironment(options: GitOptions = {}): Record<string, string> {
  const settings = Object.entries({ ...CONFIG, ...options.config });
  return {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_AUTHOR_NAME: IDENTITY.name,
    GIT_AUTHOR_EMAIL: IDENTITY.email,
    GIT_COMMITTER_NAME: IDENTITY.name,
    GIT_COMMITTER_EMAIL: IDENTITY.email,
    ...(options.gitDir === undefined ? {} : { GIT_DIR: options.gitDir }),
    ...(options.workTree === undefined ? {} : { GIT_WORK_TREE: options.workTree }),
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
    ...options.env,
  };
}

function inputOf(options: GitOptions): { inputFile: string } | { input: string | Uint8Array } | { stdin: 'ignore' } {
  if (options.inputFile !== undefined) return { inputFile: options.inputFile };
  return options.input === undefined ? { stdin: 'ignore' } : { input: options.input };
}

interface Ended {
  exitCode?: number | undefined;
  timedOut: boolean;
  isMaxBuffer: boolean;
  signal?: string | undefined;
  cause?: unknown;
}

function describeFailure(command: string, ended: Ended, rawStderr: string): GitError {
  const stderr = cleanStderr(rawStderr);
  const code = ended.exitCode ?? null;
  if (ended.timedOut) {
    return new GitError(`git ${command} took too long`, { code: null, stderr, retryable: true, timedOut: true });
  }
  if (ended.isMaxBuffer) {
    return new GitError(`git ${command} printed too much`, { code, stderr, retryable: false });
  }
  if (code === null && ended.signal === undefined) {
    const why = errnoOf(ended.cause) ?? 'unknown error';
    return new GitError(`git could not be started: ${why}`, { code, stderr, retryable: why !== 'ENOENT' });
  }
  const how = code === null ? `was ended by ${ended.signal ?? 'a signal'}` : `failed with exit code ${code}`;
  const said = stderr === '' ? '' : `: ${stderr}`;
  return new GitError(`git ${command} ${how}${said}`, {
    code,
    stderr,
    retryable: code === null || isRetryable(stderr),
  });
}

const HOPELESS = /error: 40[134]|Authentication failed|Permission denied|not found|dubious ownership/i;
const PASSING = [
  /\.lock': File exists/i,
  /cannot lock ref|could not lock|failed to lock|unable to lock/i,
  /could not resolve host|couldn't connect|failed to connect|connection (?:refused|reset|timed out|closed)/i,
  /timed out|early EOF|hung up unexpectedly|RPC failed|unexpected disconnect/i,
  /returned error: (?:429|5\d\d)/i,
  /temporary failure|temporarily unavailable|No space left|Cannot allocate memory/i,
];

/** True where the same command may pass later: a lock, the network, a full disk. */
export function isRetryable(stderr: string): boolean {
  return !HOPELESS.test(stderr) && PASSING.some((pattern) => pattern.test(stderr));
}

/** The telling lines of git's stderr, at most 500 characters, with no credential of a URL left in. */
export function cleanStderr(stderr: string): string {
  const lines = stderr
    .replace(/:\/\/[^@/\s]*@/g, '://')
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('hint:'));
  return lines.join('; ').slice(0, 500);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
