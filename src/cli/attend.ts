/** Who answers when an item waits for a person: whoever sits at the terminal, or nobody, who is told the exact command. */
import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline/promises';
import path from 'node:path';
import type { DecisionCommand, WorkItemStatus } from '../domain/protocol.ts';
import { messageOf } from '../errors.ts';
import type { ItemClient } from '../server/items.ts';
import { decide } from './decide.ts';
import type { Attendant } from './follow.ts';
import type { Output } from './output.ts';
import { plain } from './output.ts';
import { renderWaiting, treeOf } from './render-item.ts';

export interface AttendOptions {
  client: ItemClient;
  home: string;
  env: NodeJS.ProcessEnv;
  output: Output;
}

/** Asks the person at the terminal. An empty line leaves the request open. */
export function createTerminalAttendant(options: AttendOptions & { stdin: Readable }): Attendant {
  const { output, stdin } = options;
  return {
    async attend(status, signal) {
      showRequest(options, status);
      const prompt = createInterface({ input: stdin, output: process.stdout });
      // Ctrl-C belongs to the program as a whole, which ends cleanly.
      prompt.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
      try {
        for (;;) {
          const typed = (await prompt.question(output.colors.bold(questionFor(status)), { signal })).trim();
          const decision = readDecision(status, typed);
          if (decision === null) {
            if (typed !== '') output.line('  that is none of the answers');
            continue;
          }
          if (await carryOut(options, status, decision)) return;
        }
      } finally {
        prompt.close();
      }
    },
  };
}

async function carryOut(options: AttendOptions, status: WorkItemStatus, decision: Decision): Promise<boolean> {
  const { client, home, env, output } = options;
  try {
    const { result } = await decide({ client, home, env, itemId: status.itemId, ...decision });
    output.line(`  ${result.message}`);
    return true;
  } catch (error) {
    output.line(output.colors.red(`  ${messageOf(error)}`));
    return false;
  }
}

interface Decision {
  command: DecisionCommand;
  text?: string;
}

function questionFor({ waiting }: WorkItemStatus): string {
  if (waiting?.kind === 'answer') return 'your answer: ';
  if (waiting?.kind === 'approval') return 'approve? [y, or: n REASON] ';
  return 'retry, recheck, reject REASON or skip? ';
}

/** What was typed as a decision; null where it is none. Exported for its test. */
export function readDecision({ waiting }: WorkItemStatus, typed: string): Decision | null {
  const [word = '', ...rest] = typed.split(/\s+/);
  const text = rest.join(' ');
  if (typed === '') return null;
  if (waiting?.kind === 'answer') return { command: 'answer', text: typed };
  if (waiting?.kind === 'approval') {
    if (/^(y|yes|approve|ok)$/i.test(word) && text === '') return { command: 'approve' };
    if (/^(n|no|reject)$/i.test(word) && text !== '') return { command: 'reject', text };
    return null;
  }
  const command = (['retry', 'recheck', 'skip'] as const).find((known) => known === word.toLowerCase());
  if (command !== undefined && text === '') return { command };
  return /^reject$/i.test(word) && text !== '' ? { command: 'reject', text } : null;
}

/** Says what is asked and the command that answers it, and leaves it at that. */
export function createHintAttendant(options: AttendOptions & { program: string }): Attendant {
  return {
    async attend(status) {
      const { output, program } = options;
      const waiting = status.waiting;
      if (waiting?.kind === 'answer')
        for (const line of plain(waiting.reason).trim().split('\n')) output.progress(`  ${line}`);
      for (const file of waiting?.files ?? [])
        output.progress(`  ${path.join(treeOf(options.home, status.itemId), file)}`);
      output.progress(`  to go on: ${commandFor(status, program)}`);
    },
  };
}

/** The command that answers what the item asks for. */
export function commandFor({ itemId, waiting }: WorkItemStatus, program: string): string {
  if (waiting?.kind === 'answer') return `${program} answer ${itemId} "…"`;
  if (waiting?.kind === 'approval') return `${program} approve ${itemId}   (or: ${program} reject ${itemId} "why")`;
  return waiting?.next?.replace(/^stagewright\b/, program) ?? `${program} retry ${itemId}`;
}

function showRequest({ output, home }: AttendOptions, status: WorkItemStatus): void {
  output.line();
  for (const line of renderWaiting({ ...status, waiting: withoutNext(status) }, output.colors, Date.now()))
    output.line(line);
  if ((status.waiting?.files ?? []).length > 0) output.line(output.colors.dim(`  in ${treeOf(home, status.itemId)}`));
}

/** The prompt itself is the next step. */
function withoutNext({ waiting }: WorkItemStatus): WorkItemStatus['waiting'] {
  if (waiting === null) return null;
  const { next: _next, ...rest } = waiting;
  return rest;
}
