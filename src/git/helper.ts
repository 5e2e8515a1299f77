/**
 * Starts git from a small process instead of this one. A start copies the page tables of whoever makes it, on the main
 * thread: 6 ms and more in a worker of 250 MB, 1 ms in a small process, a dozen times between two agents.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { compiled } from '../paths.ts';
import { GitError, runGitHere, setGitRunner } from './git.ts';
import type { GitOptions, GitOutput } from './git.ts';

export type HelperRequest =
  | { kind: 'run'; id: number; args: string[]; options: Omit<GitOptions, 'signal'> }
  | { kind: 'abort'; id: number };

/** One of the two is there. */
export interface HelperAnswer {
  id: number;
  output?: GitOutput;
  failure?: { message: string; code: number | null; stderr: string; retryable: boolean; timedOut: boolean };
}

interface Helper {
  process: ChildProcess;
  pending: Map<number, { resolve(output: GitOutput): void; reject(error: Error): void }>;
}

let helper: Helper | null = null;
let lastId = 0;

/** From now on every git of this process is started by the helper, which comes up with the first one. */
export function useGitHelper(): void {
  if (existsSync(compiled('src/git/helper-process.js'))) setGitRunner(runInHelper);
}

async function runInHelper(args: readonly string[], options: GitOptions): Promise<GitOutput> {
  const { signal, ...rest } = options;
  const { process: child, pending } = (helper ??= startHelper());
  if (!child.connected) return await runGitHere(args, options);
  lastId += 1;
  const id = lastId;
  const abort = (): void => void child.send({ kind: 'abort', id } satisfies HelperRequest, () => undefined);
  signal?.addEventListener('abort', abort, { once: true });
  if (pending.size === 0) child.channel?.ref();
  try {
    return await new Promise<GitOutput>((resolve, reject) => {
      pending.set(id, { resolve, reject });
      child.send({ kind: 'run', id, args: [...args], options: rest } satisfies HelperRequest, (error) => {
        if (error !== null) reject(lost());
      });
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    pending.delete(id);
    if (pending.size === 0) unref(child);
  }
}

function startHelper(): Helper {
  const child = fork(compiled('src/git/helper-process.js'), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true,
    execArgv: [],
    // Whatever a command needs comes with it.
    env: { PATH: process.env['PATH'] },
  });
  const started: Helper = { process: child, pending: new Map() };
  child.on('message', (answer: HelperAnswer) => {
    const waiting = started.pending.get(answer.id);
    if (answer.output !== undefined) waiting?.resolve(answer.output);
    else if (answer.failure !== undefined) waiting?.reject(new GitError(answer.failure.message, answer.failure));
  });
  const gone = (): void => {
    if (helper === started) helper = null;
    for (const waiting of started.pending.values()) waiting.reject(lost());
  };
  child.once('error', gone);
  child.once('disconnect', gone);
  unref(child);
  return started;
}

/** An idle helper keeps nobody alive. */
function unref(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

function lost(): GitError {
  return new GitError('the process that starts git has ended', { code: null, stderr: '', retryable: true });
}
