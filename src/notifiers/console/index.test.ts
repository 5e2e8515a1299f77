import { describe, expect, it } from 'vitest';
import type { Alert, Notifier } from '../port.ts';
import { combineNotifiers, formatAlert, openConsoleNotifier } from './index.ts';

const alert: Alert = { key: 'k', kind: 'attention', itemId: 'ET-12', title: 'Retry budget', reason: 'red tests' };

function failing(message: string): Notifier {
  return { notify: () => Promise.reject(new Error(message)) };
}

describe('openConsoleNotifier', () => {
  it('writes one line, and a second for the way on', async () => {
    const written: string[] = [];
    const notifier = openConsoleNotifier({ write: (text) => written.push(text) });
    await notifier.notify(alert);
    await notifier.notify({ ...alert, next: 'stagewright retry ET-12', logPath: '/runs/1' });
    expect(written).toEqual([
      '⚠️ ET-12 Retry budget: red tests\n',
      '⚠️ ET-12 Retry budget: red tests\n   → stagewright retry ET-12 · log /runs/1\n',
    ]);
  });

  it('lets no title move the cursor or grow without end', () => {
    const text = formatAlert({ ...alert, title: 'a\u001B[2J\nb', reason: 'r'.repeat(5_000) });
    expect(text).not.toMatch(/[\p{Cc}](?!$)/u);
    expect(text.length).toBeLessThan(900);
  });
});

describe('combineNotifiers', () => {
  it('asks all of them, then says who failed', async () => {
    const seen: string[] = [];
    const good: Notifier = {
      notify: (each) => {
        seen.push(each.key);
        return Promise.resolve();
      },
    };
    const throwing: Notifier = {
      notify: () => {
        throw new Error('at once');
      },
    };
    const all = combineNotifiers([failing('first'), throwing, good]);
    await expect(all.notify(alert)).rejects.toThrow('2 of 3 notifiers failed');
    expect(seen).toEqual(['k']);
    await expect(combineNotifiers([good, good]).notify(alert)).resolves.toBeUndefined();
  });
});
