/**
 * What the scripted agent remembers between its processes: sessions (so that `--resume` goes on) and which sessions
 * were finished (so that the next one plays the next step). Kept in the configuration directory, like a real CLI's.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface Session {
  id: string;
  item: string;
  /** Stage or role under which the session is counted. */
  key: string;
  /** Which session of this item and key it is, from 1. */
  number: number;
  /** 0-based. */
  step: number;
  /** Actions that are done. */
  done: number;
  /** Waited within the current action, milliseconds, unscaled. */
  sleptMs: number;
  /** Tool calls so far, over resumes: their ids must not repeat. */
  tools: number;
  lastSaid: string;
  completed: boolean;
}

export interface StateStore {
  /** The session, or null where it is unknown or unreadable. */
  load(id: string): Session | null;
  exists(id: string): boolean;
  save(session: Session): void;
  /** Ids of the counted sessions of an item and key. */
  counted(item: string, key: string): string[];
  count(session: Session): void;
}

export function openState(directory: string): StateStore {
  const sessionFile = (id: string): string => path.join(directory, 'sessions', `${encodeURIComponent(id)}.json`);
  const counterFile = (item: string, key: string): string =>
    path.join(directory, 'counters', `${encodeURIComponent(item)}.${key}.json`);

  function counted(item: string, key: string): string[] {
    const ids = readJson(counterFile(item, key));
    return Array.isArray(ids) ? ids.map(String) : [];
  }
  return {
    load(id) {
      const session = readJson(sessionFile(id));
      return isSession(session) ? session : null;
    },
    exists: (id) => readJson(sessionFile(id)) !== null,
    save: (session) => writeJson(sessionFile(session.id), session),
    counted,
    count(session) {
      const ids = counted(session.item, session.key);
      if (!ids.includes(session.id)) writeJson(counterFile(session.item, session.key), [...ids, session.id]);
    },
  };
}

/** Written by us and by nobody else: its id is proof enough. */
function isSession(value: unknown): value is Session {
  return typeof value === 'object' && value !== null && 'id' in value && 'step' in value;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** Whole or not at all: the process may be killed at any instruction. */
function writeJson(file: string, value: unknown): void {
  const temporary = `${file}.${process.pid}`;
  try {
    writeFileSync(temporary, JSON.stringify(value));
  } catch {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(temporary, JSON.stringify(value));
  }
  renameSync(temporary, file);
}
