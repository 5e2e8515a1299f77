/** One run of the command line: parse, act, show what went wrong once, close what was opened. */
import type { CliIo } from './context.ts';
import { EXIT_INTERRUPTED, reportFailure } from './failures.ts';
import { Interrupted } from './foreground.ts';
import { buildProgram } from './program.ts';

/** `args`: what follows the command's name. Returns the exit code; never throws. */
export async function runCli(io: CliIo, args: readonly string[]): Promise<number> {
  const { program, context } = buildProgram(io);
  try {
    // No command at all is a question, not an error.
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof Interrupted) return EXIT_INTERRUPTED;
    return reportFailure(error, { json: args.includes('--json'), stdout: io.stdout, stderr: io.stderr });
  } finally {
    await context.close();
  }
}
