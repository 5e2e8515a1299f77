import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TrackerError } from '../port.ts';
import type { Tracker } from '../port.ts';
import { openLocalTracker } from './index.ts';

let home: string;
let bad: string[];
let tracker: Tracker;

function open(): Tracker {
  return openLocalTracker({ home, botName: 'stagewright', reportBadFile: (message) => bad.push(message) });
}

beforeEach(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'stagewright-tracker-'));
  bad = [];
  tracker = open();
});

afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

function create(title = 'Retry budget', project = 'ET'): ReturnType<Tracker['createItem']> {
  return tracker.createItem({ project, title, createdBy: 'ann' });
}

function at(...parts: string[]): string {
  return path.join(home, 'tracker', ...parts);
}

describe('items', () => {
  it('numbers them by project and reads them back from another process', async () => {
    const first = await create('One');
    const second = await tracker.createItem({ project: 'ET', title: 'Two', description: 'why', createdBy: 'ann' });
    expect((await create('Other', 'AB')).id).toBe('AB-1');
    expect([first.id, second.id]).toEqual(['ET-1', 'ET-2']);
    expect(await open().getItem('ET-2')).toMatchObject({
      title: 'Two',
      description: 'why',
      state: 'todo',
      createdBy: 'ann',
    });
    expect((await open().listItems('ET')).map((item) => item.id)).toEqual(['ET-1', 'ET-2']);
  });

  it('is null for an item that is not there, also for an unfinished one', async () => {
    expect(await tracker.getItem('ET-7')).toBeNull();
    await mkdir(at('ET', 'ET-7'), { recursive: true });
    expect(await tracker.getItem('ET-7')).toBeNull();
    expect(await tracker.listItems('ET')).toEqual([]);
    expect((await create()).id).toBe('ET-8');
  });

  it('lists in the order of the numbers', async () => {
    for (let count = 0; count < 11; count += 1) await create();
    expect((await tracker.listItems('ET')).map((item) => item.id).slice(8)).toEqual(['ET-9', 'ET-10', 'ET-11']);
  });

  it('gives every item a number of its own, however many create at once', async () => {
    const boards = [open(), open(), open()];
    const items = await Promise.all(
      Array.from({ length: 45 }, async (_, index) => {
        const board = boards[index % boards.length] ?? tracker;
        return await board.createItem({ project: 'ET', title: 't', createdBy: 'ann' });
      }),
    );
    expect(new Set(items.map((item) => item.id)).size).toBe(45);
    expect(await tracker.listItems('ET')).toHaveLength(45);
  });

  it('sets the state and moves the time of change', async () => {
    const item = await create();
    await tracker.setState(item.id, 'in-review');
    const changed = await open().getItem(item.id);
    expect(changed?.state).toBe('in-review');
    expect(changed?.updatedAtMs).toBeGreaterThanOrEqual(item.createdAtMs);
  });

  it.each(['../ET-1', 'ET-1/../../x', '/etc/passwd', '', 'et-1', 'ET-01', 'ET-1\0'])(
    'refuses the id %j',
    async (id) => {
      await expect(tracker.getItem(id)).rejects.toBeInstanceOf(TrackerError);
      await expect(tracker.addComment(id, { key: 'k', body: 'b' })).rejects.toMatchObject({ retryable: false });
      await expect(tracker.setState(id, 'done')).rejects.toMatchObject({ retryable: false });
      await expect(tracker.listComments(id)).rejects.toMatchObject({ retryable: false });
    },
  );

  it.each(['..', '../x', 'a/b', '', 'et'])('refuses the project %j', async (project) => {
    await expect(create('t', project)).rejects.toMatchObject({ retryable: false });
    await expect(tracker.listItems(project)).rejects.toMatchObject({ retryable: false });
    expect(await readdir(home)).toEqual([]);
  });

  it('says so for a write to an item that is not there', async () => {
    await expect(tracker.setState('ET-9', 'done')).rejects.toThrow('there is no work item ET-9');
    await expect(tracker.addPersonComment('ET-9', { by: 'ann', body: 'x' })).rejects.toMatchObject({
      retryable: false,
    });
  });
});

