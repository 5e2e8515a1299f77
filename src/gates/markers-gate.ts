/**
 * Regression markers of a candidate, before it lands: main's marker file and the candidate's own are both read from
 * their commits, and every marked string must be in its file at the candidate.
 */
import { checkMarkers, parseMarkers } from '../domain/markers.ts';
import type { MarkerProblem } from '../domain/markers.ts';
import { readFileAt, readFilesAt } from '../git/read.ts';
import type { FileAt } from '../git/read.ts';
import type { Repository } from '../git/repository.ts';

/** A marked file may be larger than an artifact, bytes. */
const MAX_MARKED_BYTES = 16 * 1024 * 1024;

/**
 * What the candidate would lose; empty = nothing. Only the owner's item may remove its line. Throws where main has a
 * marker file that cannot be read: passing it over would drop every marker.
 */
export async function checkMarkersAt(request: {
  repo: Repository;
  mainCommit: string;
  candidate: string;
  itemId: string;
  /** Path in the repository. */
  markersFile: string;
}): Promise<MarkerProblem[]> {
  const { repo, mainCommit, candidate, itemId, markersFile } = request;
  const [onMain, onCandidate] = await Promise.all([
    readFileAt(repo, mainCommit, markersFile),
    readFileAt(repo, candidate, markersFile),
  ]);
  if (onMain.kind === 'refused') throw new Error(`the marker file of the base branch cannot be read: ${onMain.reason}`);
  const mainMarkers = parseMarkers(textOf(onMain)).markers;
  const candidateMarkers = parseMarkers(textOf(onCandidate)).markers;
  const files = [...new Set([...mainMarkers, ...candidateMarkers].map(({ file }) => file))];
  const contents = files.length === 0 ? [] : await readFilesAt(repo, candidate, files, { maxBytes: MAX_MARKED_BYTES });
  const texts = new Map(files.map((file, at) => [file, textOf(contents[at])]));
  return checkMarkers({
    mainMarkers,
    candidateMarkers,
    itemId,
    contains: (file, string) => texts.get(file)?.includes(string) ?? false,
  });
}

function textOf(file: FileAt | undefined): string {
  return file?.kind === 'file' ? file.text : '';
}
