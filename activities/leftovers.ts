/**
 * The work of a run whose saving never happened: its host was away for longer than the workflow waits. Before another run
 * resets the tree, what is left in it is put on the forge, or, where the branch was taken over, kept aside.
 */
import type { Deps } from './deps.ts';
import { saveWork } from './save-work.ts';
import type { RunInput } from './types.ts';
import { readNote } from './unsaved-note.ts';

/** Saves what an earlier run left; the run that comes now has its own note afterwards. */
export async function saveLeftovers(deps: Deps, input: RunInput): Promise<void> {
  const { home } = deps.config();
  const note = await readNote(home, input.itemId);
  if (note === null || note.runId === input.runId) return;
  const saved = await saveWork(deps, note);
  deps.log('the work of an earlier run was saved late', {
    itemId: input.itemId,
    runId: note.runId,
    result: saved.result,
  });
}
