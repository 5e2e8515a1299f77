/** Small JSON files, written whole or not at all, read as data of unknown shape. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { errnoOf } from '../../errors.ts';

/** Replaces the file atomically. */
export async function writeJson(file: string, value: unknown): Promise<void> {
  const temporary = await writeAside(file, value);
  await rename(temporary, file);
}

/** Creates the file if and only if it is not there; false: somebody else was first. */
export async function createJson(file: string, value: unknown): Promise<boolean> {
  const temporary = await writeAside(file, value);
  try {
    await link(temporary, file);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The parsed file; null where it is missing or no JSON: one bad record never stops the rest. */
export async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Names of the `.json` files of a directory; none where it is missing. */
export async function listJson(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => name.endsWith('.json'));
}

async function writeAside(file: string, value: unknown): Promise<string> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${randomUUID()}.new`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return temporary;
}
