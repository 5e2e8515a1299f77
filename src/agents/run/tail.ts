/** The end of a log, for people: bounded, whole characters, whole lines where there is more than one. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** The last `maxBytes` of a regular file as text; empty if there is none. Never throws. */
export function readTail(file: string, maxBytes: number): string {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return '';
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return '';
    const start = Math.max(0, stats.size - maxBytes);
    const buffer = Buffer.alloc(stats.size - start);
    const bytes = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, start));
    return (start === 0 ? bytes : dropTorn(bytes)).toString('utf8');
  } catch {
    return '';
  } finally {
    closeSync(fd);
  }
}

/** Without the torn first line; without a newline, at least without a torn character. */
function dropTorn(bytes: Buffer): Buffer {
  const newline = bytes.indexOf(10);
  if (newline !== -1 && newline < bytes.length - 1) return bytes.subarray(newline + 1);
  const character = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return bytes.subarray(Math.max(character, 0));
}
