/**
 * The two ways in which this tracker writes: a file that must not be there yet, and a file that is replaced whole. Both
 * appear complete or not at all, so that a crash or a full disk leaves no half record behind.
 */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { errnoOf } from '../../errors.ts';

/** File systems without hard links say one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV']);

/** Creates `file` with this content; false where it exists already. `scratch`: a directory on the same file system. */
export async function createFile(scratch: string, file: string, record: unknown): Promise<boolean> {
  const temporary = await writeTemporary(scratch, record);
  try {
    await link(temporary, file);
    return true;
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (code === 'EEXIST') return false;
    if (!NO_LINKS.has(code)) throw error;
    return await createWithoutLink(file, record);
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
}

/** Replaces `file` as a whole; the last writer wins. */
export async function replaceFile(scratch: string, file: string, record: unknown): Promise<void> {
  const temporary = await writeTemporary(scratch, record);
  try {
    await rename(temporary, file);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

/** The parsed JSON of a file; undefined where there is no such file. Throws on anything else, bad JSON included. */
export async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function createWithoutLink(file: string, record: unknown): Promise<boolean> {
  try {
    await writeDurably(file, record);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function writeTemporary(scratch: string, record: unknown): Promise<string> {
  const temporary = path.join(scratch, `.new-${randomUUID()}`);
  try {
    await writeDurably(temporary, record);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  return temporary;
}

async function writeDurably(file: string, record: unknown): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(record, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
