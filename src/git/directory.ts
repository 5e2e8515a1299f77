/**
 * Removing directories that strangers have written in: links are removed, never followed, and directories without
 * permissions do not stop it.
 */
import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { errnoOf } from '../errors.ts';

/** Removes a directory, or a link or file that stands in its place. Missing is fine. */
export async function removeDirectory(directory: string): Promise<void> {
  const full = path.resolve(directory);
  if (full.split(path.sep).length < 3) throw new Error('refusing to remove a top-level directory');
  try {
    await rm(full, { recursive: true, force: true });
  } catch (error) {
    if (errnoOf(error) !== 'EACCES' && errnoOf(error) !== 'EPERM' && errnoOf(error) !== 'ENOTEMPTY') throw error;
    await openUp(full);
    await rm(full, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** True for a real directory; a link to one is not. */
export async function isRealDirectory(directory: string): Promise<boolean> {
  return lstat(directory).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Makes every directory below writable for us, as package caches are often not. */
async function openUp(directory: string): Promise<void> {
  if (!(await isRealDirectory(directory))) return;
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await openUp(path.join(directory, entry.name));
  }
}
