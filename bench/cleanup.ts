/** What must be taken down whatever happens, Ctrl-C included: no bench leaves a process or a directory behind. */

type Undo = () => Promise<void>;
const pending: Undo[] = [];

/** Runs `use`, then `undo`: at its end, at its failure, or when the program is interrupted. */
export async function withCleanup<T>(undo: Undo, use: () => Promise<T>): Promise<T> {
  pending.push(undo);
  try {
    return await use();
  } finally {
    const at = pending.indexOf(undo);
    if (at >= 0) {
      pending.splice(at, 1);
      await undo();
    }
  }
}

/** Takes everything down, the last thing that came up first. */
export async function cleanUp(): Promise<void> {
  for (let undo = pending.pop(); undo !== undefined; undo = pending.pop()) await undo().catch(() => undefined);
}
