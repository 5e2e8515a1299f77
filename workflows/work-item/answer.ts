/** Questions of the analyst, and people's answers to them. */
import { main } from '../proxies.ts';
import { waitWithReminders } from './attention.ts';
import { takeDecision } from './decisions.ts';
import { alertPeople, comment, moveOnBoard, requirePlan, setWaiting, showStage, waitFor } from './item.ts';
import type { Item } from './item.ts';
import { agentStage } from './state.ts';

/** The gate said no and the analyst has questions: they go on the board, and the item waits. */
export function askQuestions(item: Item, questions: string): void {
  const { state } = item;
  state.phase = 'answer';
  state.answers = [];
  state.request = {
    kind: 'answer',
    stage: agentStage(state),
    commit: state.head,
    sinceMs: Date.now(),
    cause: null,
    blobs: null,
    files: [],
    text: questions.slice(0, 2_000),
    reminders: 0,
  };
  const data = { text: questions.slice(0, 2_000), next: `stagewright answer ${item.input.itemId} "…"` };
  moveOnBoard(item, 'needs-input');
  comment(item, `questions:${state.runCount}`, 'questions', data);
  alertPeople(item, 'questions', `questions:${state.runCount}`, data);
  showStage(item);
}

/** Waits for an answer, then a quiet while for more of it; all of it goes into the next run. */
export async function answerPhase(item: Item): Promise<void> {
  const { state } = item;
  const plan = requirePlan(item);
  const request = state.request;
  if (request === null) throw new Error('an answer without a recorded question');
  setWaiting(item, { kind: 'answer', reason: request.text, next: `stagewright answer ${item.input.itemId} "…"` });
  while (state.answers.length === 0) {
    await waitWithReminders(item, () => item.decisions.length > 0 || state.nudges.length > 0);
    await takeAnswers(item);
    if (state.nudges.splice(0).length > 0) {
      const found = await main.collectAnswers({ ...item.ref, sinceMs: request.sinceMs });
      if (found.text !== '') state.answers.push({ text: found.text, by: found.by.join(', '), atMs: Date.now() });
    }
  }
  while (
    await waitFor(item, () => item.decisions.length > 0, {
      ms: Math.max(plan.answerSettleMs, 1),
      summary: 'more of the answer',
    })
  ) {
    await takeAnswers(item);
  }
  const board = await main.collectAnswers({ ...item.ref, sinceMs: request.sinceMs });
  const texts = [...state.answers.map((answer) => answer.text), board.text].filter((text) => text !== '');
  const text = texts
    .filter((candidate, index) => !texts.some((other, at) => at > index && other.includes(candidate)))
    .join('\n\n');
  state.reasons = [{ kind: 'answer', text, ...(board.path === null ? {} : { path: board.path }) }];
  comment(item, `answered:${state.runCount}`, 'answered', {
    by: [...new Set(state.answers.map((answer) => answer.by))],
  });
  moveOnBoard(item, 'in-progress');
  state.request = null;
  state.phase = 'run';
  setWaiting(item, null);
  showStage(item);
}

async function takeAnswers(item: Item): Promise<void> {
  while (item.decisions.length > 0) {
    const decision = await takeDecision(item);
    if (decision === null) continue;
    item.state.answers.push({ text: decision.text, by: decision.by, atMs: Date.now() });
    decision.settle('answer received; the run goes on with it');
  }
}
