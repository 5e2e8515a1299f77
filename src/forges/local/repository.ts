/**
 * The local forge's bare repository: a copy of the base branch and tags of the user's repository, which itself is only
 * read. A push to the base branch is refused by the repository (`receive.hideRefs`), whoever makes it; a landing and a
 * fast-forward from the source move it, and the reflog keeps every value that it ever had.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { StagewrightError } from '../../errors.ts';
import { git, GitError, gitLine, REMOTE_TIMEOUT_MS } from '../../git/git.ts';
import { checkBranch } from '../../git/names.ts';
import { createBareRepository } from '../../git/repository.ts';

/** Same as the base branch, but shown to pushes, so that they need not send the whole history. */
export const BASE_SHADOW_REF = 'refs/stagewright/base';

export type SyncResult =
  /** `forwarded`: a push from outside came in. */
  | { result: 'same' | 'forwarded'; base: string }
  /** The source lacks what has landed here: nothing to do. */
  | { result: 'behind'; base: string }
  /** Both have commits of their own: a person has to say what counts. */
  | { result: 'diverged'; base: string; source: string };

/** Makes the bare repository at first use; two processes at once make one. */
export async function ensureBareRepository(directory: string, source: string, branch: string): Promise<void> {
  const isThere = await stat(path.join(directory, 'HEAD')).then(
    () => true,
    () => false,
  );
  if (isThere && (await baseOf(directory, branch)) !== null) return;
  if (!isThere) await createBareRepository(directory, forgeConfig(branch), branch);
  await fetchSource(directory, source, branch, ['+refs/tags/*:refs/tags/*']);
  const tip = await sourceTip(directory);
  await updateRefs(directory, [`create refs/heads/${branch} ${tip}`, `update ${BASE_SHADOW_REF} ${tip}`]).catch(
    async (error: unknown) => {
      if ((await baseOf(directory, branch)) === null) throw error;
    },
  );
}

/** Fast-forwards the base branch to the source's, if that is ahead; otherwise never touches it. */
export async function syncBase(directory: string, source: string, branch: string): Promise<SyncResult> {
  await fetchSource(directory, source, branch, []);
  const tip = await sourceTip(directory);
  const base = await baseOf(directory, branch);
  if (base === null) throw new StagewrightError('base_missing', `the local forge has lost its branch ${branch}`);
  if (base === tip) return { result: 'same', base };
  if (await contains(directory, base, tip)) return { result: 'behind', base };
  if (!(await contains(directory, tip, base))) return { result: 'diverged', base, source: tip };
  await updateRefs(directory, [`update refs/heads/${branch} ${tip} ${base}`, `update ${BASE_SHADOW_REF} ${tip}`]);
  return { result: 'forwarded', base: tip };
}

/** Commit of a branch, or null. */
export async function baseOf(directory: string, branch: string): Promise<string | null> {
  return (await readRefs(directory, [`refs/heads/${branch}`]))[0] ?? null;
}

/** Commits of full ref names, in their order. */
export async function readRefs(directory: string, refs: readonly string[]): Promise<(string | null)[]> {
  const list = await gitLine(['for-each-ref', '--format=%(refname) %(objectname)', ...refs], { gitDir: directory });
  const found = new Map(list.split('\n').map((line) => [line.split(' ')[0], line.split(' ')[1]]));
  return refs.map((ref) => found.get(ref) ?? null);
}

/** True where `commit` has `ancestor` in its history, or is it. */
export async function contains(directory: string, commit: string, ancestor: string): Promise<boolean> {
  const args = ['merge-base', '--is-ancestor', ancestor, commit];
  return (await git(args, { gitDir: directory, okCodes: [0, 1] })).code === 0;
}

/** All of these `git update-ref --stdin` lines, or none. */
export async function updateRefs(directory: string, lines: readonly string[]): Promise<void> {
  await git(['update-ref', '--stdin'], {
    gitDir: directory,
    input: `start\n${lines.join('\n')}\nprepare\ncommit\n`,
  });
}

const SOURCE_REF = 'refs/source/tip';

async function fetchSource(directory: string, source: string, branch: string, more: readonly string[]): Promise<void> {
  const specs = [`+refs/heads/${checkBranch(branch)}:${SOURCE_REF}`, ...more];
  const args = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--', path.resolve(source), ...specs];
  const fetch = async (): Promise<unknown> => git(args, { gitDir: directory, timeoutMs: REMOTE_TIMEOUT_MS });
  await retryLocked(fetch).catch((error: unknown) => {
    if (!(error instanceof GitError)) throw error;
    if (error.stderr.includes("couldn't find remote ref")) {
      throw new StagewrightError('branch_missing', `the repository has no branch ${branch}`, {
        mend: 'make a first commit on it, or set the project’s branch',
        exit: 'config',
      });
    }
    if (error.stderr.includes('does not appear to be a git repository')) {
      throw new StagewrightError('repository_missing', 'the project’s repository is not a git repository', {
        mend: 'set the project’s repository to the path of one',
        exit: 'config',
      });
    }
    if (error.stderr.includes('dubious ownership')) {
      throw new StagewrightError('repository_owner', 'the project’s repository belongs to another user', {
        mend: 'let the user that runs Stagewright own it, or give it a clone of its own',
        exit: 'config',
      });
    }
    throw error;
  });
}

/** Another process that opens the same forge holds a ref for a moment. */
async function retryLocked(run: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run();
      return;
    } catch (error) {
      const isLocked = error instanceof GitError && /lock/.test(error.stderr);
      if (!isLocked || attempt === 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, 30 * attempt + Math.random() * 30));
    }
  }
}

async function sourceTip(directory: string): Promise<string> {
  const [tip] = await readRefs(directory, [SOURCE_REF]);
  if (tip === undefined || tip === null) {
    throw new GitError('the source was fetched and has no tip', { code: null, stderr: '', retryable: true });
  }
  return tip;
}

function forgeConfig(branch: string): string {
  return `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = always
[receive]
\thideRefs = refs/heads/${branch}
\tautogc = false
\tadvertiseAtomic = true
[gc]
\tauto = 0
`;
}
