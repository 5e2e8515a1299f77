/**
 * Replays every kept history against the workflows of this build. A red test here means that items which are under way
 * would be stuck by an upgrade: keep the old commands behind `patched()`, and never change or delete a history.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import { bundlePath } from '../../src/temporal/bundle.ts';
import { installRuntime } from '../../src/temporal/runtime.ts';

const directory = path.join(packageRoot, 'test', 'replay', 'histories');
const files = readdirSync(directory).filter((name) => name.endsWith('.json'));
const REQUIRED = ['happy', 'returned', 'rejected', 'cancelled', 'continued-as-new', 'merge-queue', 'launch-gate'];

let code: string;
beforeAll(() => {
  installRuntime();
  code = readFileSync(bundlePath, 'utf8');
});

function read(file: string): { events: { eventType: string }[] } {
  return JSON.parse(readFileSync(path.join(directory, file), 'utf8')) as { events: { eventType: string }[] };
}

async function replay(file: string, bundle: string): Promise<void> {
  await Worker.runReplayHistory({ workflowBundle: { code: bundle } }, read(file), path.basename(file, '.json'));
}

describe('kept histories', () => {
  it('are there for every kind of run', () => {
    for (const name of REQUIRED) {
      expect(
        files.filter((file) => file.startsWith(`${name}-2`)),
        name,
      ).not.toEqual([]);
    }
  });

  it.each(files)('%s replays with the workflows of today', async (file) => {
    await expect(replay(file, code)).resolves.toBeUndefined();
  });

  it.each(files)('%s holds no path, name or secret of the machine that recorded it', (file) => {
    const text = JSON.stringify(read(file), (key, value: unknown) =>
      key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : value,
    );
    expect(text).not.toMatch(/\/tmp\/|(?<!\/world)\/home\/[a-z]|\/root\/|\/Users\/|token["=:]|sk-ant|[0-9]+@[a-z]/i);
  });
});

describe('a changed workflow is found out', () => {
  it.each([
    ['happy-', 'another first step', 'main.openItem.executeWithOptions', 'main.closeItem.executeWithOptions'],
    [
      'returned-',
      'a gate that is not asked',
      'main.evaluateGate.executeWithOptions',
      'main.planStage.executeWithOptions',
    ],
    ['cancelled-', 'a cancel that does not stop', '.stopRun.executeWithOptions', '.saveWork.executeWithOptions'],
    [
      'merge-queue-2',
      'a landing without a candidate',
      'mergeSteps.prepareCandidate.executeWithOptions',
      'mergeSteps.landCandidate.executeWithOptions',
    ],
  ])('%s* against %s', async (prefix, _name, from, to) => {
    const changed = code.replaceAll(from, to);
    expect(changed).not.toBe(code);
    const found = files.filter((file) => file.startsWith(prefix));
    expect(found).not.toEqual([]);
    for (const file of found) await expect(replay(file, changed)).rejects.toBeInstanceOf(DeterminismViolationError);
  });
});
