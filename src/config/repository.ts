/**
 * Reading a repository of this machine while configuration is checked. Only questions that touch no working tree and
 * start nothing that the repository could name (no hooks, no fsmonitor, no filters).
 */
import { spawnSync } from 'node:child_process';

/** Seconds are plenty: these are local lookups; the limit bounds a repository on a dead network disk. */
const GIT_TIMEOUT_MS = 10_000;
const GIT_OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024;

/** Output of a git question without its last newline, or null where git says no. */
export function askGit(repository: string, args: string[], env: NodeJS.ProcessEnv): string | null {
  const answer = spawnSync('git', ['-C', repository, ...args], {
    encoding: 'utf8',
    timeout: GIT_TIMEOUT_MS,
    maxBuffer: GIT_OUTPUT_LIMIT_BYTES,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      PATH: env['PATH'],
      HOME: env['HOME'],
      LC_ALL: 'C',
      GIT_OPTIONAL_LOCKS: '0',
      GIT_TERMINAL_PROMPT: '0',
      GIT_CEILING_DIRECTORIES: env['GIT_CEILING_DIRECTORIES'],
    },
  });
  return answer.status === 0 ? answer.stdout.replace(/\n$/, '') : null;
}

/** The repository that `directory` belongs to: its top directory, or the directory of a bare one; else null. */
export function findRepository(directory: string, env: NodeJS.ProcessEnv): string | null {
  if (askGit(directory, ['rev-parse', '--is-bare-repository'], env) === 'true') {
    return askGit(directory, ['rev-parse', '--absolute-git-dir'], env);
  }
  return askGit(directory, ['rev-parse', '--show-toplevel'], env);
}

/** Commit of a branch, or null where there is no such branch. */
export function findBranch(repository: string, branch: string, env: NodeJS.ProcessEnv): string | null {
  return askGit(repository, ['rev-parse', '--verify', '--quiet', `refs/heads/${branch}^{commit}`], env);
}

export function listBranches(repository: string, env: NodeJS.ProcessEnv): string[] {
  const names = askGit(
    repository,
    ['for-each-ref', '--format=%(refname:short)', '--sort=-committerdate', 'refs/heads'],
    env,
  );
  return names === null || names === '' ? [] : names.split('\n');
}

/** Names in a directory of a branch (its top by default). */
export function listTree(repository: string, branch: string, env: NodeJS.ProcessEnv, directory = ''): string[] {
  const target = directory === '' ? `refs/heads/${branch}` : `refs/heads/${branch}:${directory}`;
  const names = askGit(repository, ['ls-tree', '--name-only', '-z', target], env);
  return names === null ? [] : names.split('\0').filter((name) => name !== '');
}

/** A file's text at a branch; null where there is none. */
export function readAtBranch(repository: string, branch: string, file: string, env: NodeJS.ProcessEnv): string | null {
  return askGit(repository, ['cat-file', 'blob', `refs/heads/${branch}:${file}`], env);
}

/** True where something with this name is at the branch. */
export function existsAtBranch(repository: string, branch: string, file: string, env: NodeJS.ProcessEnv): boolean {
  return askGit(repository, ['cat-file', '-e', `refs/heads/${branch}:${file}`], env) !== null;
}
