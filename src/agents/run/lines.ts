/**
 * Bytes to lines with bounded memory: 200 MB of output, or one line without an end, must not take the worker down.
 */
const NEWLINE = 10;
/** Longer lines are cut. */
export const LINE_LIMIT_BYTES = 4 * 1024 * 1024;
/** What is passed on of a line that was cut. */
export const LINE_HEAD_BYTES = 64 * 1024;

export interface LineSplitter {
  /** Takes what it needs; the buffer may be reused afterwards. */
  push(chunk: Buffer): void;
  /** Passes on a last line without a newline. */
  end(): void;
}

export function createLineSplitter(onLine: (line: string) => void): LineSplitter {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let isCut = false;

  function keep(part: Buffer): void {
    if (isCut || part.length === 0) return;
    pending.push(Buffer.from(part));
    pendingBytes += part.length;
    if (pendingBytes <= LINE_LIMIT_BYTES) return;
    pending = [Buffer.from(Buffer.concat(pending).subarray(0, LINE_HEAD_BYTES))];
    isCut = true;
  }

  function emitPending(): void {
    const line = Buffer.concat(pending).toString('utf8');
    pending = [];
    pendingBytes = 0;
    isCut = false;
    onLine(line);
  }

  return {
    push(chunk) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        if (pending.length === 0) {
          onLine(chunk.toString('utf8', start, end));
        } else {
          keep(chunk.subarray(start, end));
          emitPending();
        }
        start = end + 1;
      }
      keep(chunk.subarray(start));
    },
    end() {
      if (pending.length > 0) emitPending();
    },
  };
}
