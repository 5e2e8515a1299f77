/** Turns whatever was thrown into one error of the catalogue, and shows it; nobody ever sees a stack trace. */
import { CommanderError } from 'commander';
import { ConfigError } from '../config.ts';
import { EXIT_CODES, messageOf, StagewrightError } from '../errors.ts';
import type { OutputStream } from './output.ts';

/** What --help says about exit codes. */
export const EXIT_CODE_HELP = `
Exit codes:
  ${EXIT_CODES.ok}  done
  ${EXIT_CODES.failure}  something went wrong; the message says what
  ${EXIT_CODES.usage}  bad usage: unknown command, option or value
  ${EXIT_CODES.config}  the configuration is wrong; nothing was started
  ${EXIT_CODES.unreachable}  no Temporal server or no worker answers
  ${EXIT_CODES.refused}  refused: wrong stage, unknown approver, moved head
  ${EXIT_CODES.notFound}  no such work item, project or run
  130  ended by Ctrl-C`;

/** Ended by a signal, as shells count it. */
export const EXIT_INTERRUPTED = 130;

/** Shows the error and returns the exit code. */
export function reportFailure(
  error: unknown,
  output: { json: boolean; stdout: OutputStream; stderr: OutputStream },
): number {
  // Help and version end the parser by an error too.
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help'))
    return EXIT_CODES.ok;
  const failure = describeFailure(error);
  if (output.json) {
    const { code, message, mend } = failure;
    const problems = error instanceof ConfigError ? { problems: error.problems } : {};
    output.stdout.write(`${JSON.stringify({ error: { code, message, mend, ...problems } }, null, 2)}\n`);
  } else {
    output.stderr.write(`error: ${failure.message}\n`);
    if (failure.mend !== null) output.stderr.write(`  mend: ${failure.mend}\n`);
  }
  return failure.exitCode;
}

interface Failure {
  code: string;
  message: string;
  mend: string | null;
  exitCode: number;
}

function describeFailure(error: unknown): Failure {
  if (error instanceof StagewrightError) {
    return { code: error.code, message: error.message, mend: error.mend, exitCode: EXIT_CODES[error.exit] };
  }
  if (error instanceof CommanderError) return describeUsage(error);
  return { code: 'unexpected', message: messageOf(error), mend: null, exitCode: EXIT_CODES.failure };
}

function describeUsage(error: CommanderError): Failure {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const nearest = /Did you mean ([^?]+)\?/.exec(rest.join(' '))?.[1];
  return {
    code: 'usage',
    message: first,
    mend: nearest === undefined ? 'see: stagewright --help' : `did you mean ${nearest}?`,
    exitCode: EXIT_CODES.usage,
  };
}
