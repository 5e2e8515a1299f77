/** Puts what a run left in its tree on the forge: idempotent by run id, repeated until done, holds no slot. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { artifactsDirectory, neutraliseText } from '../src/domain/names.ts';
import { saveWork as saveTree } from '../src/git/save-work.ts';
import { requireProject, runDirectory } from './deps.ts';
import type { Deps } from './deps.ts';
import { whileBeating } from './heartbeat.ts';
import { forgetUnsaved } from './unsaved-note.ts';
import type { SaveInput, SaveOutcome } from './types.ts';

export async function saveWork(deps: Deps, input: SaveInput): Promise<SaveOutcome> {
  const config = deps.config();
  const project = requireProject(deps, input.project);
  const { repo } = await deps.openProject(project);
  const directory = artifactsDirectory(project.artifacts.directory, input.itemId);
  const runDir = runDirectory(config.home, input.itemId, input.runId);
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  return await whileBeating(
    () => ({ runDir }),
    async (signal) => {
      const saved = await saveTree({
        repo,
        home: config.home,
        itemId: input.itemId,
        branch: input.branch,
        base: input.base,
        runId: input.runId,
        message: neutraliseText(`${input.itemId}: ${input.stage} by the ${input.role}`),
        allowedPaths: input.role === 'developer' ? null : [directory, ...project.extraPaths],
        interrupted: input.interrupted,
        detached: input.detached,
        artifactsDirectory: directory,
        patchPath: path.join(runDir, 'outside.patch'),
        signal,
      });
      await forgetUnsaved(config.home, input.itemId, input.runId);
      switch (saved.result) {
        case 'superseded':
          return { result: 'superseded' };
        case 'conflict':
          return { result: 'conflict', files: saved.conflicts };
        default:
          return {
            result: 'saved',
            head: saved.head,
            artifacts: saved.artifacts,
            outside: saved.outside.slice(0, 200),
            refused: saved.refused.slice(0, 200),
          };
      }
    },
  );
}
