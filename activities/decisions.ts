/**
 * Reads the evidence of a person's command again before it takes effect: the person's token against its hash, the
 * person's right to decide, and what they were shown against what is there now.
 */
import { blobsAt } from '../src/git/read.ts';
import { fetchRepository, remoteHead } from '../src/git/repository.ts';
import { verifyEvidence } from '../src/people/evidence.ts';
import { CONTROL_COMMANDS } from '../src/domain/protocol.ts';
import type { Evidence } from '../src/domain/protocol.ts';
import { requireProject } from './deps.ts';
import type { Deps } from './deps.ts';
import type { DecisionCheck, DecisionVerdict } from './types.ts';

const CONTROLS: ReadonlySet<string> = new Set(CONTROL_COMMANDS);
const UNVERIFIED = 'operator (unverified)';
/** A decision signed before that was not given for what is asked now. */
const DECISION_AGE_MS = 24 * 3_600_000;
/** A pause, resume or cancel is kept while no worker is up, and holds whenever one comes. */
const CONTROL_AGE_MS = 90 * 24 * 3_600_000;

export async function checkDecision(deps: Deps, input: DecisionCheck): Promise<DecisionVerdict> {
  const person = identify(deps, input);
  if (person.result === 'refused') return person;
  if (input.branch === null) return { result: 'allowed', by: person.by, head: null };
  const { repo } = await deps.openProject(requireProject(deps, input.project));
  await fetchRepository(repo);
  const head = await remoteHead(repo, input.branch);
  if (head === null) return refuse(person.by, `branch ${input.branch} is not on the forge any more`);
  if (input.blobs !== null) {
    const paths = Object.keys(input.blobs);
    const now = await blobsAt(repo, head, paths);
    const changed = paths.filter((file) => now[file] !== input.blobs?.[file]);
    if (changed.length > 0) return refuse(person.by, `changed since it was shown: ${changed.join(', ')}`);
  }
  return { result: 'allowed', by: person.by, head };
}

function identify(deps: Deps, input: DecisionCheck): DecisionVerdict {
  const config = deps.config();
  const evidence: Evidence = input.evidence ?? { kind: 'operator' };
  switch (evidence.kind) {
    case 'operator':
      return config.allowUnverifiedOperator
        ? { result: 'allowed', by: UNVERIFIED, head: null }
        : refuse(UNVERIFIED, 'commands without a person are switched off here: use the stagewright command');
    case 'token': {
      const verified = verifyEvidence({
        evidence,
        people: config.people,
        itemId: input.itemId,
        command: input.command,
        stage: input.stage,
        commit: input.shownCommit,
        text: input.text,
        nowMs: Date.now(),
        maxAgeMs: CONTROLS.has(input.command) ? CONTROL_AGE_MS : DECISION_AGE_MS,
      });
      if (!verified.ok) return refuse(evidence.person, verified.reason);
      if (!verified.approver && input.command !== 'answer') {
        return refuse(verified.person, `${verified.person} is not a configured approver`);
      }
      return { result: 'allowed', by: verified.person, head: null };
    }
    case 'comment':
      return refuse(evidence.person, 'comments are no evidence on this board');
    default:
      return evidence satisfies never;
  }
}

function refuse(by: string, reason: string): DecisionVerdict {
  return { result: 'refused', by, reason };
}
