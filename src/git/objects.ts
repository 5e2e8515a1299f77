/**
 * Reads objects through one `git cat-file --batch-command` per repository: a start costs more than a hundred answers.
 * Paths are walked tree by tree, so the mode of every step is known and a link is never followed.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { GitError, gitEnvironment, LOCAL_TIMEOUT_MS } from './git.ts';

const TYPES = ['commit', 'tree', 'blob', 'tag'] as const;
export type ObjectType = (typeof TYPES)[number];

export interface ObjectInfo {
  oid: string;
  type: ObjectType;
  size: number;
}

export interface TreeEntry {
  /** As git writes it: 40000 tree, 100644, 100755, 120000 link, 160000 submodule. */
  mode: string;
  name: string;
  oid: string;
}

export interface CommitInfo {
  tree: string;
  parents: string[];
  /** `Name <mail> seconds zone`, as stored. */
  author: string;
  committer: string;
  message: string;
}

export interface ObjectReader {
  /** Any revision that git understands; null where there is none. */
  info(name: string): Promise<ObjectInfo | null>;
  /** The bytes of an object known to be there. */
  contents(oid: string): Promise<Buffer>;
  commit(oid: string): Promise<CommitInfo>;
  tree(oid: string): Promise<TreeEntry[]>;
  /** What lies at a path of a commit, links not followed; null = nothing. */
  entryAt(commit: string, filePath: string): Promise<TreeEntry | null>;
}

/** A reader nobody uses any more ends after this: a gate's few questions find the one of the work that was saved. */
const IDLE_MS = 10_000;

interface Process {
  child: ReturnType<typeof startProcess>;
  input: ReturnType<typeof createInput>;
  /** The last question asked; the next one waits for its answer. */
  last: Promise<unknown>;
  users: number;
  ending: NodeJS.Timeout | undefined;
}

const processes = new Map<string, Process>();

/** Runs `use` with a reader. One process per repository answers all that read it, and the next ones for a while. */
export async function withObjects<T>(gitDir: string, use: (reader: ObjectReader) => Promise<T>): Promise<T> {
  const process = processes.get(gitDir) ?? openProcess(gitDir);
  clearTimeout(process.ending);
  process.users += 1;
  keepAlive(process, true);
  let limit: NodeJS.Timeout | undefined;
  try {
    limit = setTimeout(() => endProcess(gitDir, process), LOCAL_TIMEOUT_MS);
    return await use(createReader(process));
  } catch (error) {
    // It may be in the middle of an answer, or dead: whoever comes next gets a fresh one.
    if (error instanceof GitError && error.retryable) endProcess(gitDir, process);
    throw error;
  } finally {
    clearTimeout(limit);
    process.users -= 1;
    if (process.users === 0) {
      keepAlive(process, false);
      process.ending = setTimeout(() => endProcess(gitDir, process), IDLE_MS).unref();
    }
  }
}

function openProcess(gitDir: string): Process {
  const child = startProcess(gitDir);
  const process: Process = {
    child,
    input: createInput(child.stdout),
    last: Promise.resolve(),
    users: 0,
    ending: undefined,
  };
  processes.set(gitDir, process);
  // A dead process shows as the end of its output; its pipe must not throw on its own.
  child.stdin.on('error', () => undefined);
  child.once('error', () => endProcess(gitDir, process));
  child.once('exit', () => endProcess(gitDir, process));
  return process;
}

