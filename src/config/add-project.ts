/**
 * `submit --repo`: makes a project of a directory, choosing key, branch and commands from what the repository says, and
 * saying what was chosen. The result is a file like any other: a person may correct it.
 */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Config, ProjectConfig } from '../config-types.ts';
import { DEFAULT_LIMITS } from '../domain/budgets.ts';
import { errnoOf, StagewrightError } from '../errors.ts';
import { buildProject } from './build.ts';
import { detectBranch, detectSetup, detectTestCommand } from './detect.ts';
import { addedProjectsDirectory } from './load.ts';
import { validateProject } from './project-check.ts';
import { askGit, findRepository } from './repository.ts';
import { projectSchema } from './schema.ts';

export interface NewProject {
  /** Directory in or of a repository of this machine. */
  repository: string;
  key?: string | undefined;
  branch?: string | undefined;
  /** Test command, run by `sh -c`. */
  test?: string | undefined;
}

export interface AddedProject {
  key: string;
  project: ProjectConfig;
  /** File it is kept in; null where it comes from stagewright.yaml. */
  file: string | null;
  /** False where the repository already had its project. */
  added: boolean;
  /** What was chosen and why, a line each, for people. */
  chosen: string[];
}

/**
 * The project of a repository: the one that has it, else a new one in `<home>/projects/<KEY>.yaml`.
 * Throws StagewrightError where the directory is no repository or has no test command to be found.
 */
export function addProject(
  home: string,
  input: NewProject,
  known: Config['projects'],
  env: NodeJS.ProcessEnv,
): AddedProject {
  const repository = findTop(input.repository, env);
  const existing = Object.values(known).find((project) => samePath(project.repository, repository));
  if (existing !== undefined && (input.key === undefined || input.key === existing.key)) {
    return {
      key: existing.key,
      project: existing,
      file: null,
      added: false,
      chosen: [`project ${existing.key}: ${repository}`],
    };
  }
  const chosen: string[] = [];
  const branch = input.branch ?? chooseBranch(repository, env, chosen);
  const commands = chooseCommands(repository, branch, input, env, chosen);
  const key = chooseKey(repository, input.key, Object.keys(known));
  const value = { repository, branch, commands };
  const project = buildProject(key, projectSchema.parse(value), DEFAULT_LIMITS, [], {
    base: repository,
    warn: () => undefined,
  });
  const finding = validateProject(project, env)[0];
  if (finding !== undefined) {
    throw new StagewrightError('project_invalid', `${repository}: ${finding.path.join('.')}: ${finding.message}`, {
      exit: 'config',
      ...(finding.mend === null ? {} : { mend: finding.mend }),
    });
  }
  const file = writeProject(home, key, value);
  return { key, project, file, added: true, chosen: [`project ${key}: ${repository}`, ...chosen, `kept in ${file}`] };
}

function findTop(directory: string, env: NodeJS.ProcessEnv): string {
  const top = findRepository(directory, env);
  if (top !== null) return top;
  throw new StagewrightError('repository_missing', `${directory} is not in a git repository`, {
    exit: 'config',
    mend: 'name a directory that is, or make it one: git init && git add . && git commit -m "first"',
  });
}

function chooseBranch(repository: string, env: NodeJS.ProcessEnv, chosen: string[]): string {
  const branch = detectBranch(repository, env);
  if (branch === null) {
    throw new StagewrightError('branch_unknown', `${repository} has no branch with a commit that could be the base`, {
      exit: 'config',
      mend: 'commit something, or name the branch with --branch',
    });
  }
  chosen.push(`branch ${branch}: where HEAD is`);
  const status = askGit(repository, ['status', '--porcelain', '--untracked-files=no'], env);
  if (status !== null && status !== '')
    chosen.push('uncommitted changes there are not seen by the work item: commit what it needs');
  return branch;
}

function chooseCommands(
  repository: string,
  branch: string,
  input: NewProject,
  env: NodeJS.ProcessEnv,
  chosen: string[],
): Record<string, string | string[]> {
  const commands: Record<string, string | string[]> = {};
  const setup = detectSetup(repository, branch, env);
  if (setup !== null) {
    commands['setup'] = setup.argv;
    chosen.push(`set-up: ${setup.argv.join(' ')} (${setup.from})`);
  }
  if (input.test !== undefined) return { ...commands, test: input.test };
  const test = detectTestCommand(repository, branch, env);
  if (test === null) {
    throw new StagewrightError('test_command_unknown', `${repository} does not say how its tests are run`, {
      exit: 'config',
      mend: 'name the command: --test "npm test"',
    });
  }
  chosen.push(`tests: ${test.argv.join(' ')} (${test.from})`);
  return { ...commands, test: test.argv };
}

function chooseKey(repository: string, wanted: string | undefined, taken: string[]): string {
  if (wanted !== undefined) {
    if (/^[A-Z][A-Z0-9]{0,11}$/.test(wanted) && !taken.includes(wanted)) return wanted;
    throw new StagewrightError(
      'project_key',
      taken.includes(wanted) ? `project ${wanted} is another repository` : `${wanted} cannot be a project key`,
      {
        exit: 'usage',
        mend: 'use 2 to 6 capital letters that no other project has',
      },
    );
  }
  const key = deriveKey(path.basename(repository).replace(/\.git$/, ''));
  if (!taken.includes(key)) return key;
  const letters = Array.from({ length: 26 }, (_, index) => String.fromCharCode(65 + index));
  const free = letters
    .flatMap((letter) => [letter, ...letters.map((second) => letter + second)])
    .map((end) => key.slice(0, 6 - end.length) + end);
  return (
    free.toSorted((left, right) => left.length - right.length).find((candidate) => !taken.includes(candidate)) ??
    `${key.slice(0, 4)}ZZ`
  );
}

/** `enduro-trails` → ET, `shop` → SHOP, `stagewright` → STAGEW. */
export function deriveKey(name: string): string {
  const words = name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toUpperCase()
    .split(/[^A-Z]+/)
    .filter((word) => word !== '');
  const key = words.length > 1 ? words.map((word) => word[0]).join('') : (words[0] ?? '');
  return key.length >= 2 ? key.slice(0, 6) : 'PROJ';
}

function writeProject(home: string, key: string, value: object): string {
  const directory = addedProjectsDirectory(home);
  const file = path.join(directory, `${key}.yaml`);
  try {
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      file,
      `# Added by stagewright submit. Keys as in a project of stagewright.yaml.\n${stringify(value)}`,
      { flag: 'wx' },
    );
  } catch (error) {
    throw new StagewrightError('project_not_kept', `${file} cannot be written: ${errnoOf(error) ?? 'unknown'}`, {
      mend:
        errnoOf(error) === 'EEXIST'
          ? 'that file holds another or a faulty project: stagewright doctor names it'
          : 'check the directory and its owner',
      cause: error,
    });
  }
  return file;
}

function samePath(left: string, right: string): boolean {
  try {
    return realpathSync(left) === realpathSync(right);
  } catch {
    return left === right;
  }
}
