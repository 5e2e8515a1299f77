/**
 * Keeps the cache's object store to few files: the agent's fresh `.git` is a copy of it, made before every run. Nothing
 * is ever pruned, so a commit that only a run knows about stays.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { git } from './git.ts';
import type { Repository } from './repository.ts';

/** Above this many files in the object store they are packed together: 15 ms while an agent works, against that many
 * copies while one is waited for. */
const MAX_OBJECT_FILES = 24;
const resting = new Map<string, number>();
const atWork = new Map<string, Promise<void>>();

/**
 * Packs loose objects and small packs when there are many; one at a time per cache and process. Never fails: a crowded
 * store is only slower. To be called where nobody waits for it.
 */
export async function maintainRepository(repo: Repository): Promise<void> {
  const work = atWork.get(repo.gitDir) ?? pack(repo).catch(() => undefined);
  atWork.set(repo.gitDir, work);
  await work;
  atWork.delete(repo.gitDir);
}

async function pack(repo: Repository): Promise<void> {
  const limit = Math.max(MAX_OBJECT_FILES, 2 * (resting.get(repo.gitDir) ?? 0));
  if ((await countObjectFiles(repo)) <= limit) return;
  await git(['repack', '-d', '--geometric=2', '--quiet'], { gitDir: repo.gitDir }).catch(() => undefined);
  resting.set(repo.gitDir, await countObjectFiles(repo));
}

/** Files in the object store, packs and loose objects alike. */
export async function countObjectFiles(repo: Repository): Promise<number> {
  const objects = path.join(repo.gitDir, 'objects');
  const folders = (await readdir(objects)).filter((name) => name === 'pack' || /^[0-9a-f]{2}$/.test(name));
  const counts = await Promise.all(
    folders.map(async (name) => (await readdir(path.join(objects, name)).catch(() => [])).length),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