function startProcess(gitDir: string): ChildProcessByStdio<Writable, Readable, null> {
  return spawn('git', ['cat-file', '--batch-command'], {
    cwd: gitDir,
    env: gitEnvironment({ gitDir }),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

function endProcess(gitDir: string, process: Process): void {
  if (processes.get(gitDir) === process) processes.delete(gitDir);
  clearTimeout(process.ending);
  process.child.stdin.destroy();
  process.child.kill('SIGKILL');
}

/** An idle one keeps nobody alive; it ends with whoever started it. */
function keepAlive({ child }: Process, isUsed: boolean): void {
  for (const handle of [child, child.stdin, child.stdout]) {
    if (isUsed && 'ref' in handle && typeof handle.ref === 'function') handle.ref();
    if (!isUsed && 'unref' in handle && typeof handle.unref === 'function') handle.unref();
  }
}

function createReader(process: Process): ObjectReader {
  const { input } = process;
  const trees = new Map<string, TreeEntry[]>();

  /** One question at a time: the answers come in the order of the questions. */
  function inTurn<T>(ask: () => Promise<T>): Promise<T> {
    const mine = process.last.then(ask);
    process.last = mine.catch(() => undefined);
    return mine;
  }

  async function askHeader(command: string, name: string): Promise<ObjectInfo | null> {
    if (/[\n\0]/.test(name)) return null;
    process.child.stdin.write(`${command} ${name}\n`);
    const header = await input.line();
    const match = /^([0-9a-f]{40,64}) (commit|tree|blob|tag) (\d+)$/.exec(header);
    if (match === null) return null;
    const type = TYPES.find((candidate) => candidate === match[2]);
    return type === undefined ? null : { oid: match[1] ?? '', type, size: Number(match[3]) };
  }

  const reader: ObjectReader = {
    info: (name) => inTurn(() => askHeader('info', name)),
    contents: (oid) =>
      inTurn(async () => {
        const header = await askHeader('contents', oid);
        if (header === null) throw missing(oid);
        const bytes = await input.bytes(header.size);
        await input.bytes(1);
        return bytes;
      }),
    commit: async (oid) => parseCommit((await reader.contents(oid)).toString('utf8')),
    tree: async (oid) => {
      const known = trees.get(oid);
      if (known !== undefined) return known;
      const parsed = parseTree(await reader.contents(oid), oid.length / 2);
      trees.set(oid, parsed);
      return parsed;
    },
    entryAt: async (commit, filePath) => {
      const root = await reader.info(`${commit}^{tree}`);
      if (root === null) throw missing(commit);
      let entry: TreeEntry = { mode: '40000', name: '', oid: root.oid };
      for (const part of filePath.split('/').filter((name) => name !== '')) {
        if (entry.mode !== '40000') return null;
        const child = (await reader.tree(entry.oid)).find(({ name }) => name === part);
        if (child === undefined) return null;
        entry = child;
      }
      return entry;
    },
  };
  return reader;
}

function missing(oid: string): GitError {
  return new GitError(`object ${oid.slice(0, 64)} is missing`, { code: null, stderr: '', retryable: false });
}

/** Lines and exact byte counts out of a stream. */
function createInput(stream: Readable): { line(): Promise<string>; bytes(count: number): Promise<Buffer> } {
  const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let chunks: Buffer[] = [];
  let held = 0;
  async function more(): Promise<void> {
    const next = await iterator.next();
    if (next.done === true) {
      throw new GitError('git cat-file ended unexpectedly', { code: null, stderr: '', retryable: true });
    }
    chunks.push(Buffer.from(next.value));
    held += next.value.length;
  }
  function take(count: number): Buffer {
    const all = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    const rest = all.subarray(count);
    chunks = rest.length === 0 ? [] : [rest];
    held = rest.length;
    return all.subarray(0, count);
  }
  return {
    line: async () => {
      for (;;) {
        const all = Buffer.concat(chunks);
        chunks = all.length === 0 ? [] : [all];
        const end = all.indexOf(10);
        if (end >= 0) return take(end + 1).toString('utf8', 0, end);
        await more();
      }
    },
    bytes: async (count) => {
      while (held < count) await more();
      return take(count);
    },
  };
}

function parseCommit(text: string): CommitInfo {
  const end = text.indexOf('\n\n');
  const headers = (end < 0 ? text : text.slice(0, end)).split('\n');
  const all = (key: string): string[] =>
    headers.filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1));
  return {
    tree: all('tree')[0] ?? '',
    parents: all('parent'),
    author: all('author')[0] ?? '',
    committer: all('committer')[0] ?? '',
    message: end < 0 ? '' : text.slice(end + 2),
  };
}

function parseTree(bytes: Buffer, idBytes: number): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const nul = bytes.indexOf(0, space);
    entries.push({
      mode: bytes.toString('latin1', at, space),
      name: bytes.toString('utf8', space + 1, nul),
      oid: bytes.toString('hex', nul + 1, nul + 1 + idBytes),
    });
    at = nul + 1 + idBytes;
  }
  return entries;
}
