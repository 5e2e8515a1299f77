/**
 * Bundles the workflows once at build time, so that a worker starts without webpack's second and every worker of one
 * build runs the same code. The bundle must come from the very version of the worker library that loads it.
 */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { compiled } from '../paths.ts';

/** Where the build puts it and workers look for it. */
export const bundlePath: string = compiled('workflow-bundle.js');

/**
 * Bundles compiled workflows (default: this package's) into `out`; a reader never sees half of it.
 * Throws with webpack's words if workflow code imports what it must not.
 */
export async function buildWorkflowBundle(
  out: string = bundlePath,
  workflowsPath: string = compiled('workflows/index.js'),
): Promise<void> {
  const messages: string[] = [];
  const note = (message: string): void => void messages.push(message);
  const logger = {
    log: (_level: string, message: string) => note(message),
    trace() {},
    debug() {},
    info: note,
    warn: note,
    error: note,
  };
  const { code } = await bundleWorkflowCode({ workflowsPath, logger }).catch((error: unknown) => {
    throw new Error(['The workflows cannot be bundled.', ...messages].join('\n'), { cause: error });
  });
  await mkdir(path.dirname(out), { recursive: true });
  const partial = `${out}.${process.pid}`;
  try {
    await writeFile(partial, code);
    await rename(partial, out);
  } finally {
    await rm(partial, { force: true });
  }
}
