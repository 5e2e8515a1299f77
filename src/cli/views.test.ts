import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import type { RunView, WorkItemStatus } from '../domain/protocol.ts';
import { readDecision } from './attend.ts';
import { describeChanges } from './changes.ts';
import { chooseRun } from './commands/logs.ts';
import { normaliseItemId } from './find-item.ts';
import { renderLive } from './live-view.ts';
import { createOutput, oneLine, plain } from './output.ts';
import { renderItem } from './render-item.ts';

const USAGE = { inputTokens: 1000, outputTokens: 500, cachedTokens: 0, costUsd: 0.25, turns: 3, durationMs: 4000 };

function run(changes: Partial<RunView> = {}): RunView {
  return {
    runId: 'aaaa-1',
    number: 1,
    stage: 'development',
    role: 'developer',
    agent: 'claude',
    model: 'claude-opus-4-8',
    effort: 'xhigh',
    outcome: 'running',
    attempt: 1,
    startedAtMs: 1000,
    endedAtMs: null,
    usage: null,
    exit: null,
    runDir: '/runs/1',
    ...changes,
  };
}

function status(changes: Partial<WorkItemStatus> = {}): WorkItemStatus {
  return {
    itemId: 'ET-1',
    project: 'ET',
    title: 'A title',
    stage: 'development',
    state: 'running',
    waiting: null,
    branch: 'feature/ET-1-a',
    head: 'a'.repeat(40),
    pullRequest: null,
    developerAttempts: 1,
    maxDeveloperAttempts: 3,
    permanentTries: 0,
    transientTries: 0,
    relaunches: 0,
    lastReason: null,
    lastGate: null,
    runs: [],
    merged: null,
    approvals: [],
    outbox: 0,
    usage: USAGE,
    stages: (['created', 'development', 'review'] as const).map((stage) => ({
      stage,
      entries: 1,
      status: stage === 'development' ? 'active' : stage === 'review' ? 'pending' : 'done',
      startedAtMs: 0,
      endedAtMs: null,
      durationMs: 5000,
    })),
    startedAtMs: 0,
    updatedAtMs: 5000,
    ...changes,
  };
}

const waitingFor = (kind: 'answer' | 'approval' | 'attention'): WorkItemStatus =>
  status({ state: 'waiting', waiting: { kind, reason: 'why', sinceMs: 0 } });

describe('a line per change', () => {
  it('says nothing where nothing has changed', () => {
    const same = status({ runs: [run()], waiting: { kind: 'slot', reason: 'x', sinceMs: 1 } });
    expect(describeChanges(same, structuredClone(same))).toEqual([]);
  });

  it('tells start and end of a run that came and went between two looks', () => {
    const ended = run({ outcome: 'succeeded', endedAtMs: 4000, usage: USAGE });
    expect(describeChanges(status(), status({ runs: [ended] }))).toEqual([
      'development: developer run #1 started (claude · opus-4-8 · xhigh)',
      'development: developer run #1 succeeded after 3s (1k in · 500 out · $0.25 · 3 turns)',
    ]);
    expect(describeChanges(status({ runs: [run()] }), status({ runs: [ended] }))).toHaveLength(1);
    expect(describeChanges(status(), status({ runs: [run({ outcome: 'queued' })] }))).toEqual([]);
  });

  it('tells the way back with its reason, the gate, the wait, the approval and the merge', () => {
    const gate = {
      gate: 'verdict',
      status: 'failed',
      meaning: 'refused',
      commit: 'c',
      reason: 'REQUEST_CHANGES',
    } as const;
    const before = status({ stage: 'review' });
    const after = status({
      lastReason: 'REQUEST_CHANGES',
      lastGate: gate,
      waiting: { kind: 'attention', reason: 'cap\nsecond line', sinceMs: 1 },
      approvals: [{ stage: 'analysis', by: 'anna', commit: 'c', atMs: 1 }],
      merged: { base: 'b', head: 'h', retested: true },
    });
    expect(describeChanges(before, after)).toEqual([
      '↩ back to development: REQUEST_CHANGES',
      'analysis: approved by anna',
      'gate verdict failed: REQUEST_CHANGES',
      'waits for attention: cap',
      'merged: h (this very commit was tested again before)',
    ]);
  });
});

describe('the live picture', () => {
  it('never writes a row wider than the terminal, whatever is in title and activity', () => {
    const wide = status({ title: 'x'.repeat(300), runs: [run({ usage: USAGE })] });
    for (const columns of [40, 80]) {
      const lines = renderLive(wide, 'y'.repeat(500), { columns, colors: picocolors.createColors(false), frame: 1 });
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(columns);
    }
  });

  it('shows tokens and cost summed over the runs of a stage, and what the agent does', () => {
    const runs = [run({ runId: 'b', outcome: 'failed', usage: USAGE }), run({ runId: 'c', number: 2, usage: USAGE })];
    const text = renderLive(status({ runs }), 'editing a file', {
      columns: 100,
      colors: picocolors.createColors(false),
      frame: 1,
    }).join('\n');
    expect(text).toMatch(/development +5s +2 runs +3k +\$0\.50/);
    expect(text).toContain('developer (claude): editing a file');
  });
});

