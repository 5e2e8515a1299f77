#!/usr/bin/env node
/** Entry of the `stagewright` command: runs it, shows what went wrong once, and ends with a documented exit code. */
import { EXIT_INTERRUPTED, reportFailure } from './failures.ts';
import { Interrupted } from './foreground.ts';
import { buildProgram } from './program.ts';

/** Something may still hold the event loop after everything was closed; nobody should have to wait for it. */
const LINGER_MS = 2_000;

// A reader that has seen enough (`| head`) is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const { program, context } = buildProgram({
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});

try {
  // No command at all is a question, not an error.
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync(process.argv);
} catch (error) {
  const json = process.argv.includes('--json');
  process.exitCode =
    error instanceof Interrupted
      ? EXIT_INTERRUPTED
      : reportFailure(error, { json, stdout: process.stdout, stderr: process.stderr });
} finally {
  await context.close();
}
setTimeout(() => process.exit(), LINGER_MS).unref();
