#!/usr/bin/env node
/** Entry of the `stagewright` command; ends with a documented exit code. */
import { runCli } from './run.ts';

/** Something may still hold the event loop after everything was closed; nobody should have to wait for it. */
const LINGER_MS = 2_000;

// A reader that has seen enough (`| head`) is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const { env, stdin, stdout, stderr } = process;
process.exitCode = await runCli({ env, cwd: process.cwd(), stdin, stdout, stderr }, process.argv.slice(2));
setTimeout(() => process.exit(), LINGER_MS).unref();