describe('text of others', () => {
  it('cannot move the cursor, recolour or ring', () => {
    expect(plain('a\u001B[2J\u001B[31mred\u0007\u009B0mb\tc\nd')).toBe('ared0mb\tc\nd');
    expect(oneLine('  first \u001B[1m line\nsecond', 8)).toBe('first l…');
    const shown = renderItem(status({ title: '\u001B]0;owned\u0007' }), picocolors.createColors(false), 0).join('\n');
    // oxlint-disable-next-line no-control-regex -- that is what must not be there
    expect(shown).not.toMatch(/[\u001B\u0007]/);
  });
});

describe('what a person types', () => {
  it.each([
    ['approval', 'y', { command: 'approve' }],
    ['approval', 'n too vague', { command: 'reject', text: 'too vague' }],
    ['approval', 'n', null],
    ['approval', 'yes but', null],
    ['approval', 'maybe', null],
    ['answer', 'no', { command: 'answer', text: 'no' }],
    ['answer', '', null],
    ['attention', 'RETRY', { command: 'retry' }],
    ['attention', 'reject too slow', { command: 'reject', text: 'too slow' }],
    ['attention', 'y', null],
  ] as const)('%s, "%s"', (kind, typed, decision) => {
    expect(readDecision(waitingFor(kind), typed)).toEqual(decision);
  });

  it('et-12 is ET-12', () => {
    expect(normaliseItemId('et-12')).toBe('ET-12');
    expect(normaliseItemId('launch-gate:x')).toBe('launch-gate:x');
  });
});

describe('chooseRun', () => {
  const item = status({
    runs: [
      run(),
      run({ runId: 'bbbb-2', number: 2 }),
      run({ runId: 'cccc-3', number: 3, runDir: null, outcome: 'queued' }),
    ],
  });
  it('takes the last run that has a log, or the one named by number or id', () => {
    expect(chooseRun(item, undefined).number).toBe(2);
    expect(chooseRun(item, '1').number).toBe(1);
    expect(chooseRun(item, '#3').number).toBe(3);
    expect(chooseRun(item, 'bbbb').number).toBe(2);
  });
  it('says which runs there are', () => {
    expect(() => chooseRun(item, '9')).toThrow(
      expect.objectContaining({ exit: 'notFound', mend: 'its runs: #1, #2, #3' }),
    );
    expect(() => chooseRun(status(), undefined)).toThrow(/has had no run yet/);
  });
});

function capture(options: { json?: boolean; tty?: boolean; env?: NodeJS.ProcessEnv; color?: boolean }): {
  out: () => string;
  err: () => string;
  output: ReturnType<typeof createOutput>;
} {
  const text = { out: '', err: '' };
  const output = createOutput({
    json: options.json ?? false,
    color: options.color ?? true,
    env: options.env ?? {},
    stdout: { isTTY: options.tty ?? false, write: (piece) => (text.out += piece) },
    stderr: { write: (piece) => (text.err += piece) },
  });
  return { out: () => text.out, err: () => text.err, output };
}

function coloured(options: Parameters<typeof capture>[0]): boolean {
  return capture(options).output.colors.red('x') !== 'x';
}

describe('output', () => {
  it('prints exactly one document with --json, and progress beside it', () => {
    const { output, out, err } = capture({ json: true });
    output.line('for people');
    output.progress('at work');
    output.result({ a: 1 }, () => ['lines']);
    expect(JSON.parse(out())).toEqual({ a: 1 });
    expect(err()).toBe('at work\n');
  });

  it('colours only a terminal that wants it', () => {
    expect(coloured({ tty: true })).toBe(true);
    expect(coloured({ tty: false })).toBe(false);
    expect(coloured({ tty: true, env: { NO_COLOR: '1' } })).toBe(false);
    expect(coloured({ tty: true, env: { NO_COLOR: '' } })).toBe(true);
    expect(coloured({ tty: true, color: false })).toBe(false);
    expect(coloured({ tty: true, json: true })).toBe(false);
  });

  it('lets a picture make room before any other line', () => {
    const { output, out } = capture({ tty: true });
    output.setPicture(() => output.raw('[erased]'));
    output.line('a line');
    output.setPicture(null);
    output.line('another');
    expect(out()).toBe('[erased]a line\nanother\n');
  });
});
