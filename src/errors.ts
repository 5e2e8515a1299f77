/**
 * One catalogue of errors that people see: a stable code, what happened, and how to mend it. Messages never carry argv,
 * environment or secrets.
 */
export const EXIT_CODES = {
  ok: 0,
  /** Something went wrong that the message explains. */
  failure: 1,
  /** Bad usage: unknown command, option or value. */
  usage: 2,
  /** Configuration is wrong; nothing was started. */
  config: 3,
  /** No Temporal server or no worker answers. */
  unreachable: 4,
  /** The orchestrator refused: wrong stage, unknown approver, moved head. */
  refused: 5,
  /** No such work item, project or run. */
  notFound: 6,
} as const;
export type ExitName = keyof typeof EXIT_CODES;

export class StagewrightError extends Error {
  override readonly name = 'StagewrightError';
  readonly code: string;
  readonly exit: ExitName;
  /** What the reader can do about it, as a sentence or a command. */
  readonly mend: string | null;

  constructor(code: string, message: string, options: { exit?: ExitName; mend?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exit = options.exit ?? 'failure';
    this.mend = options.mend ?? null;
  }
}

/** The `code` of a Node system error (`ENOENT` …), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A message that is safe to show for anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
