/** Text given as words of the command line, or from stdin where it is a single `-`. */
import type { Readable } from 'node:stream';
import { StagewrightError } from '../errors.ts';

const LIMIT_BYTES = 256 * 1024;

/** Throws `usage` where there is no text. */
export async function readText(words: readonly string[], stdin: Readable): Promise<string> {
  const text = (words.length === 1 && words[0] === '-' ? await readAll(stdin) : words.join(' ')).trim();
  if (text !== '') return text;
  throw new StagewrightError('usage', 'the text is empty', {
    exit: 'usage',
    mend: 'put it in quotes, or pipe it in with -',
  });
}

async function readAll(stdin: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  // Whole characters: a chunk may end inside one.
  stdin.setEncoding('utf8');
  let bytes = 0;
  for await (const chunk of stdin) {
    const piece = Buffer.from(String(chunk));
    bytes += piece.length;
    if (bytes > LIMIT_BYTES)
      throw new StagewrightError('usage', `the text is longer than ${LIMIT_BYTES} bytes`, { exit: 'usage' });
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString('utf8');
}
