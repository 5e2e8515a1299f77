/**
 * Our bare cache of one forge repository: `<home>/repos/<repositoryId>.git`. Everything we read, commit and push goes
 * through it; an agent never sees it. No process is needed to open it, and two processes may use it at once.
 */
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errnoOf } from '../errors.ts';
import { git, GitError, gitLine, REMOTE_TIMEOUT_MS } from './git.ts';
import { checkBranch, checkName, checkObjectId, isObjectId } from './names.ts';

export interface Repository {
  /** Instance directory. */
  readonly home: string;
  readonly repositoryId: string;
  /** The bare cache. */
  readonly gitDir: string;
  readonly remoteUrl: string;
  /** Never pushed to by us: only a landing moves it. */
  readonly baseBranch: string;
  /** Environment for git when it talks to the remote (askpass helper). */
  readonly remoteEnv: Record<string, string>;
}

export interface OpenRepositoryOptions {
  home: string;
  repositoryId: string;
  remoteUrl: string;
  /** From `Forge.gitEnvironment()`. */
  gitEnv: Record<string, string>;
  baseBranch: string;
}

/** Opens the cache, making it where it is missing. Cheap: no git process, so it may be called by every activity. */
export async function openRepository(options: OpenRepositoryOptions): Promise<Repository> {
  checkName('repository id', options.repositoryId);
  checkBranch(options.baseBranch);
  const gitDir = path.join(path.resolve(options.home), 'repos', `${options.repositoryId}.git`);
  const config = cacheConfig(options.remoteUrl);
  const present = await readFile(path.join(gitDir, 'config'), 'utf8').catch(() => null);
  if (present === null) await createCache(gitDir, config);
  else if (present !== config) await replaceFile(path.join(gitDir, 'config'), config);
  return {
    home: path.resolve(options.home),
    repositoryId: options.repositoryId,
    gitDir,
    remoteUrl: options.remoteUrl,
    baseBranch: options.baseBranch,
    remoteEnv: options.gitEnv,
  };
}

/** A bare repository written by hand: no template, no hooks, nothing of the user's configuration. */
export async function createBareRepository(directory: string, config: string, headBranch: string): Promise<boolean> {
  await mkdir(path.dirname(directory), { recursive: true });
  const fresh = await mkdtemp(`${directory}.new-`);
  try {
    for (const part of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'info']) {
      await mkdir(path.join(fresh, part), { recursive: true });
    }
    await writeFile(path.join(fresh, 'config'), config);
    await writeFile(path.join(fresh, 'HEAD'), `ref: refs/heads/${headBranch}\n`);
    await rename(fresh, directory);
    return true;
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    const code = errnoOf(error);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Brings all heads and `refs/stagewright/*` into the cache. Concurrent fetches of this process share one git process;
 * another process's fetch makes this one try again.
 */
export async function fetchRepository(repo: Repository, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await shareFetch(repo);
  signal?.throwIfAborted();
}

function shareFetch(repo: Repository): Promise<void> {
  const running = fetches.get(repo.gitDir);
  if (running?.waiting !== undefined) return running.waiting;
  // A fetch that began before this call may have missed what the caller knows to be there: it waits for the next one.
  const before = running?.current ?? Promise.resolve();
  const entry = running ?? { current: before, waiting: undefined };
  const mine = before
    .catch(() => undefined)
    .then(async () => {
      entry.waiting = undefined;
      entry.current = mine;
      await fetchWithRetry(repo);
    })
    .finally(() => {
      if (entry.current === mine && entry.waiting === undefined) fetches.delete(repo.gitDir);
    });
  entry.waiting = mine;
  fetches.set(repo.gitDir, entry);
  return mine;
}

const fetches = new Map<string, { current: Promise<void>; waiting: Promise<void> | undefined }>();
const FETCH_TRIES = 6;

async function fetchWithRetry(repo: Repository): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await git(['fetch', '--quiet', '--no-tags', '--prune', '--no-write-fetch-head', 'origin'], {
        gitDir: repo.gitDir,
        env: repo.remoteEnv,
        timeoutMs: REMOTE_TIMEOUT_MS,
      });
      return;
    } catch (error) {
      if (!(error instanceof GitError) || attempt === FETCH_TRIES || !isLockTrouble(error)) throw error;
      await clearStaleLock(repo, error);
      await new Promise((resolve) => setTimeout(resolve, 20 * attempt + Math.random() * 40));
    }
  }
}

function isLockTrouble(error: GitError): boolean {
  return /\.lock'|cannot lock ref|some local refs could not be updated/.test(error.stderr);
}

/** A git process that was killed leaves its lock for ever; one older than any of our time limits belongs to nobody. */
async function clearStaleLock(repo: Repository, error: GitError): Promise<void> {
  const lock = /Unable to create '([^']+\.lock)'/.exec(error.stderr)?.[1];
  if (lock === undefined || !path.resolve(lock).startsWith(repo.gitDir + path.sep)) return;
  const age = await stat(lock).then(
    (found) => Date.now() - found.mtimeMs,
    () => 0,
  );
  if (age > 2 * REMOTE_TIMEOUT_MS) await rm(lock, { force: true });
}

/** The remote's own answer, one round trip: the commit of a branch, or null. */
export async function remoteHead(repo: Repository, branch: string, signal?: AbortSignal): Promise<string | null> {
  return (await remoteRefs(repo, [`refs/heads/${checkBranch(branch)}`], signal))[0] ?? null;
}

/** The remote's own answer for several full ref names, in their order. */
export async function remoteRefs(
  repo: Repository,
  refs: readonly string[],
  signal?: AbortSignal,
): Promise<(string | null)[]> {
  const { stdout } = await git(['ls-remote', '--quiet', 'origin', ...refs], {
    gitDir: repo.gitDir,
    env: repo.remoteEnv,
    timeoutMs: REMOTE_TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  const found = new Map(stdout.split('\n').map((line) => [line.slice(line.indexOf('\t') + 1), line.split('\t')[0]]));
  return refs.map((ref) => found.get(ref) ?? null);
}

/** What the cache last saw of a ref, or null. */
export async function cachedRef(repo: Repository, ref: string): Promise<string | null> {
  const line = await gitLine(['for-each-ref', '--format=%(objectname)', ref], { gitDir: repo.gitDir });
  const first = line.split('\n')[0] ?? '';
  return isObjectId(first) ? first : null;
}

/** Fetches only if the commit is not in the cache yet. Throws GitError where the remote does not have it either. */
export async function ensureCommit(repo: Repository, commit: string, signal?: AbortSignal): Promise<void> {
  checkObjectId(commit);
  const has = async (): Promise<boolean> =>
    (await git(['cat-file', '-e', `${commit}^{commit}`], { gitDir: repo.gitDir, okCodes: [0, 1, 128] })).code === 0;
  if (await has()) return;
  await fetchRepository(repo, signal);
  if (await has()) return;
  throw new GitError(`commit ${commit} is not on the forge`, { code: null, stderr: '', retryable: false });
}

async function createCache(gitDir: string, config: string): Promise<void> {
  await createBareRepository(gitDir, config, 'main');
}

/** One pack per fetch keeps an agent's copy of the objects cheap. */
function cacheConfig(remoteUrl: string): string {
  return `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[fetch]
\tunpackLimit = 1
[remote "origin"]
\turl = ${quoteConfig(remoteUrl)}
\tfetch = +refs/heads/*:refs/heads/*
\tfetch = +refs/stagewright/*:refs/stagewright/*
`;
}

/** A value for a git configuration file. */
export function quoteConfig(value: string): string {
  return `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
}

async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(temporary, text);
  await rename(temporary, file);
}
