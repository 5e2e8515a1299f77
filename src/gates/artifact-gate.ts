/**
 * The artifact gate of a stage: are its files there, and what does its verdict say. A verdict counts only if this
 * stage's role wrote or changed the file in this entry of the stage: a leftover of last round, or a developer's own
 * review, once passed for an approval.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import type { ArtifactNames } from '../config-types.ts';
import type { AgentStage, GateResult } from '../domain/types.ts';
import { parseVerdict, VERDICT_RULES } from '../domain/verdicts.ts';
import type { VerdictStage } from '../domain/verdicts.ts';
import { isRealDirectory } from '../git/directory.ts';
import { MAX_READ_BYTES, readFileAt } from '../git/read.ts';
import type { FileAt } from '../git/read.ts';
import type { Repository } from '../git/repository.ts';
import { artifactDirectoryOf, readArtifacts } from './artifacts.ts';

export interface ArtifactGateRequest {
  stage: Exclude<AgentStage, 'development'>;
  repo: Repository;
  commit: string;
  itemId: string;
  names: ArtifactNames;
  /** Paths that the runs of this stage's role changed in this entry of the stage, and saved as succeeded. */
  changed: readonly string[];
  /** Read the verdict from this directory of ours instead of the commit (a detached run's artifacts). */
  directory?: string;
}

/** Asks the gate at a commit. Never throws for what an agent wrote; throws GitError where the commit cannot be read. */
export async function evaluateArtifactGate(request: ArtifactGateRequest): Promise<GateResult> {
  switch (request.stage) {
    case 'analysis':
      return askComplete(request);
    case 'architecture':
      return askArchitecture(request);
    default:
      return askVerdict(request, request.stage);
  }
}

async function askComplete(request: ArtifactGateRequest): Promise<GateResult> {
  const expected = request.names.analysis;
  const states = await readArtifacts(request.repo, request.commit, { ...request, expected });
  const missing = states.filter(({ isPresent }) => !isPresent);
  if (missing.length === 0) return answer(request, 'artifacts', 'ok', `complete: ${expected.join(', ')}`);
  return answer(request, 'artifacts', 'missing', missing.map(({ reason }) => reason).join('; '));
}

async function askArchitecture(request: ArtifactGateRequest): Promise<GateResult> {
  const expected = request.names.architecture;
  const states = await readArtifacts(request.repo, request.commit, { ...request, expected });
  const found = states.filter(({ isPresent }) => isPresent).map(({ name }) => name);
  if (found.length > 0) return answer(request, 'artifacts', 'ok', `complete: ${found.join(', ')}`);
  const reasons = states.map(({ reason }) => reason).join('; ');
  return answer(request, 'artifacts', 'missing', `one of these is needed: ${reasons}`);
}

async function askVerdict(request: ArtifactGateRequest, stage: VerdictStage): Promise<GateResult> {
  const name = request.names[REPORT_OF[stage]];
  const filePath = path.posix.join(artifactDirectoryOf(request.names, request.itemId), name);
  const gate = VERDICT_RULES[stage].key;
  if (!request.changed.includes(filePath)) {
    const reason = `${name} was not written or changed by this stage's own run; an older verdict does not count`;
    return answer(request, gate, 'missing', reason);
  }
  const file = await readReport(request, filePath, name);
  if (file.kind === 'absent') return answer(request, gate, 'missing', `${name} is missing`);
  if (file.kind === 'refused') return answer(request, gate, 'missing', file.reason);
  const verdict = parseVerdict(file.text, VERDICT_RULES[stage]);
  switch (verdict.kind) {
    case 'pass':
      return answer(request, gate, 'ok', `${name}: ${verdict.reason}`);
    case 'fail':
      return answer(request, gate, 'refused', `${name}: ${verdict.reason}`);
    case 'unreadable':
      return answer(request, gate, 'missing', `${name}: ${verdict.reason}`);
    default:
      return verdict.kind satisfies never;
  }
}

const REPORT_OF = {
  review: 'review',
  testing: 'testReport',
  'deploy-staging': 'stagingReport',
  deploy: 'deployReport',
} as const satisfies Record<VerdictStage, keyof ArtifactNames>;

async function readReport(request: ArtifactGateRequest, filePath: string, name: string): Promise<FileAt> {
  const { directory, repo, commit } = request;
  return directory === undefined ? readFileAt(repo, commit, filePath) : readPlainFile(directory, name);
}

/** A regular file of a real directory, no link followed, nothing waited for. */
async function readPlainFile(directory: string, name: string): Promise<FileAt> {
  if (!(await isRealDirectory(directory))) return { kind: 'absent' };
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path.join(directory, name), flags).catch(() => null);
  if (handle === null) return { kind: 'absent' };
  try {
    const found = await handle.stat();
    if (!found.isFile()) return { kind: 'refused', reason: `${name} is not a regular file` };
    if (found.size > MAX_READ_BYTES)
      return { kind: 'refused', reason: `${name} is larger than ${MAX_READ_BYTES} bytes` };
    return { kind: 'file', text: await handle.readFile('utf8'), blob: '' };
  } finally {
    await handle.close();
  }
}

function answer(
  request: { commit: string },
  gate: string,
  meaning: 'ok' | 'missing' | 'refused',
  reason: string,
): GateResult {
  return { gate, status: meaning === 'ok' ? 'passed' : 'failed', meaning, commit: request.commit, reason };
}
