import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ANSWERS,
  decideMove,
  isAgentStage,
  isTerminal,
  mayAttemptAgain,
  nextStage,
  previousStage,
  resolveReturn,
} from './stages.ts';
import { AGENT_STAGES, ROLE_OF, STAGES } from './types.ts';

const skipSets = fc.subarray([...AGENT_STAGES]);

describe('the table', () => {
  it.each([
    ['analysis', 'ok', { kind: 'approve' }],
    ['analysis', 'questions', { kind: 'ask' }],
    ['analysis', 'missing', { kind: 'again' }],
    ['architecture', 'ok', { kind: 'advance' }],
    ['architecture', 'conflict', { kind: 'return', to: 'analysis' }],
    ['architecture', 'missing', { kind: 'again' }],
    ['development', 'ok', { kind: 'advance' }],
    ['development', 'red', { kind: 'return', to: 'development' }],
    ['development', 'infrastructure', { kind: 'wait' }],
    ['review', 'ok', { kind: 'advance' }],
    ['review', 'refused', { kind: 'return', to: 'development' }],
    ['review', 'missing', { kind: 'again' }],
    ['testing', 'ok', { kind: 'advance' }],
    ['testing', 'refused', { kind: 'return', to: 'development' }],
    ['testing', 'missing', { kind: 'again' }],
    ['deploy-staging', 'ok', { kind: 'merge' }],
    ['deploy-staging', 'missing', { kind: 'again' }],
    ['deploy-staging', 'red', { kind: 'return', to: 'development' }],
    ['deploy-staging', 'mergeConflict', { kind: 'return', to: 'development' }],
    ['deploy', 'ok', { kind: 'advance' }],
    ['deploy', 'missing', { kind: 'again' }],
  ] as const)('%s, %s', (stage, answer, move) => {
    expect(decideMove(stage, answer)).toEqual(move);
  });

  it('parks wherever it is silent, and so has an answer to everything', () => {
    const silent = AGENT_STAGES.flatMap((stage) =>
      ANSWERS.map((answer) => [stage, answer, decideMove(stage, answer).kind] as const),
    ).filter(([, , kind]) => kind === 'attention');
    expect(silent.map(([stage, answer]) => `${stage}/${answer}`)).toContain('deploy/refused');
    expect(silent.map(([stage, answer]) => `${stage}/${answer}`)).toContain('deploy-staging/refused');
    expect(silent).toHaveLength(AGENT_STAGES.length * ANSWERS.length - 22);
  });

  it('never sends a missing verdict back to development', () => {
    for (const stage of AGENT_STAGES) expect(decideMove(stage, 'missing').kind).not.toBe('return');
  });
});

describe('the order of stages', () => {
  it('launches the architect after analysis: no stage is skipped that the project has', () => {
    expect(nextStage('analysis', [])).toBe('architecture');
    expect(nextStage('analysis', ['architecture'])).toBe('development');
  });

  it('reaches done from created through exactly the stages the project has', () => {
    fc.assert(
      fc.property(skipSets, (skipped) => {
        const seen: string[] = [];
        for (let stage = nextStage('created', skipped); !isTerminal(stage); stage = nextStage(stage, skipped)) {
          expect(isAgentStage(stage)).toBe(true);
          seen.push(stage);
        }
        expect(seen).toEqual(AGENT_STAGES.filter((stage) => !skipped.includes(stage)));
      }),
    );
  });

  it('stays where it is at the end', () => {
    expect(nextStage('done', [])).toBe('done');
    expect(nextStage('cancelled', [])).toBe('cancelled');
  });

  it('goes back one stage that the project has, and the first one to itself', () => {
    fc.assert(
      fc.property(skipSets, fc.constantFrom(...AGENT_STAGES), (skipped, stage) => {
        fc.pre(!skipped.includes(stage));
        const back = previousStage(stage, skipped);
        expect(skipped).not.toContain(back);
        expect(STAGES.indexOf(back)).toBeLessThanOrEqual(STAGES.indexOf(stage));
        if (back !== stage) expect(nextStage(back, skipped)).toBe(stage);
      }),
    );
  });

  it('resolves a return into a stage that was left out to the one before it', () => {
    expect(resolveReturn('analysis', [])).toBe('analysis');
    expect(resolveReturn('architecture', ['architecture'])).toBe('analysis');
  });

  it('has a role for every stage with an agent', () => {
    expect(Object.keys(ROLE_OF)).toEqual([...AGENT_STAGES]);
  });
});

describe('developer attempts', () => {
  it('allows the first run and two returns, and one more per retry of a person', () => {
    expect([1, 2, 3, 4].map((count) => mayAttemptAgain(count, 3, 0))).toEqual([true, true, false, false]);
    expect(mayAttemptAgain(3, 3, 1)).toBe(true);
  });
});
