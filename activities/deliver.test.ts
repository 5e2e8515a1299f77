import { describe, expect, it } from 'vitest';
import { TrackerError } from '../src/trackers/port.ts';
import { deliver } from './deliver.ts';
import { PROJECT, testConfig, testDeps } from './testing.ts';
import type { DeliverInput, Effect } from './types.ts';

const comment = (key: string): Effect => ({
  key,
  kind: 'comment',
  message: 'paused',
  data: { by: key },
});
const alert: Effect = { key: 'a', kind: 'alert', alert: 'attention', cause: 'tries', data: { reason: 'why' } };

function letter(...effects: Effect[]): DeliverInput {
  return { itemId: 'ET-1', project: PROJECT, title: 'Title', effects };
}

describe('the outbox’s delivery', () => {
  it('writes comments, states and alerts, in their order and under their keys', async () => {
    const deps = testDeps(testConfig('/nowhere'));
    await deliver(deps, letter(comment('one'), { key: 's', kind: 'state', state: 'blocked' }, comment('two'), alert));
    const { comments, states, alerts } = deps.remembered;
    expect(comments.map(({ id, key }) => [id, key])).toEqual([
      ['ET-1', 'one'],
      ['ET-1', 'two'],
    ]);
    expect(comments[0]?.body).toContain('one');
    expect(states).toEqual([{ id: 'ET-1', state: 'blocked' }]);
    expect(alerts).toMatchObject([{ key: 'a', itemId: 'ET-1', title: 'Title', kind: 'attention' }]);
  });

  it('drops what the board refuses for good, says so, and goes on with the rest', async () => {
    const said: string[] = [];
    const deps = testDeps(testConfig('/nowhere'), {
      tracker: {
        addComment(_id, { key }) {
          if (key === 'bad') return Promise.reject(new TrackerError('no such item', false));
          said.push(key);
          return Promise.resolve({ id: key, itemId: 'ET-1', by: 'bot', body: '', createdAtMs: 0, edited: false });
        },
      },
    });
    await deliver(deps, letter(comment('one'), comment('bad'), comment('two'), alert));
    expect(said).toEqual(['one', 'two']);
    expect(deps.remembered.alerts).toHaveLength(1);
    expect(deps.remembered.logged).toEqual(['the board refused a write for good; it is dropped']);
  });

  it.each([
    ['a board that is away', new TrackerError('away', true)],
    ['a bug of ours', new TypeError('oops')],
  ])(
    'stops at %s, so that nothing overtakes it; the repeat says the rest under the same keys',
    async (_name, failure) => {
      const said: string[] = [];
      let isAway = true;
      const deps = testDeps(testConfig('/nowhere'), {
        tracker: {
          addComment(_id, { key }) {
            if (key === 'two' && isAway) return Promise.reject(failure);
            said.push(key);
            return Promise.resolve({ id: key, itemId: 'ET-1', by: 'bot', body: '', createdAtMs: 0, edited: false });
          },
        },
      });
      const effects = letter(comment('one'), comment('two'), comment('three'));
      await expect(deliver(deps, effects)).rejects.toBe(failure);
      expect(said).toEqual(['one']);
      isAway = false;
      await deliver(deps, effects);
      expect(said).toEqual(['one', 'one', 'two', 'three']);
    },
  );
});
