/**
 * Which of the expected artifacts a commit holds. An artifact counts if it is a regular file with something in it; a
 * link, a pipe or an empty file is as good as none.
 */
import path from 'node:path';
import type { ArtifactNames } from '../config-types.ts';
import { listDirAt, readFilesAt } from '../git/read.ts';
import type { Repository } from '../git/repository.ts';

export interface ArtifactState {
  /** As configured, e.g. `01-brd.md` or `06-adr`. */
  name: string;
  /** Path in the repository. */
  path: string;
  isPresent: boolean;
  /** Why not; empty where it is there. */
  reason: string;
}

/** `docs/work-items/<ID>` with the id filled in, no slash at the end. */
export function artifactDirectoryOf(names: ArtifactNames, itemId: string): string {
  return names.directory.replaceAll('<ID>', itemId).replace(/\/+$/, '');
}

/** The state of each expected artifact, in the order given. A directory counts with one non-empty `.md` in it. */
export async function readArtifacts(
  repo: Repository,
  commit: string,
  request: { names: ArtifactNames; itemId: string; expected: readonly string[] },
): Promise<ArtifactState[]> {
  const directory = artifactDirectoryOf(request.names, request.itemId);
  const paths = request.expected.map((name) => path.posix.join(directory, name));
  const files = await readFilesAt(repo, commit, paths);
  const states: ArtifactState[] = [];
  for (const [at, name] of request.expected.entries()) {
    const filePath = paths[at] ?? '';
    const file = files[at];
    let reason = '';
    if (file?.kind === 'absent') reason = `${name} is missing`;
    else if (file?.kind === 'refused') reason = (await isFilledDirectory(repo, commit, filePath)) ? '' : file.reason;
    else if (file?.text.trim() === '') reason = `${name} is empty`;
    states.push({ name, path: filePath, isPresent: reason === '', reason });
  }
  return states;
}

async function isFilledDirectory(repo: Repository, commit: string, directory: string): Promise<boolean> {
  const entries = await listDirAt(repo, commit, directory);
  const names = (entries ?? [])
    .filter(({ name, kind }) => kind === 'file' && name.endsWith('.md'))
    .map(({ name }) => name);
  const files = await readFilesAt(
    repo,
    commit,
    names.map((name) => path.posix.join(directory, name)),
  );
  return files.some((file) => file.kind === 'file' && file.text.trim() !== '');
}
