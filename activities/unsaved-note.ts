/**
 * A note beside the tree: whose work it holds that is not on the forge yet. Written before a launch, removed once saved.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { itemPaths } from '../src/git/layout.ts';
import type { RunInput, SaveInput } from './types.ts';

function noteFile(home: string, itemId: string): string {
  return path.join(itemPaths(home, itemId).root, 'unsaved.json');
}

/** Notes whose work the tree is about to hold. */
export async function noteUnsaved(home: string, input: RunInput): Promise<void> {
  const { itemId, project, runId, stage, role, branch, commit, detached } = input;
  const note: SaveInput = { itemId, project, runId, stage, role, branch, base: commit, detached, interrupted: true };
  await writeFile(noteFile(home, itemId), JSON.stringify(note), { mode: 0o600 });
}

/** Forgets the note once the run's work is saved. */
export async function forgetUnsaved(home: string, itemId: string, runId: string): Promise<void> {
  const note = await readNote(home, itemId);
  if (note?.runId === runId) await rm(noteFile(home, itemId), { force: true });
}

/** Null where everything is saved. */
export async function readNote(home: string, itemId: string): Promise<SaveInput | null> {
  try {
    return JSON.parse(await readFile(noteFile(home, itemId), 'utf8')) as SaveInput;
  } catch {
    // Missing, or cut short by a full disk: then there is nothing that could be saved by it.
    return null;
  }
}
