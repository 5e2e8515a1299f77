/**
 * What a schema cannot see of a project: that its repository and branch are there, that its commands exist, that its
 * trigger states are not our own. Every finding is one that would otherwise surface in the middle of an item.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import type { ProjectConfig } from '../config-types.ts';
import type { BoardState } from '../domain/types.ts';
import { isRemote } from './build.ts';
import { checkCommand } from './commands.ts';
import type { ConfigPath } from './problems.ts';
import { findBranch, findRepository, listBranches } from './repository.ts';
import { findNearest } from './suggest.ts';

export interface ProjectFinding {
  /** Path below the project. */
  path: ConfigPath;
  message: string;
  mend: string | null;
}

/** Board states that we set ourselves: a trigger on one of them would start the item again by our own hand. */
const OUR_STATES = [
  'in-progress',
  'in-review',
  'needs-input',
  'blocked',
  'done',
  'cancelled',
] as const satisfies BoardState[];

/** Everything that is wrong with a project; an empty list where it can be worked on. Runs a few git lookups. */
export function validateProject(project: ProjectConfig, env: NodeJS.ProcessEnv): ProjectFinding[] {
  const findings = [...checkStages(project), ...checkStates(project), ...checkPaths(project)];
  const repository = checkRepository(project, env);
  findings.push(...repository.findings, ...checkCommands(project, repository.usable ? project.repository : null, env));
  return findings;
}

function checkRepository(
  project: ProjectConfig,
  env: NodeJS.ProcessEnv,
): { usable: boolean; findings: ProjectFinding[] } {
  if (isRemote(project.repository)) {
    return /^[a-z][a-z0-9+.-]*:\/\/[^/@]*:[^/@]+@/i.test(project.repository)
      ? unusable(
          'the URL holds a credential',
          'take it out: git gets credentials from the environment, never from a URL',
        )
      : { usable: false, findings: [] };
  }
  if (!isDirectory(project.repository)) {
    return unusable(`there is no directory ${project.repository}`, 'correct the path, or clone the repository there');
  }
  const top = findRepository(project.repository, env);
  if (top === null) {
    return unusable(
      `${project.repository} is not a git repository, or git may not read it`,
      `git -C ${project.repository} status says why; for a new project: git init && git add . && git commit`,
    );
  }
  if (findBranch(project.repository, project.branch, env) !== null) return { usable: true, findings: [] };
  const branches = listBranches(project.repository, env);
  if (branches.length === 0)
    return unusable('the repository has no commit yet', 'git commit something on the branch first', 'branch');
  const nearest = findNearest(project.branch, branches);
  return unusable(
    `the repository has no branch "${project.branch}"${nearest === null ? '' : `; did you mean "${nearest}"?`}`,
    `its branches: ${branches.slice(0, 5).join(', ')}`,
    'branch',
  );
}

function unusable(message: string, mend: string, at = 'repository'): { usable: false; findings: ProjectFinding[] } {
  return { usable: false, findings: [{ path: [at], message, mend }] };
}

function checkCommands(project: ProjectConfig, repository: string | null, env: NodeJS.ProcessEnv): ProjectFinding[] {
  const findings: ProjectFinding[] = [];
  const { setup } = project.commands;
  for (const [name, argv] of Object.entries(project.commands)) {
    const place = { repository, branch: project.branch, hasSetup: setup !== undefined && name !== 'setup', env };
    const finding = checkCommand(argv, place);
    if (finding !== null) findings.push({ path: ['commands', name], ...finding });
  }
  if (project.commands.test === undefined && project.developmentGate === 'local') {
    findings.push({
      path: ['commands', 'test'],
      message: 'is missing: without it nothing can be called tested',
      mend: 'name the test command, e.g. test: npm test; or, to merge untested, developmentGate: none',
    });
  }
  return findings;
}

function checkStages(project: ProjectConfig): ProjectFinding[] {
  return project.skipStages.includes('development')
    ? [{ path: ['skipStages'], message: 'development cannot be left out', mend: 'take it out of the list' }]
    : [];
}

function checkStates(project: ProjectConfig): ProjectFinding[] {
  const ours = new Map(OUR_STATES.map((state) => [project.boardStates[state].toLowerCase(), state]));
  return (project.triggerStates ?? []).flatMap((name, index) => {
    const meaning = ours.get(name.toLowerCase());
    if (meaning === undefined) return [];
    return [
      {
        path: ['triggerStates', index],
        message: `"${name}" is a state that we set ourselves (${meaning}): an item would start itself again`,
        mend: 'use a state that only people set',
      },
    ];
  });
}

function checkPaths(project: ProjectConfig): ProjectFinding[] {
  const candidates: [ConfigPath, string][] = [
    ...Object.entries(project.artifacts).flatMap(([key, value]): [ConfigPath, string][] =>
      Array.isArray(value)
        ? value.map((name, index): [ConfigPath, string] => [['artifacts', key, index], name])
        : [[['artifacts', key], value]],
    ),
    ...project.extraPaths.map((name, index): [ConfigPath, string] => [['extraPaths', index], name]),
    ...(project.markersFile === null ? [] : [[['markersFile'], project.markersFile] as [ConfigPath, string]]),
  ];
  return candidates
    .filter(
      ([, name]) =>
        name === '' ||
        path.posix.isAbsolute(name) ||
        name.split('/').includes('..') ||
        name.split('/').includes('.git'),
    )
    .map(([where, name]) => ({
      path: where,
      message: `"${name}" does not stay inside the repository`,
      mend: 'write a path relative to the top of the repository, without ..',
    }));
}

function isDirectory(directory: string): boolean {
  try {
    return statSync(directory).isDirectory();
  } catch {
    return false;
  }
}
