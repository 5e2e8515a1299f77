import { describe, expect, it } from 'vitest';
import { renderChecklist } from './checklist.ts';
import type { RunView, WorkItemStatus } from './protocol.ts';
import { formatUtc } from './time.ts';
import { AGENT_STAGES, STAGES } from './types.ts';
import { zeroUsage } from './usage.ts';

function run(number: number, changes: Partial<RunView> = {}): RunView {
  return {
    runId: `r${number}`,
    number,
    stage: 'development',
    role: 'developer',
    agent: 'scripted',
    model: 'claude-opus-4-8',
    effort: 'xhigh',
    outcome: 'failed',
    attempt: 1,
    startedAtMs: 0,
    endedAtMs: 1,
    usage: { ...zeroUsage(), costUsd: 0.5 },
    exit: 1,
    runDir: null,
    ...changes,
  };
}

function status(changes: Partial<WorkItemStatus> = {}): WorkItemStatus {
  return {
    itemId: 'ET-12',
    project: 'ET',
    title: 'Retry *budget*\nfor `all`',
    stage: 'development',
    state: 'running',
    waiting: null,
    branch: 'feature/ET-12-x',
    head: '0123456789abcdef',
    pullRequest: null,
    developerAttempts: 2,
    maxDeveloperAttempts: 3,
    permanentTries: 0,
    transientTries: 0,
    relaunches: 0,
    lastReason: null,
    lastGate: null,
    stages: STAGES.map((stage) => ({
      stage,
      entries: stage === 'development' ? 2 : 1,
      status: stage === 'analysis' ? 'done' : stage === 'development' ? 'active' : 'pending',
      startedAtMs: null,
      endedAtMs: null,
      durationMs: stage === 'analysis' ? 200_000 : 0,
    })),
    runs: [run(1), run(2, { outcome: 'running', usage: null })],
    usage: zeroUsage(),
    merged: null,
    approvals: [],
    outbox: 0,
    startedAtMs: 0,
    updatedAtMs: 0,
    ...changes,
  };
}

describe('renderChecklist', () => {
  it('ticks what is done and names the stage at work with its last model', () => {
    const text = renderChecklist(status());
    expect(text).toContain('- [x] analysis · 3m 20s');
    expect(text).toContain('- [ ] **development** · entered 2 times · 2 runs · $0.50 · opus-4-8 · xhigh');
    expect(text).toContain('developer attempts 2/3');
    expect(text.split('\n')[0]).toBe('**ET-12** Retry \\*budget\\* for \\`all\\`');
  });

  it('says what it waits for, until when, and the next command', () => {
    const waiting = {
      kind: 'backoff',
      reason: 'rate limited',
      sinceMs: Date.parse('2026-11-21T10:00:00Z'),
      untilMs: Date.parse('2026-11-21T10:05:00Z'),
      next: 'stagewright show ET-12',
    } as const;
    const text = renderChecklist(status({ state: 'waiting', waiting }));
    expect(text).toContain('rate limited (since 2026-11-21 10:00 UTC until 2026-11-21 10:05 UTC)');
    expect(text).toContain('next: `stagewright show ET-12`');
  });

  it('stays small whatever the item went through', () => {
    const runs = Array.from({ length: 500 }, (_, index) =>
      run(index, { stage: AGENT_STAGES[index % 7] ?? 'deploy', reason: 'x'.repeat(5_000) }),
    );
    const text = renderChecklist(status({ runs, title: 't'.repeat(9_000), lastReason: 'r'.repeat(9_000) }));
    expect(text.length).toBeLessThan(8_000);
    expect(text).toContain('492 earlier runs');
  });
});

describe('formatUtc', () => {
  it('is the same everywhere, and a dash for what is no instant', () => {
    expect(formatUtc(Date.parse('2026-02-03T04:05:59Z'))).toBe('2026-02-03 04:05 UTC');
    expect(formatUtc(Number.NaN)).toBe('—');
    expect(formatUtc(1e20)).toBe('—');
  });
});
