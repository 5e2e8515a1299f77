/** People's comments since a question was asked, joined: the answer. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseCommand } from '../src/domain/commands.ts';
import type { Deps } from './deps.ts';
import type { ItemRef } from './types.ts';

/** What the prompt takes; the whole text goes into a file. */
const PROMPT_LIMIT = 500;

export async function collectAnswers(
  deps: Deps,
  input: ItemRef & { sinceMs: number },
): Promise<{ text: string; by: string[]; path: string | null }> {
  const comments = await deps.tracker.listComments(input.itemId, input.sinceMs);
  const answers = comments.filter(
    (comment) => comment.externalId === undefined && !comment.edited && parseCommand(comment.body) === null,
  );
  const text = answers.map((comment) => comment.body.trim()).join('\n\n');
  const by = [...new Set(answers.map((comment) => comment.by))];
  if (text.length <= PROMPT_LIMIT) return { text, by, path: null };
  const directory = path.join(deps.config().home, 'items', input.itemId, 'answers');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, `${input.sinceMs}.md`);
  await writeFile(file, text, { mode: 0o600 });
  return { text: text.slice(0, PROMPT_LIMIT), by, path: file };
}