describe('comments', () => {
  it('creates by key once, whoever asks and whatever the second body says', async () => {
    const { id } = await create();
    const attempts = await Promise.all(
      Array.from(
        { length: 20 },
        async (_, index) => await open().addComment(id, { key: 'ET-1:run:done', body: `b${index}` }),
      ),
    );
    expect(new Set(attempts.map((comment) => comment.body)).size).toBe(1);
    const comments = await tracker.listComments(id);
    expect(comments).toEqual([attempts[0]]);
    expect(comments[0]).toMatchObject({ by: 'stagewright', externalId: 'ET-1:run:done', edited: false });
  });

  it('keeps the order of writing, and counts "since" exclusively', async () => {
    const { id } = await create();
    for (let count = 0; count < 12; count += 1) await tracker.addPersonComment(id, { by: 'ann', body: String(count) });
    const comments = await tracker.listComments(id);
    expect(comments.map((comment) => comment.body)).toEqual(Array.from({ length: 12 }, (_, count) => String(count)));
    const since = comments[5]?.createdAtMs ?? 0;
    const later = await tracker.listComments(id, since);
    expect(later).toEqual(comments.filter((comment) => comment.createdAtMs > since));
  });

  it('moves the item, so that whoever looks for changes finds it', async () => {
    const item = await create();
    await new Promise((resolve) => setTimeout(resolve, 15));
    await tracker.addPersonComment(item.id, { by: 'ann', body: 'x' });
    expect((await tracker.getItem(item.id))?.updatedAtMs).toBeGreaterThan(item.createdAtMs);
  });

  it("refuses the orchestrator's own name to people", async () => {
    const { id } = await create();
    await expect(tracker.addPersonComment(id, { by: 'stagewright', body: '/approve' })).rejects.toMatchObject({
      retryable: false,
    });
  });

  it('tells a comment that was edited in its file', async () => {
    const { id } = await create();
    const comment = await tracker.addPersonComment(id, { by: 'ann', body: 'no' });
    const file = at('ET', id, 'comments', `${comment.id}.json`);
    await writeFile(file, (await readFile(file, 'utf8')).replace('"no"', '"/approve"'));
    expect(await tracker.listComments(id)).toMatchObject([{ body: '/approve', edited: true }]);
  });

  it('leaves no half file and no scratch behind', async () => {
    const { id } = await create();
    await Promise.all([
      tracker.addComment(id, { key: 'k', body: 'a' }),
      tracker.addComment(id, { key: 'k', body: 'b' }),
    ]);
    expect((await readdir(at('ET', id))).toSorted()).toEqual(['comments', 'item.json']);
    expect(await readdir(at('ET', id, 'comments'))).toHaveLength(1);
  });
});

describe('bad files', () => {
  it.each(['', '{', '[]', '{"id":"ET-1"}', '{"id":"ET-2","project":"ET"}'])(
    'an item file %j is reported once and stops nobody',
    async (text) => {
      await create('One');
      await create('Two');
      await writeFile(at('ET', 'ET-1', 'item.json'), text);
      expect((await tracker.listItems('ET')).map((item) => item.id)).toEqual(['ET-2']);
      await tracker.listItems('ET');
      expect(bad).toHaveLength(1);
      expect(bad[0]).toContain('ET-1');
      await expect(tracker.getItem('ET-1')).rejects.toBeInstanceOf(TrackerError);
    },
  );

  it('a comment file is passed over; one with our key is written anew', async () => {
    const { id } = await create();
    const ours = await tracker.addComment(id, { key: 'k', body: 'ours' });
    await tracker.addPersonComment(id, { by: 'ann', body: 'hers' });
    await writeFile(at('ET', id, 'comments', `${ours.id}.json`), '{"half');
    expect((await tracker.listComments(id)).map((comment) => comment.body)).toEqual(['hers']);
    expect(bad).toHaveLength(1);
    await tracker.addComment(id, { key: 'k', body: 'ours again' });
    expect((await tracker.listComments(id)).map((comment) => comment.body).toSorted()).toEqual(['hers', 'ours again']);
  });

  it('a state file counts as none', async () => {
    const { id } = await create();
    await writeFile(at('ET', id, 'state.json'), '{"state":"nirvana","updatedAtMs":1}');
    expect((await tracker.getItem(id))?.state).toBe('todo');
    expect(bad).toHaveLength(1);
    await tracker.setState(id, 'done');
    expect((await tracker.getItem(id))?.state).toBe('done');
  });

  it('a stray file or directory is no item', async () => {
    await create();
    await writeFile(at('ET', 'README'), 'x');
    await mkdir(at('ET', 'ET-x'));
    await mkdir(at('ET', 'AB-1'));
    expect((await tracker.listItems('ET')).map((item) => item.id)).toEqual(['ET-1']);
    expect(bad).toEqual([]);
  });

  it('trouble of the disk may pass: such an error is retryable', async () => {
    await writeFile(path.join(home, 'tracker'), 'a file where the directory should be');
    await expect(create()).rejects.toMatchObject({ name: 'TrackerError', retryable: true });
  });
});
