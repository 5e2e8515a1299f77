/** What every command works with: options of the whole program, configuration, output, and a client opened at most once. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { findConfigFile, loadConfig } from '../config.ts';
import type { Config } from '../config-types.ts';
import { packageRoot } from '../paths.ts';
import { connectClient } from './connect.ts';
import type { OpenClient } from './connect.ts';
import { createOutput } from './output.ts';
import type { Output, OutputStream } from './output.ts';

export interface CliIo {
  env: NodeJS.ProcessEnv;
  cwd: string;
  stdin: Readable & { isTTY?: boolean };
  stdout: OutputStream;
  stderr: OutputStream;
}

export interface ProgramOptions {
  json?: boolean;
  color?: boolean;
  config?: string;
}

export interface Context extends CliIo {
  readonly output: Output;
  /** A person sits there: stdin and stdout are a terminal, and no JSON is wanted. */
  readonly interactive: boolean;
  /** How this command is called, for hints. */
  readonly program: string;
  /** What the process ends with where nothing is thrown. */
  exitCode: number;
  /** Reads the configuration; `check: false` for commands that only ask (no look at repositories). */
  loadConfig(options?: { check?: boolean }): Config;
  /** The running instance's client, opened once and closed at the end of the command. */
  openClient(): Promise<OpenClient>;
  close(): Promise<void>;
}

export function createContext(io: CliIo, program: Command): Context {
  let opened: Promise<OpenClient> | null = null;
  let output: Output | null = null;
  const options = (): ProgramOptions => program.opts<ProgramOptions>();
  const context: Context = {
    ...io,
    get output() {
      const { json = false, color = true } = options();
      output ??= createOutput({ json, color, env: io.env, stdout: io.stdout, stderr: io.stderr });
      return output;
    },
    get interactive() {
      return io.stdin.isTTY === true && io.stdout.isTTY === true && options().json !== true;
    },
    exitCode: 0,
    program: programName(process.argv[1] ?? '', io.cwd),
    loadConfig: ({ check = true } = {}) => {
      const file = options().config;
      loadEnvironmentFile(findConfigFile({ file, env: io.env, cwd: io.cwd }), io.cwd);
      return loadConfig({ file, env: io.env, cwd: io.cwd, check });
    },
    openClient: () => {
      opened ??= connectClient(context.loadConfig({ check: false }).home);
      return opened;
    },
    close: async () => {
      const client = await opened?.catch(() => null);
      await client?.close();
    },
  };
  return context;
}

/**
 * `.env` beside the configuration file (or in this package's own checkout); variables that are set already stay. Never
 * one of any other directory: that would be some project's, with secrets that are none of our business.
 */
function loadEnvironmentFile(configFile: string | null, cwd: string): void {
  const directory = configFile === null ? (cwd === packageRoot ? cwd : null) : path.dirname(configFile);
  if (directory === null) return;
  const file = path.join(directory, '.env');
  if (existsSync(file)) process.loadEnvFile(file);
}

/** `stagewright` where it is installed, else the way it was called. */
function programName(script: string, cwd: string): string {
  if (path.basename(script) === 'stagewright' || script.includes('node_modules')) return 'stagewright';
  const relative = path.relative(cwd, script);
  return `node ${relative.startsWith('..') ? script : relative}`;
}
