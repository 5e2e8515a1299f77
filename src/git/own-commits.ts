/**
 * The agent's own commits, and whether they may be kept as they are. One that carries what is never committed, or lines
 * that only we may write, would put it on the forge for good: then the work becomes one commit of ours instead.
 */
import { claimsTrailers } from './commit.ts';
import { gitLine } from './git.ts';
import { withObjects } from './objects.ts';
import type { ObjectReader, TreeEntry } from './objects.ts';
import { isAncestor } from './read.ts';
import { MAX_FILE_BYTES, MAX_NEW_FILES, refuseContent, refuseLink } from './refusals.ts';
import type { Repository } from './repository.ts';

/** More commits than this in one run are taken as one. */
const MAX_OWN_COMMITS = 500;

/**
 * Commits of `base..head` that no branch of the forge has (the item's own aside), oldest first; null where they cannot
 * be kept: not built on base, too many, or with forbidden content.
 */
export async function keepableCommits(
  repo: Repository,
  range: { base: string; head: string; branch: string },
): Promise<string[] | null> {
  const [descends, commits] = await Promise.all([isAncestor(repo, range.base, range.head), ownCommits(repo, range)]);
  if (!descends || commits.length > MAX_OWN_COMMITS) return null;
  const isFine = await withObjects(repo.gitDir, async (reader) => {
    const seen = new Set<string>();
    for (const commit of commits) if (!(await isClean(reader, commit, seen))) return false;
    return true;
  });
  return isFine ? commits : null;
}

/** Commits of `base..head` that are on no branch of the forge but the item's own, oldest first. */
export async function ownCommits(
  repo: Repository,
  range: { base: string; head: string; branch: string },
): Promise<string[]> {
  const limit = `--max-count=${MAX_OWN_COMMITS + 1}`;
  const others = ['--not', range.base, `--exclude=${range.branch}`, '--branches'];
  const list = await gitLine(['rev-list', '--topo-order', '--reverse', limit, range.head, ...others], {
    gitDir: repo.gitDir,
  });
  return list.split('\n').filter((line) => line !== '');
}

async function isClean(reader: ObjectReader, oid: string, seen: Set<string>): Promise<boolean> {
  const commit = await reader.commit(oid);
  if (claimsTrailers(commit.message)) return false;
  const parents = await Promise.all(commit.parents.map(async (parent) => (await reader.commit(parent)).tree));
  for (const [filePath, entry] of await newEntries(reader, commit.tree, parents)) {
    const key = `${entry.mode} ${entry.oid} ${filePath}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (seen.size > MAX_NEW_FILES || !(await isAllowed(reader, filePath, entry))) return false;
  }
  return true;
}

async function isAllowed(reader: ObjectReader, filePath: string, entry: TreeEntry): Promise<boolean> {
  if (entry.mode === '160000') return false;
  const info = await reader.info(entry.oid);
  if (info === null || info.size > MAX_FILE_BYTES) return false;
  const content = await reader.contents(entry.oid);
  if (entry.mode === '120000') return refuseLink(filePath, content.toString('utf8')) === null;
  return refuseContent(filePath, content) === null;
}

/** Entries (no directories) of a tree that are in none of the parents' trees at that path. */
async function newEntries(
  reader: ObjectReader,
  tree: string,
  parents: readonly string[],
  prefix = '',
): Promise<[string, TreeEntry][]> {
  if (parents.includes(tree)) return [];
  const others = await Promise.all(
    parents.map(async (parent) => new Map((await reader.tree(parent)).map((entry) => [entry.name, entry]))),
  );
  const found: [string, TreeEntry][] = [];
  for (const entry of await reader.tree(tree)) {
    const before = others.map((entries) => entries.get(entry.name));
    if (before.some((other) => other?.oid === entry.oid && other.mode === entry.mode)) continue;
    const filePath = prefix + entry.name;
    if (entry.mode !== '40000') found.push([filePath, entry]);
    else {
      const folders = before.filter((other) => other?.mode === '40000').map((other) => other?.oid ?? '');
      found.push(...(await newEntries(reader, entry.oid, folders, `${filePath}/`)));
    }
  }
  return found;
}
