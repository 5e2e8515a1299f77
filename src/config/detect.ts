/** What a repository says of itself: its branch, how its tests are run, what a fresh checkout needs first. */
import { isOnPath, readScripts } from './commands.ts';
import { askGit, findBranch, listBranches, listTree, readAtBranch } from './repository.ts';

export interface Detected {
  argv: string[];
  /** What it was taken from, for people. */
  from: string;
}

/** The branch HEAD is on, else main or master, else the only one there is. */
export function detectBranch(repository: string, env: NodeJS.ProcessEnv): string | null {
  const head = askGit(repository, ['symbolic-ref', '--quiet', '--short', 'HEAD'], env);
  if (head !== null && findBranch(repository, head, env) !== null) return head;
  const branches = listBranches(repository, env);
  return (
    branches.find((name) => name === 'main') ??
    branches.find((name) => name === 'master') ??
    (branches.length === 1 ? (branches[0] ?? null) : null)
  );
}

/** The test command, or null where nothing tells. */
export function detectTestCommand(repository: string, branch: string, env: NodeJS.ProcessEnv): Detected | null {
  const top = listTree(repository, branch, env);
  const has = (name: string): boolean => top.includes(name);
  if (has('package.json')) {
    const script = readScripts(readAtBranch(repository, branch, 'package.json', env) ?? '')?.['test'];
    if (typeof script === 'string' && !/no test specified/.test(script))
      return { argv: ['npm', 'test'], from: 'scripts.test of package.json' };
  }
  for (const name of ['Makefile', 'makefile', 'GNUmakefile']) {
    if (has(name) && /^test\s*:/m.test(readAtBranch(repository, branch, name, env) ?? '')) {
      return { argv: ['make', 'test'], from: `the target test of ${name}` };
    }
  }
  if (has('go.mod')) return { argv: ['go', 'test', './...'], from: 'go.mod' };
  if (has('Cargo.toml')) return { argv: ['cargo', 'test'], from: 'Cargo.toml' };
  const pytest = detectPytest(repository, branch, top, env);
  if (pytest !== null) return pytest;
  const nodeTests = [...top, ...(has('test') ? listTree(repository, branch, env, 'test') : [])].find((name) =>
    /[.-]test\.[cm]?js$/.test(name),
  );
  return nodeTests === undefined ? null : { argv: ['node', '--test'], from: nodeTests };
}

function detectPytest(repository: string, branch: string, top: string[], env: NodeJS.ProcessEnv): Detected | null {
  const argv = isOnPath('pytest', env) ? ['pytest'] : ['python3', '-m', 'pytest'];
  const file = ['pytest.ini', 'conftest.py', 'tox.ini'].find((name) => top.includes(name));
  if (file !== undefined) return { argv, from: file };
  if (/^\[tool\.pytest/m.test(readAtBranch(repository, branch, 'pyproject.toml', env) ?? ''))
    return { argv, from: 'pyproject.toml' };
  const tests = top.includes('tests') ? listTree(repository, branch, env, 'tests') : [];
  const found = [...top, ...tests].find((name) => /^test_\w+\.py$/.test(name));
  return found === undefined ? null : { argv, from: found };
}

/** What must run once in a fresh checkout, or null where nothing tells. */
export function detectSetup(repository: string, branch: string, env: NodeJS.ProcessEnv): Detected | null {
  const top = listTree(repository, branch, env);
  if (top.includes('package-lock.json')) return { argv: ['npm', 'ci'], from: 'package-lock.json' };
  if (top.includes('pnpm-lock.yaml')) return { argv: ['pnpm', 'install', '--frozen-lockfile'], from: 'pnpm-lock.yaml' };
  if (top.includes('yarn.lock')) return { argv: ['yarn', 'install', '--frozen-lockfile'], from: 'yarn.lock' };
  return null;
}
