/**
 * Pull requests of the local forge, one numbered file each. Numbers have no gaps, and a file is created only if its
 * number is free: whoever creates number n has therefore seen all before it, and two at once do not make two.
 */
import path from 'node:path';
import * as z from 'zod';
import { createJson, listJson, readJson, writeJson } from './files.ts';

const PullRecord = z.object({
  number: z.number().int().positive(),
  title: z.string(),
  body: z.string(),
  branch: z.string(),
  base: z.string(),
  /** Last known head: the branch's own commit counts while it is open. */
  head: z.string(),
  state: z.enum(['open', 'merged', 'closed']),
  createdAt: z.string(),
  landed: z.object({ base: z.string(), head: z.string() }).nullable(),
  comments: z.array(z.object({ at: z.string(), text: z.string() })),
});
export type PullRecord = z.infer<typeof PullRecord>;

const TRIES = 100;

/** The open pull request of a branch, else a new one. */
export async function ensurePull(
  directory: string,
  request: { branch: string; base: string; title: string; body: string; head: string },
): Promise<PullRecord> {
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const numbers = await listNumbers(directory);
    for (const number of numbers) {
      const pull = await readPull(directory, number);
      if (pull?.state === 'open' && pull.branch === request.branch && pull.base === request.base) return pull;
    }
    const number = (numbers.at(-1) ?? 0) + 1;
    const pull: PullRecord = {
      ...request,
      number,
      state: 'open',
      createdAt: new Date().toISOString(),
      landed: null,
      comments: [],
    };
    if (await createJson(fileOf(directory, number), pull)) return pull;
  }
  throw new Error('pull requests are created faster than they can be counted');
}

/** One pull request; null where there is none or its file is unreadable. */
export async function readPull(directory: string, number: number): Promise<PullRecord | null> {
  const parsed = PullRecord.safeParse(await readJson(fileOf(directory, number)));
  return parsed.success ? parsed.data : null;
}

export async function writePull(directory: string, pull: PullRecord): Promise<void> {
  await writeJson(fileOf(directory, pull.number), pull);
}

/** The number in a pull request's id, or null for what is no id of ours. */
export function numberOf(id: string): number | null {
  return /^[1-9]\d{0,8}$/.test(id) ? Number(id) : null;
}

async function listNumbers(directory: string): Promise<number[]> {
  return (await listJson(directory))
    .map((name) => numberOf(name.slice(0, -'.json'.length)))
    .filter((number) => number !== null)
    .toSorted((a, b) => a - b);
}

function fileOf(directory: string, number: number): string {
  return path.join(directory, `${number}.json`);
}
