/**
 * The built-in board: one directory per item below `<home>/tracker/<PROJECT>/`, so that people can read it with `ls` and
 * any number of processes can write to it. Nothing is read, changed and written back: ids are claimed by `mkdir`,
 * comments are files of their own. A bad file is reported and passed over; it never stops the rest.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { isValidItemId } from '../../domain/names.ts';
import { errnoOf, messageOf } from '../../errors.ts';
import { TrackerError } from '../port.ts';
import type { NewItem, Tracker, TrackerComment, TrackerItem } from '../port.ts';
import { createFile, readJson, replaceFile } from './files.ts';
import {
  compareComments,
  digestOf,
  isBoardState,
  readComment,
  readItem,
  readState,
  toTrackerComment,
  toTrackerItem,
} from './records.ts';
import type { CommentRecord, ItemRecord, StateRecord } from './records.ts';

export interface LocalTrackerOptions {
  /** STAGEWRIGHT_HOME. */
  home: string;
  /** Author of our own comments; no person may use the name. */
  botName: string;
  /** Told once about each file that had to be passed over. */
  reportBadFile?: (message: string) => void;
}

/** Opens the board; the directories come into being with the first item. */
export function openLocalTracker(options: LocalTrackerOptions): Tracker {
  const root = path.join(options.home, 'tracker');
  const reported = new Set<string>();
  let sequence = 0;

  function reportBad(file: string, error: unknown): void {
    const message = `${file} is passed over: ${messageOf(error)}`;
    if (reported.has(message)) return;
    reported.add(message);
    options.reportBadFile?.(message);
  }

  async function loadItem(id: string): Promise<TrackerItem | null> {
    const { directory, project } = placeOf(root, id);
    const value = await readJson(path.join(directory, 'item.json'));
    if (value === undefined) return null;
    const item = readItem(value, { id, project });
    return toTrackerItem(item, await loadState(directory), await commentedAtMs(directory));
  }

  async function loadState(directory: string): Promise<StateRecord | null> {
    const file = path.join(directory, 'state.json');
    try {
      const value = await readJson(file);
      return value === undefined ? null : readState(value);
    } catch (error) {
      reportBad(file, error);
      return null;
    }
  }

  async function requireItem(id: string): Promise<string> {
    if ((await loadItem(id)) === null) throw new TrackerError(`there is no work item ${id}`, false);
    return placeOf(root, id).directory;
  }

  async function writeComment(itemId: string, by: string, body: string, key: string | null): Promise<TrackerComment> {
    const directory = await requireItem(itemId);
    const id = key === null ? `person-${randomUUID()}` : `key-${createHash('sha256').update(key).digest('hex')}`;
    const file = path.join(directory, 'comments', `${id}.json`);
    sequence += 1;
    const record: CommentRecord = {
      id,
      itemId,
      by,
      body,
      createdAtMs: Date.now(),
      sequence,
      ...(key === null ? {} : { externalId: key }),
      digest: digestOf({ by, body }),
    };
    if (await createFile(directory, file, record)) return toTrackerComment(record);
    try {
      return toTrackerComment(readComment(await readJson(file), { id, itemId }));
    } catch (error) {
      // It carries our key and cannot be read, so it is ours to write anew.
      reportBad(file, error);
      await replaceFile(directory, file, record);
      return toTrackerComment(record);
    }
  }

  async function loadComments(id: string): Promise<CommentRecord[]> {
    const directory = path.join(await requireItem(id), 'comments');
    const records: CommentRecord[] = [];
    for (const name of await readDirectory(directory)) {
      if (!name.endsWith('.json')) continue;
      const file = path.join(directory, name);
      try {
        records.push(readComment(await readJson(file), { id: name.slice(0, -'.json'.length), itemId: id }));
      } catch (error) {
        reportBad(file, error);
      }
    }
    return records.toSorted(compareComments);
  }

  return {
    createItem: (item) => guard(() => createItem(root, item)),
    getItem: (id) => guard(() => loadItem(id)),
    listItems: (project) =>
      guard(async () => {
        const items: TrackerItem[] = [];
        for (const { id } of await listIds(root, project)) {
          try {
            const item = await loadItem(id);
            if (item !== null) items.push(item);
          } catch (error) {
            reportBad(path.join(placeOf(root, id).directory, 'item.json'), error);
          }
        }
        return items;
      }),
    setState: (id, state) =>
      guard(async () => {
        if (!isBoardState(state)) throw new TrackerError(`no such board state: ${String(state)}`, false);
        const directory = await requireItem(id);
        const record: StateRecord = { state, updatedAtMs: Date.now() };
        await replaceFile(directory, path.join(directory, 'state.json'), record);
      }),
    addComment: (id, comment) => guard(() => writeComment(id, options.botName, comment.body, comment.key)),
    addPersonComment: (id, comment) =>
      guard(async () => {
        if (comment.by === options.botName)
          throw new TrackerError(`${comment.by} is the orchestrator's own name`, false);
        return await writeComment(id, comment.by, comment.body, null);
      }),
    listComments: (id, sinceMs) =>
      guard(async () => {
        const records = await loadComments(id);
        return records.filter((record) => sinceMs === undefined || record.createdAtMs > sinceMs).map(toTrackerComment);
      }),
  };
}

