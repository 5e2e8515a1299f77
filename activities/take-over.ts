/** Fences off a run that may still be alive on a host that is gone: its next push is refused, and finds out why. */
import { pushTakeover } from '../src/git/takeover.ts';
import { requireProject } from './deps.ts';
import type { Deps } from './deps.ts';
import type { ItemRef } from './types.ts';

export async function takeOver(
  deps: Deps,
  input: ItemRef & { branch: string; runId: string },
): Promise<{ head: string }> {
  const { repo } = await deps.openProject(requireProject(deps, input.project));
  const head = await pushTakeover({ repo, branch: input.branch, itemId: input.itemId, runId: input.runId });
  return { head };
}
