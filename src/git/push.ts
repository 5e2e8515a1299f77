/**
 * Every push of ours goes through here. Each names what it expects on the remote (a lease with an explicit id, empty =
 * absent), so a push is a compare-and-swap; and none can ever name the base branch, which only a landing moves.
 */
import { cleanStderr, git, GitError, isRetryable, REMOTE_TIMEOUT_MS } from './git.ts';
import { checkObjectId, isRefPath } from './names.ts';
import type { Repository } from './repository.ts';

export interface RefUpdate {
  /** Full name, `refs/heads/…` or `refs/stagewright/…`. */
  ref: string;
  /** null deletes it. */
  commit: string | null;
  /** What must be there now; null = the ref must be absent; left out = anything (private refs only). */
  expected?: string | null;
}

export type PushResult =
  /** `unchanged`: refs that were there at this very commit already, whoever made them. */
  { result: 'pushed'; unchanged: string[] } | { result: 'moved'; reason: string };

/**
 * Pushes all updates or none. `moved`: some ref is not at what was expected. Throws GitError for everything else
 * (network, a protected branch, a refusing hook) and for the base branch, whatever the caller meant.
 */
export async function pushRefs(
  repo: Repository,
  updates: readonly RefUpdate[],
  options: { signal?: AbortSignal } = {},
): Promise<PushResult> {
  for (const update of updates) checkUpdate(repo, update);
  const leases = updates
    .filter(({ expected }) => expected !== undefined)
    .map(({ ref, expected }) => `--force-with-lease=${ref}:${expected ?? ''}`);
  const specs = updates.map(
    ({ ref, commit, expected }) => `${expected === undefined ? '+' : ''}${commit ?? ''}:${ref}`,
  );
  const atomic = updates.length > 1 ? ['--atomic'] : [];
  const { code, stdout, stderr } = await git(
    ['push', '--porcelain', '--verbose', '--no-verify', ...atomic, ...leases, 'origin', ...specs],
    {
      gitDir: repo.gitDir,
      env: repo.remoteEnv,
      timeoutMs: REMOTE_TIMEOUT_MS,
      okCodes: [0, 1],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  );
  const lines = stdout.split('\n').map((line) => line.split('\t'));
  if (code === 0) return { result: 'pushed', unchanged: lines.filter(([flag]) => flag === '=').map(targetOf) };
  // In an atomic push the other refs only say that one of them failed; a lost race is told on stderr alone.
  const reasons = lines.filter(([flag]) => flag === '!').map((line) => line[2] ?? '');
  const telling = reasons.filter((reason) => !reason.includes('atomic'));
  const isMoved = telling.length > 0 ? telling.every((reason) => MOVED.test(reason)) : RACED.test(stderr);
  if (isMoved) return { result: 'moved', reason: telling[0] ?? 'another push was first' };
  const why = cleanStderr([...telling, stderr].join('\n'));
  throw new GitError(`push refused: ${why}`, { code, stderr: why, retryable: isRetryable(`${why} ${stderr}`) });
}

/** The forge's words for "that ref is not at what you expected". */
const MOVED = /stale info|fetch first|non-fast-forward|incorrect old value|reference already exists|but expected/;
const RACED = /reference already exists|but expected [0-9a-f]/;

/** `from:to` of a porcelain line. */
function targetOf(line: readonly string[]): string {
  const pair = line[1] ?? '';
  return pair.slice(pair.indexOf(':') + 1);
}

function checkUpdate(repo: Repository, update: RefUpdate): void {
  const { ref } = update;
  const isPrivate = ref.startsWith('refs/stagewright/');
  if (!isRefPath(ref) || !(isPrivate || ref.startsWith('refs/heads/'))) throw refuse(`${ref} is no ref of ours`);
  if (ref === `refs/heads/${repo.baseBranch}`) throw refuse('the base branch is never pushed: only a landing moves it');
  if (update.expected === undefined && !isPrivate) throw refuse('a branch is pushed only against a known head');
  if (update.commit !== null) checkObjectId(update.commit);
  if (update.expected !== null && update.expected !== undefined) checkObjectId(update.expected);
}

function refuse(reason: string): GitError {
  return new GitError(`push refused: ${reason}`, { code: null, stderr: reason, retryable: false });
}
