/**
 * Merging and replaying without a worktree: `git merge-tree --write-tree` decides every conflict, so that nothing is
 * checked out, no merge driver of anybody's configuration runs, and a conflict the developer resolved by merging the
 * base branch is not met again.
 */
import { dateOf, stamp, withTrailers, writeCommit, claimsTrailers } from './commit.ts';
import { git, GitError } from './git.ts';
import { withObjects } from './objects.ts';
import type { Repository } from './repository.ts';

export interface MergeConflict {
  kind: 'conflict';
  files: string[];
  /** What git says about it, at most 4 KiB. */
  text: string;
}
export type MergeResult = { kind: 'clean'; tree: string } | MergeConflict;

const TEXT_LIMIT = 4_096;

/** The tree of merging two commits, or the conflict. Unrelated histories are a conflict without files. */
export async function mergeTrees(repo: Repository, ours: string, theirs: string): Promise<MergeResult> {
  const args = ['merge-tree', '--write-tree', '-z', '--name-only', '--messages', ours, theirs];
  const answer = await git(args, { gitDir: repo.gitDir, okCodes: [0, 1] }).catch((error: unknown) => {
    if (error instanceof GitError && error.stderr.includes('unrelated histories')) return null;
    throw error;
  });
  if (answer === null) return { kind: 'conflict', files: [], text: 'the two histories have nothing in common' };
  const parts = answer.stdout.split('\0');
  const tree = parts[0] ?? '';
  if (answer.code === 0) return { kind: 'clean', tree };
  const end = parts.indexOf('', 1);
  return { kind: 'conflict', files: parts.slice(1, end), text: messagesOf(parts.slice(end + 1)).slice(0, TEXT_LIMIT) };
}

/** Messages after the file list: count, paths, short type, text; only the conflicts are of interest. */
function messagesOf(parts: readonly string[]): string {
  const messages: string[] = [];
  for (let at = 0; at < parts.length && parts[at] !== ''; ) {
    const paths = Number(parts[at]);
    const text = parts[at + paths + 2] ?? '';
    if (text.startsWith('CONFLICT')) messages.push(text.trim());
    at += paths + 3;
  }
  return messages.join('\n');
}

export type ReplayResult = { kind: 'clean'; head: string; tree: string } | MergeConflict;

/**
 * Puts commits (oldest first, no merges among them) on top of `onto`, keeping author, date and message. A commit that
 * changes nothing there is left out. With `trailers`, messages that lack them get them.
 */
export async function replayCommits(
  repo: Repository,
  request: { commits: readonly string[]; onto: string; trailers?: Record<string, string> },
): Promise<ReplayResult> {
  return withObjects(repo.gitDir, async (reader) => {
    let head = request.onto;
    let { tree } = await reader.commit(head);
    for (const oid of request.commits) {
      const commit = await reader.commit(oid);
      const parent = commit.parents[0];
      if (parent === undefined || commit.parents.length > 1) {
        return { kind: 'conflict', files: [], text: `${oid} is a merge or a root` };
      }
      const merged: MergeResult =
        (await reader.commit(parent)).tree === tree
          ? { kind: 'clean', tree: commit.tree }
          : await mergeTrees(repo, await beside(repo, parent, tree), oid);
      if (merged.kind === 'conflict') return merged;
      if (merged.tree === tree) continue;
      tree = merged.tree;
      const { trailers } = request;
      const message =
        trailers === undefined || claimsTrailers(commit.message)
          ? commit.message
          : withTrailers(commit.message, trailers);
      head = await writeCommit(repo.gitDir, {
        tree,
        parents: [head],
        message,
        author: commit.author,
        committer: stamp(dateOf(commit.committer)),
      });
    }
    return { kind: 'clean', head, tree };
  });
}

/** A commit with a given tree whose only parent is `parent`: makes `parent` the merge base of what is merged with it. */
export async function beside(repo: Repository, parent: string, tree: string): Promise<string> {
  return writeCommit(repo.gitDir, {
    tree,
    parents: [parent],
    message: 'merge base',
    author: stamp(0),
    committer: stamp(0),
  });
}
