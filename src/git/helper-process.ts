/**
 * The process that starts git for a worker (see helper.ts). It runs the very function that would have run there, keeps
 * no state, and ends with its worker once what is at work has ended.
 */
import { git, GitError } from './git.ts';
import type { HelperAnswer, HelperRequest } from './helper.ts';

const atWork = new Map<number, AbortController>();

process.on('message', (request: HelperRequest) => {
  if (request.kind === 'abort') atWork.get(request.id)?.abort();
  else void serve(request);
});
process.once('disconnect', () => endIfIdle());
// A terminal's Ctrl-C is for the worker, which may still have work to save.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

async function serve(request: Extract<HelperRequest, { kind: 'run' }>): Promise<void> {
  const { id, args, options } = request;
  const controller = new AbortController();
  atWork.set(id, controller);
  const answer = await git(args, { ...options, signal: controller.signal }).then(
    (output): HelperAnswer => ({ id, output }),
    (error: unknown): HelperAnswer => ({ id, failure: describe(error) }),
  );
  atWork.delete(id);
  if (process.connected) process.send?.(answer, () => undefined);
  else endIfIdle();
}

function describe(error: unknown): NonNullable<HelperAnswer['failure']> {
  if (error instanceof GitError) {
    const { message, code, stderr, retryable, timedOut } = error;
    return { message, code, stderr, retryable, timedOut };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { message, code: null, stderr: '', retryable: true, timedOut: false };
}

function endIfIdle(): void {
  if (atWork.size === 0) process.exit(0);
}
