/** The claim against a real slot directory, with a launch gate that answers as the test wants. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureCompiled, until } from '../src/agents/run/fixtures/harness.ts';
import { listSlots } from '../src/agents/run/slots.ts';
import { DEFAULT_LIMITS } from '../src/domain/budgets.ts';
import type { TakeInput, TakeResult } from '../src/domain/protocol.ts';
import { claimSlot } from './claim-slot.ts';
import type { Deps } from './deps.ts';
import { PROJECT, testConfig, testDeps } from './testing.ts';
import type { ClaimInput, ClaimResult } from './types.ts';

let home: string;
beforeEach(() => {
  ensureCompiled();
  home = mkdtempSync(path.join(os.tmpdir(), 'stagewright-claim-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** `answer` is the launch gate; what it was asked is recorded. */
function createDeps(
  answer: (take: TakeInput) => Promise<TakeResult>,
  concurrentRuns = 1,
): { deps: Deps; asked: string[]; told: unknown[] } {
  const asked: string[] = [];
  const executeUpdateWithStart = (_name: string, options: { args: [TakeInput] }): Promise<TakeResult> => {
    asked.push(options.args[0].runId);
    return answer(options.args[0]);
  };
  const told: unknown[] = [];
  const signal = (_name: string, waits: unknown): Promise<void> => {
    told.push(waits);
    return Promise.resolve();
  };
  const client = { workflow: { executeUpdateWithStart, getHandle: () => ({ signal }) } } as unknown as Client;
  const limits = { ...DEFAULT_LIMITS, concurrentRuns };
  return { deps: testDeps(testConfig(home, { limits }), { client }), asked, told };
}

function claim(deps: Deps, runId: string): { environment: MockActivityEnvironment; end: Promise<ClaimResult> } {
  const environment = new MockActivityEnvironment();
  const input: ClaimInput = { itemId: 'ET-1', project: PROJECT, runId, login: 'me', agent: 'scripted' };
  const end = environment.run<[ClaimInput], ClaimResult, ClaimSlot>((given) => claimSlot(deps, given), input);
  end.catch(() => undefined);
  return { environment, end };
}

type ClaimSlot = (input: ClaimInput) => Promise<ClaimResult>;

const taken = (): string[] => listSlots(home, 'agent').flatMap((slot) => (slot.taken ? [slot.runId] : []));

describe('a claim', () => {
  it('reserves a slot, asks the launch gate once, and names its host', async () => {
    const { deps, asked } = createDeps(() => Promise.resolve({ granted: true }));
    const runId = randomUUID();
    expect((await claim(deps, runId).end).hostId).toBe('test-host');
    expect(asked).toEqual([runId]);
    expect(taken()).toEqual([runId]);
  });

  it('keeps no slot from others while the gate refuses, and takes one as soon as it grants', async () => {
    let isOpen = false;
    const { deps, asked, told } = createDeps(() =>
      Promise.resolve(isOpen ? { granted: true } : { granted: false, reason: 'breaker open' }),
    );
    const runId = randomUUID();
    const waiting = claim(deps, runId);
    const beats: unknown[] = [];
    waiting.environment.on('heartbeat', (details) => beats.push(details));
    await until('a refusal', () => asked.length === 1 && taken().length === 0);
    await sleep(1_200);
    // The reason shows in the heartbeat, where the Web UI has it.
    expect(beats.at(-1)).toEqual({ waitingFor: 'breaker open' });
    await until('a second refusal', () => asked.length === 2);
    // The item hears of it once, not every time that the gate is asked.
    expect(told).toEqual([{ runId, reason: 'breaker open' }]);
    isOpen = true;
    expect((await waiting.end).waitedMs).toBeGreaterThan(1_000);
    expect(taken()).toEqual([runId]);
  });

  it('waits in place while the host is full, without asking the gate', async () => {
    const { deps, asked } = createDeps(() => Promise.resolve({ granted: true }));
    const [first, second] = [randomUUID(), randomUUID()];
    await claim(deps, first).end;
    const waiting = claim(deps, second);
    await sleep(300);
    expect(asked).toEqual([first]);
    waiting.environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true }));
    await expect(waiting.end).rejects.toBeInstanceOf(CancelledFailure);
    expect(taken()).toEqual([first]);
  });

  it('gives its reservation back when the gate cannot be asked, and when it is cancelled meanwhile', async () => {
    const away = createDeps(() => Promise.reject(new Error('no server')));
    await expect(claim(away.deps, randomUUID()).end).rejects.toThrow('no server');
    expect(taken()).toEqual([]);

    let answer: (result: TakeResult) => void = () => undefined;
    const slow = createDeps(() => new Promise((resolve) => (answer = resolve)));
    const waiting = claim(slow.deps, randomUUID());
    await until('a question', () => slow.asked.length === 1);
    expect(taken()).toEqual(slow.asked);
    waiting.environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true }));
    answer({ granted: true });
    await expect(waiting.end).rejects.toBeInstanceOf(CancelledFailure);
    expect(taken()).toEqual([]);
  });
});
