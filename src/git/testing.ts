/**
 * A small world for tests: a user's repository, the local forge over it, our cache, and one item with its branch, all
 * real and below one temporary directory. `agent` runs git as an agent would, in the agent's own clone.
 */
import { cp, mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll } from 'vitest';
import { openLocalForge } from '../forges/local/index.ts';
import type { LocalForge } from '../forges/local/index.ts';
import { createBranch } from './branch.ts';
import { fetchRepository, openRepository } from './repository.ts';
import type { Repository } from './repository.ts';
import { saveWork } from './save-work.ts';
import type { SaveResult, SaveWorkOptions } from './save-work.ts';
import { prepareTree, treeDirectory } from './tree.ts';

export const ITEM = 'ET-1';
export const BRANCH = 'feature/ET-1-work';

export interface World {
  root: string;
  home: string;
  source: string;
  forge: LocalForge;
  repo: Repository;
  /** Base branch's first commit, where the item's branch starts. */
  start: string;
  /** The agent's working clone. */
  tree: string;
  prepare(commit?: string): Promise<string>;
  save(options?: Partial<SaveWorkOptions>): Promise<SaveResult>;
  /** Plain git in a directory, with an author; trimmed stdout. */
  run(directory: string, ...args: string[]): Promise<string>;
  /** Writes a file below a directory, making parents. */
  write(directory: string, name: string, text: string): Promise<void>;
  /** Commits files to a branch of the forge from outside, as a person would; returns the commit. */
  pushFromOutside(files: Record<string, string>, branch?: string): Promise<string>;
  remove(): Promise<void>;
}

/** Makes the world. `files` is what the first commit holds. Made once per test file and kind, then copied. */
export async function createWorld(
  files: Record<string, string> = { 'README.md': 'hello\n', 'src/a.txt': 'a\n' },
): Promise<World> {
  const kind = JSON.stringify(files);
  const template = templates.get(kind) ?? buildTemplate(files);
  templates.set(kind, template);
  const root = await mkdtemp(path.join(os.tmpdir(), 'stagewright-git-'));
  await cp(await template, root, { recursive: true });
  const { home, source, forge, repo } = await openWorld(root);
  const start = await runGit(source, 'rev-parse', 'HEAD');
  let outsiders = 0;
  return {
    root,
    home,
    source,
    forge,
    repo,
    start,
    tree: treeDirectory(home, ITEM),
    prepare: (commit = start) => prepareTree({ repo, home, itemId: ITEM, branch: BRANCH, commit }),
    save: (options = {}) =>
      saveWork({
        repo,
        home,
        itemId: ITEM,
        branch: BRANCH,
        base: start,
        runId: 'run-1',
        message: 'ET-1: development by the developer',
        allowedPaths: null,
        interrupted: false,
        patchPath: path.join(root, 'outside.patch'),
        ...options,
      }),
    run: runGit,
    write: writeBelow,
    async pushFromOutside(changes, branch = BRANCH) {
      outsiders += 1;
      const clone = path.join(root, `outsider-${outsiders}`);
      await runGit(root, 'clone', '--quiet', '--branch', branch, forge.remoteUrl, clone);
      await commitFiles(clone, changes, 'from outside');
      await runGit(clone, 'push', '--quiet', 'origin', branch);
      return runGit(clone, 'rev-parse', 'HEAD');
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

const templates = new Map<string, Promise<string>>();
afterAll(async () => {
  for (const root of templates.values()) await rm(await root, { recursive: true, force: true });
});

async function buildTemplate(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'stagewright-git-template-'));
  const source = path.join(root, 'source');
  await mkdir(source);
  await runGit(source, 'init', '--quiet', '--template=', '--initial-branch=main');
  const start = await commitFiles(source, files, 'first');
  const { repo } = await openWorld(root);
  await fetchRepository(repo);
  await createBranch(repo, { branch: BRANCH, from: start, itemId: ITEM });
  return root;
}

async function openWorld(root: string): Promise<Pick<World, 'home' | 'source' | 'forge' | 'repo'>> {
  const home = path.join(root, 'home');
  const source = path.join(root, 'source');
  const forge = await openLocalForge({ home, key: 'ET', source, branch: 'main' });
  const repo = await openRepository({
    home,
    repositoryId: forge.repositoryId,
    remoteUrl: forge.remoteUrl,
    gitEnv: forge.gitEnvironment(),
    baseBranch: 'main',
  });
  return { home, source, forge, repo };
}

/** Plain git with a neutral configuration and an author; trimmed stdout. */
export async function runGit(directory: string, ...args: string[]): Promise<string> {
  const { stdout } = await execa('git', args, {
    cwd: directory,
    extendEnv: false,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: directory,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Ada',
      GIT_AUTHOR_EMAIL: 'ada@example.org',
      GIT_COMMITTER_NAME: 'Ada',
      GIT_COMMITTER_EMAIL: 'ada@example.org',
    },
  });
  return stdout.trim();
}

export async function writeBelow(directory: string, name: string, text: string): Promise<void> {
  const file = path.join(directory, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
}

/** Writes and commits files in a clone; returns the commit. */
export async function commitFiles(directory: string, files: Record<string, string>, message: string): Promise<string> {
  for (const [name, text] of Object.entries(files)) await writeBelow(directory, name, text);
  await runGit(directory, 'add', '--all');
  await runGit(directory, 'commit', '--quiet', '--allow-empty', '-m', message);
  return runGit(directory, 'rev-parse', 'HEAD');
}
