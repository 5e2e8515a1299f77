/** Entering a stage: the one place where `state.stage` changes. The agent of a stage runs *in* that stage. */
import { isAgentStage, nextStage } from '../../src/domain/stages.ts';
import { ROLE_OF } from '../../src/domain/types.ts';
import type { Stage } from '../../src/domain/types.ts';
import { comment, moveOnBoard, setWaiting, showStage } from './item.ts';
import type { Item } from './item.ts';
import { beginEntry, markReturned } from './state.ts';

/** Begins a new entry of `stage`. `reason`: why a stage is entered again, for its prompt and for people. */
export function enterStage(item: Item, stage: Stage, options: { reason?: string; silent?: boolean } = {}): void {
  const { state } = item;
  const from = state.stage;
  beginEntry(state, stage, Date.now());
  if (isAgentStage(stage)) markReturned(state, stage);
  if (stage === 'development' && state.developerAttempts === 0) state.developerAttempts = 1;
  if (options.reason !== undefined) state.lastReason = options.reason;
  state.phase = stage === 'done' ? 'closed' : 'enter';
  setWaiting(item, null);
  showStage(item);
  if (options.silent === true || stage === 'done') return;
  moveOnBoard(item, 'in-progress');
  comment(item, 'entered', options.reason === undefined ? 'stageChanged' : 'returned', {
    from,
    stage,
    role: isAgentStage(stage) ? ROLE_OF[stage] : null,
    reason: options.reason ?? null,
    attempt: stage === 'development' ? state.developerAttempts : null,
  });
}

/** On to the next stage of the project's set; the reasons of earlier returns are done with. */
export function advance(item: Item): void {
  const { state } = item;
  state.reasons = [];
  state.lastReason = null;
  enterStage(item, nextStage(state.stage, state.skipStages));
}