/** The directory is the claim on the number: of two processes that create at once, one goes on to the next number. */
async function createItem(root: string, item: NewItem): Promise<TrackerItem> {
  checkProject(item.project);
  await mkdir(path.join(root, item.project), { recursive: true, mode: 0o700 });
  const known = await listIds(root, item.project);
  for (let number = (known.at(-1)?.number ?? 0) + 1; ; number += 1) {
    const id = `${item.project}-${number}`;
    const { directory } = placeOf(root, id);
    try {
      await mkdir(directory, { mode: 0o700 });
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') continue;
      throw error;
    }
    await mkdir(path.join(directory, 'comments'), { mode: 0o700 });
    const record: ItemRecord = {
      id,
      project: item.project,
      title: item.title,
      description: item.description ?? '',
      createdBy: item.createdBy,
      createdAtMs: Date.now(),
    };
    await replaceFile(directory, path.join(directory, 'item.json'), record);
    return toTrackerItem(record, null, 0);
  }
}

/** Ids of a project in the order of their numbers; whatever else lies there is no item. */
async function listIds(root: string, project: string): Promise<{ id: string; number: number }[]> {
  checkProject(project);
  const names = await readDirectory(path.join(root, project));
  return names
    .filter((name) => isValidItemId(name) && projectOf(name) === project)
    .map((id) => ({ id, number: Number(id.slice(project.length + 1)) }))
    .toSorted((a, b) => a.number - b.number);
}

function placeOf(root: string, id: string): { directory: string; project: string } {
  if (!isValidItemId(id)) throw new TrackerError(`${JSON.stringify(id.slice(0, 60))} is no work item id`, false);
  const project = projectOf(id);
  return { directory: path.join(root, project, id), project };
}

function projectOf(id: string): string {
  return id.slice(0, id.lastIndexOf('-'));
}

function checkProject(project: string): void {
  if (!isValidItemId(`${project}-1`)) {
    throw new TrackerError(`${JSON.stringify(project.slice(0, 60))} is no project key`, false);
  }
}

/** A new comment moves its item, so that whoever looks for changes finds it. */
async function commentedAtMs(directory: string): Promise<number> {
  const information = await stat(path.join(directory, 'comments')).catch(() => null);
  return Math.floor(information?.mtimeMs ?? 0);
}

async function readDirectory(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The port's promise: nothing but TrackerError. Trouble of the disk may pass; what we refuse stays refused. */
async function guard<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TrackerError) throw error;
    throw new TrackerError(`the local board: ${messageOf(error)}`, errnoOf(error) !== undefined);
  }
}
