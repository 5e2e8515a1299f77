/**
 * What a command says: text for people, or with --json exactly one JSON document on stdout. Colours only on a terminal
 * that wants them; progress and errors go to stderr wherever stdout must stay clean.
 */
import picocolors from 'picocolors';

export type Colors = ReturnType<typeof picocolors.createColors>;

export interface OutputStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface Output {
  readonly json: boolean;
  /** stdout is a terminal that can be redrawn. */
  readonly live: boolean;
  readonly columns: number;
  readonly colors: Colors;
  /** A line for people; nothing with --json. */
  line(text?: string): void;
  /** A line about what is going on; on stderr with --json. */
  progress(text: string): void;
  /** The command's result: the document with --json, else its lines. */
  result(document: unknown, lines: () => readonly string[]): void;
  /** Unterminated text straight to stdout, for redrawing. */
  raw(text: string): void;
  /** Called before any other text is written, so that a redrawn picture can make room; null takes it back. */
  setPicture(makeRoom: (() => void) | null): void;
}

export interface OutputOptions {
  json: boolean;
  /** False after --no-color. */
  color: boolean;
  env: NodeJS.ProcessEnv;
  stdout: OutputStream;
  stderr: OutputStream;
}

export function createOutput(options: OutputOptions): Output {
  const { json, stdout, stderr } = options;
  const terminal = stdout.isTTY === true && !json;
  let makeRoom: (() => void) | null = null;
  const write = (stream: OutputStream, text: string): void => {
    makeRoom?.();
    stream.write(`${text}\n`);
  };
  return {
    json,
    live: terminal && options.env['TERM'] !== 'dumb',
    get columns() {
      // 0 is what a terminal says that does not know; it may also have been resized since.
      return Math.max(40, stdout.columns || 100);
    },
    colors: picocolors.createColors(terminal && wantsColor(options)),
    line: (text = '') => {
      if (!json) write(stdout, text);
    },
    progress: (text) => write(json ? stderr : stdout, text),
    result: (document, lines) => {
      if (json) write(stdout, JSON.stringify(document, null, 2));
      else for (const text of lines()) write(stdout, text);
    },
    raw: (text) => {
      stdout.write(text);
    },
    setPicture: (hook) => {
      makeRoom = hook;
    },
  };
}

/** NO_COLOR set to anything but nothing turns colours off, as no-color.org has it. */
function wantsColor({ color, env }: OutputOptions): boolean {
  return color && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

// oxlint-disable-next-line no-control-regex -- control characters are what must go
const CONTROL = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g;

/** Text that others wrote (titles, agents' words), so that it cannot move the cursor or recolour the terminal. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- escape sequences are what must go
  return text.replace(/\u001B\[[0-9;?]*[ -/]*[@-~]/g, '').replace(CONTROL, '');
}

/** The first line of a text, cut to `width` characters. */
export function oneLine(text: string, width = 160): string {
  const line = plain(text).trim().split('\n')[0]?.replace(/\s+/g, ' ') ?? '';
  return line.length > width ? `${line.slice(0, Math.max(0, width - 1))}…` : line;
}
