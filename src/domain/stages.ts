/**
 * The pipeline as one table: what the answer of a stage's gate means for the way on. Pure, so that every row can be
 * tested without Temporal; the workflow only carries it out. Where a row is silent the item parks in attention: no
 * answer may end or fail a work item.
 */
import { AGENT_STAGES, STAGES } from './types.ts';
import type { AgentStage, Stage } from './types.ts';

/**
 * What leaving a stage came to:
 * - `ok`: the gate is satisfied
 * - `questions`, `conflict`: the gate said no and the run that just ended wrote a fresh questions or conflict file
 * - `missing`: an artifact or verdict is missing or unreadable, the role's own failure
 * - `refused`: the verdict says no
 * - `red`: tests completed and failed, here or in the merge gate
 * - `mergeConflict`: the candidate cannot be made
 * - `infrastructure`: says nothing about the code
 * - `pending`: not known yet
 */
export const ANSWERS = [
  'ok',
  'questions',
  'conflict',
  'missing',
  'refused',
  'red',
  'mergeConflict',
  'infrastructure',
  'pending',
] as const;
export type Answer = (typeof ANSWERS)[number];

export type Move =
  /** On to the next stage of the project's set. */
  | { kind: 'advance' }
  /** Ask a person to approve; then advance. */
  | { kind: 'approve' }
  /** Hand over to the merge queue; then advance. */
  | { kind: 'merge' }
  /** Put the questions on the board, wait for the answer, run again with it. */
  | { kind: 'ask' }
  /** Back to an earlier stage (or the same one) with the reason. Every return to development is counted. */
  | { kind: 'return'; to: AgentStage }
  /** The same role again, within its permanent tries, told what is missing. */
  | { kind: 'again' }
  /** Ask the gate again after a while, bounded; nobody is sent back. */
  | { kind: 'wait' }
  /** A person is needed. */
  | { kind: 'attention' };

const BACK_TO_DEVELOPMENT: Move = { kind: 'return', to: 'development' };

const TABLE: Record<AgentStage, Partial<Record<Answer, Move>>> = {
  analysis: { ok: { kind: 'approve' }, questions: { kind: 'ask' }, missing: { kind: 'again' } },
  architecture: {
    ok: { kind: 'advance' },
    conflict: { kind: 'return', to: 'analysis' },
    missing: { kind: 'again' },
  },
  development: {
    ok: { kind: 'advance' },
    red: BACK_TO_DEVELOPMENT,
    infrastructure: { kind: 'wait' },
    pending: { kind: 'wait' },
  },
  review: { ok: { kind: 'advance' }, refused: BACK_TO_DEVELOPMENT, missing: { kind: 'again' } },
  testing: { ok: { kind: 'advance' }, refused: BACK_TO_DEVELOPMENT, missing: { kind: 'again' } },
  'deploy-staging': {
    ok: { kind: 'merge' },
    missing: { kind: 'again' },
    red: BACK_TO_DEVELOPMENT,
    mergeConflict: BACK_TO_DEVELOPMENT,
  },
  deploy: { ok: { kind: 'advance' }, missing: { kind: 'again' } },
};

/** The way on from `stage` after `answer`; attention where the table has none. */
export function decideMove(stage: AgentStage, answer: Answer): Move {
  return TABLE[stage][answer] ?? { kind: 'attention' };
}

export function isAgentStage(stage: Stage): stage is AgentStage {
  return (AGENT_STAGES as readonly string[]).includes(stage);
}

export function isTerminal(stage: Stage): boolean {
  return stage === 'done' || stage === 'cancelled';
}

/** The stage after this one in a project that leaves `skipped` out. */
export function nextStage(stage: Stage, skipped: readonly AgentStage[]): Stage {
  const order = STAGES.filter((candidate) => !(skipped as readonly Stage[]).includes(candidate));
  const following = order.find((candidate) => STAGES.indexOf(candidate) > STAGES.indexOf(stage));
  return isTerminal(stage) || following === undefined ? stage : following;
}

/** The stage with an agent before this one, for a person's rejection; the first one goes back to itself. */
export function previousStage(stage: AgentStage, skipped: readonly AgentStage[]): AgentStage {
  const before = AGENT_STAGES.filter(
    (candidate) => !skipped.includes(candidate) && AGENT_STAGES.indexOf(candidate) < AGENT_STAGES.indexOf(stage),
  );
  return before.at(-1) ?? stage;
}

/**
 * Where a return ends up in a project that leaves stages out: the target itself, else the nearest stage before it that
 * the project has.
 */
export function resolveReturn(to: AgentStage, skipped: readonly AgentStage[]): AgentStage {
  return skipped.includes(to) ? previousStage(to, skipped) : to;
}

/** May `count` developer attempts be followed by another? The first run and its counted returns all count. */
export function mayAttemptAgain(count: number, maximum: number, granted: number): boolean {
  return count < maximum + granted;
}
