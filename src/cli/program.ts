/** The command line as a whole: options of every command, the commands, and what --help says. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../paths.ts';
import { addControls } from './commands/controls.ts';
import { addDecisions } from './commands/decisions.ts';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addLogs } from './commands/logs.ts';
import { addQueue } from './commands/queue.ts';
import { addHttp, addStart, addWorker } from './commands/start.ts';
import { addShow, addStatus } from './commands/status.ts';
import { addSubmit } from './commands/submit.ts';
import { createContext } from './context.ts';
import type { CliIo, Context } from './context.ts';
import { EXIT_CODE_HELP } from './failures.ts';

export function buildProgram(io: CliIo): { program: Command; context: Context } {
  const program = new Command('stagewright')
    .description('carries work items from a ticket to a green merge, with coding agents, on Temporal')
    .version(readVersion())
    .option('--json', 'print one JSON document')
    .option('--config <file>', 'configuration file (default: ./stagewright.yaml)')
    .option('--no-color', 'no colours (also: NO_COLOR)')
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXIT_CODE_HELP)
    // Errors are shown once, by whoever ends the program, in one form.
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: () => undefined,
      outputError: () => undefined,
    })
    .exitOverride();
  const context = createContext(io, program);
  const groups: [heading: string, add: ((program: Command, context: Context) => void)[]][] = [
    ['Bring up:', [addStart, addWorker, addHttp, addDemo]],
    ['Work items:', [addSubmit, addStatus, addShow, addLogs]],
    ['Decide:', [addDecisions, addControls]],
    ['Look after:', [addQueue, addDoctor]],
  ];
  for (const [heading, adders] of groups) {
    program.commandsGroup(heading);
    for (const add of adders) add(program, context);
  }
  return { program, context };
}

function readVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : '0';
}
