/**
 * `lease` and `quiet-ok`: counters of which only the change matters, so that no clock is compared with another. Written in
 * place and of fixed length: a full disk does not stop a renewal.
 */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';

const WIDTH = 16;

/** Changes the counter, creating the file where it is missing. False: its directory is gone, or the disk refused. */
export function bumpCounter(file: string): boolean {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
  } catch {
    return false;
  }
  try {
    const buffer = Buffer.alloc(WIDTH);
    const before = Number(buffer.toString('latin1', 0, readSync(fd, buffer, 0, WIDTH, 0)));
    const next = Number.isSafeInteger(before) ? before + 1 : 1;
    writeSync(fd, `${String(next).padStart(WIDTH - 1, '0')}\n`, 0, 'latin1');
    return true;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}
