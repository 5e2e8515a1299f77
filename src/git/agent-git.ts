/**
 * The agent's own `.git`: made fresh by us for each run, read by us only as files and objects. Its configuration, hooks
 * and index are never given to a git process of ours: a planted `core.fsmonitor` or filter would run with our rights.
 */
import { constants } from 'node:fs';
import type { Dirent } from 'node:fs';
import { copyFile, lstat, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errnoOf } from '../errors.ts';
import { isRealDirectory } from './directory.ts';
import { git, GitError, gitLine } from './git.ts';
import { isObjectId, isRefPath } from './names.ts';
import type { Repository } from './repository.ts';

const AGENT_CONFIG = `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
[user]
\tname = Stagewright agent
\temail = agent@localhost
[commit]
\tgpgsign = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
`;
/** Branches shown to the agent as `origin/…`. */
const MAX_REMOTE_BRANCHES = 2_000;
/** Largest pack of new objects taken from an agent, bytes. */
const MAX_IMPORT_BYTES = 1024 * 1024 * 1024;
const MAX_OBJECT_FILES = 200_000;

/**
 * Fills `directory` (absent before) as a `.git` with copies of the cache's objects: no remote, no hooks, no hard links.
 * The branches of the forge show as `origin/…`, so that the agent can merge the base branch.
 */
export async function writeAgentGit(
  repo: Repository,
  directory: string,
  at: { commit: string; branch: string | null },
): Promise<void> {
  for (const part of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'info']) {
    await mkdir(path.join(directory, part), { recursive: true });
  }
  const [heads] = await Promise.all([
    gitLine(
      ['for-each-ref', `--count=${MAX_REMOTE_BRANCHES}`, '--format=%(objectname) %(refname:lstrip=2)', 'refs/heads'],
      { gitDir: repo.gitDir },
    ),
    copyObjects(path.join(repo.gitDir, 'objects'), path.join(directory, 'objects')),
    writeFile(path.join(directory, 'config'), AGENT_CONFIG),
  ]);
  const refs = heads.split('\n').filter((line) => line !== '');
  const packed = refs.map((line) => line.replace(' ', ' refs/remotes/origin/'));
  if (at.branch !== null) packed.push(`${at.commit} refs/heads/${at.branch}`);
  await writeFile(path.join(directory, 'packed-refs'), `${packed.join('\n')}\n`);
  await writeFile(
    path.join(directory, 'HEAD'),
    at.branch === null ? `${at.commit}\n` : `ref: refs/heads/${at.branch}\n`,
  );
}

/** Copies packs and loose objects; a reflink where the file system can. */
async function copyObjects(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const folders = (await readdir(from)).filter((name) => /^[0-9a-f]{2}$/.test(name));
      await Promise.all(folders.map((name) => copyFolder(path.join(from, name), path.join(to, name))));
      // Packs last: a repack shows its pack before it removes what it packed, so nothing is missed between the two.
      await copyFolder(path.join(from, 'pack'), path.join(to, 'pack'));
      return;
    } catch (error) {
      // Another process has repacked between our listing and our copy: list again.
      if (errnoOf(error) !== 'ENOENT' || attempt === 3) throw error;
    }
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  const names = (await readdir(from)).filter((name) => /^[0-9a-f]{38,62}$|\.(?:pack|idx)$/.test(name));
  if (names.length === 0) return;
  await mkdir(to, { recursive: true });
  await Promise.all(
    names.map((name) => copyFile(path.join(from, name), path.join(to, name), constants.COPYFILE_FICLONE)),
  );
}

/** The commit that the agent's HEAD names, read as plain files with no link followed; null where there is none. */
export async function readAgentHead(tree: string): Promise<string | null> {
  const directory = path.join(tree, '.git');
  if (!(await isRealDirectory(directory))) return null;
  const head = await readSmallFile(directory, ['HEAD'], 1024);
  if (head === null) return null;
  const text = head.trim();
  if (isObjectId(text)) return text;
  const ref = /^ref: (refs\/\S+)$/.exec(text)?.[1];
  if (ref === undefined || !isRefPath(ref)) return null;
  const loose = (await readSmallFile(directory, ref.split('/'), 1024))?.trim();
  if (loose !== undefined) return isObjectId(loose) ? loose : null;
  const packed = (await readSmallFile(directory, ['packed-refs'], 16 * 1024 * 1024)) ?? '';
  const line = packed.split('\n').find((candidate) => candidate.slice(candidate.indexOf(' ') + 1) === ref);
  const packedId = line?.slice(0, line.indexOf(' ')) ?? '';
  return isObjectId(packedId) ? packedId : null;
}

/**
 * Brings the commits between `base` and `head` from the agent's objects into our cache. git reads the agent's object
 * files only, beside our own; every object is hashed and checked again on the way in. False: they are not whole.
 */
export async function importCommits(
  repo: Repository,
  tree: string,
  range: { base: string; head: string },
  scratch: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const objects = path.join(tree, '.git', 'objects');
  if (!(await isPlainObjectStore(objects))) return false;
  const abort = signal === undefined ? {} : { signal };
  const packFile = `${scratch}.pack`;
  try {
    await git(['pack-objects', '--revs', '--stdout', '--quiet', '--window=0', '--threads=1'], {
      gitDir: repo.gitDir,
      env: { GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(objects) },
      config: { 'core.commitGraph': 'false', 'core.multiPackIndex': 'false', 'pack.useBitmaps': 'false' },
      input: `${range.head}\n^${range.base}\n`,
      stdoutFile: packFile,
      ...abort,
    });
    await git(['index-pack', '--stdin', '--strict', `--max-input-size=${MAX_IMPORT_BYTES}`], {
      gitDir: repo.gitDir,
      config: { 'core.bigFileThreshold': '16m' },
      inputFile: packFile,
      ...abort,
    });
    return true;
  } catch (error) {
    if (error instanceof GitError && !error.timedOut && error.code !== null) return false;
    throw error;
  } finally {
    await rm(packFile, { force: true });
  }
}

/** Directories and regular files only, and no pointer to other object stores. */
async function isPlainObjectStore(objects: string): Promise<boolean> {
  if (!(await isRealDirectory(objects))) return false;
  let files = 0;
  for (const folder of await list(objects)) {
    if (!folder.isDirectory()) return false;
    for (const entry of await list(path.join(objects, folder.name))) {
      files += 1;
      const isGraphFolder = entry.isDirectory() && folder.name === 'info';
      if (files > MAX_OBJECT_FILES || !(entry.isFile() || isGraphFolder)) return false;
      if (folder.name === 'info' && entry.name.endsWith('alternates')) return false;
    }
  }
  return true;
}

async function list(directory: string): Promise<Dirent[]> {
  return readdir(directory, { withFileTypes: true }).catch(() => []);
}

/** A regular file below `root` through real directories only; null where it is anything else. */
async function readSmallFile(root: string, parts: readonly string[], maxBytes: number): Promise<string | null> {
  let current = root;
  for (const part of parts.slice(0, -1)) {
    current = path.join(current, part);
    if (!(await isRealDirectory(current))) return null;
  }
  const file = path.join(current, parts.at(-1) ?? '');
  const found = await lstat(file).catch(() => null);
  if (found === null || !found.isFile() || found.size > maxBytes) return null;
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => null);
  if (handle === null) return null;
  try {
    return await handle.readFile('utf8');
  } catch {
    return null;
  } finally {
    await handle.close();
  }
}
