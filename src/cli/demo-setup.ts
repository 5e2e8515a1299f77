/**
 * Prepares the demo: a directory of its own, made afresh each time, with a real git repository made from the sample, and
 * a configuration file that a person may read. Nothing of the real instance is touched.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { z } from 'zod';
import { StagewrightError } from '../errors.ts';
import { packageRoot } from '../paths.ts';

const run = promisify(execFile);

export interface DemoSetup {
  home: string;
  configFile: string;
  repository: string;
  project: string;
  ticket: DemoTicket;
}

const ticketSchema = z.looseObject({ title: z.string(), description: z.string(), answer: z.string() });
export type DemoTicket = z.output<typeof ticketSchema>;

/** Says that the directory is ours to clear. */
const MARKER = '.stagewright-demo';

/**
 * `project`: key of the demo's project. Throws StagewrightError where the directory is somebody's, or git does not work.
 */
export async function prepareDemo(home: string, project: string): Promise<DemoSetup> {
  const examples = path.join(packageRoot, 'examples', 'demo');
  clearHome(home);
  const ticket = ticketSchema.parse(JSON.parse(readFileSync(path.join(examples, 'ticket.json'), 'utf8')));
  const repository = path.join(home, 'repo');
  cpSync(path.join(examples, 'repo'), repository, { recursive: true });
  await makeRepository(repository);
  const configFile = path.join(home, 'stagewright.yaml');
  const settings = {
    http: { port: 0 },
    // Nobody is waited for: the answer is complete when it is given, and trouble shows at once.
    limits: { answerSettle: 0, infraRetryBase: '1s', backoffBase: '1s' },
    agents: { scripted: { scenario: path.join(examples, 'scenario.json'), configDir: path.join(home, 'scripted') } },
    defaults: { agent: 'scripted', model: 'scripted' },
    projects: {
      [project]: {
        repository,
        branch: 'main',
        commands: { test: ['node', '--test'] },
        // To be seen at work: without it the merge gate trusts the tests that ran on this very tree.
        skipRetest: false,
        markersFile: 'regression-markers.txt',
      },
    },
  };
  writeFileSync(configFile, `# The demo's own configuration; made afresh each time.\n${stringify(settings)}`);
  return { home, configFile, repository, project, ticket };
}

function clearHome(home: string): void {
  if (existsSync(home) && readdirSync(home).length > 0 && !existsSync(path.join(home, MARKER))) {
    throw new StagewrightError('demo_directory', `${home} is not empty, and not a demo's`, {
      mend: 'move it away, or set STAGEWRIGHT_HOME to another directory',
    });
  }
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  mkdirSync(home, { recursive: true, mode: 0o700 });
  writeFileSync(
    path.join(home, MARKER),
    'This directory belongs to `stagewright demo`, which clears it at each start.\n',
  );
}

async function makeRepository(directory: string): Promise<void> {
  const env = { PATH: process.env['PATH'], HOME: directory, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
  const identity = ['-c', 'user.name=Demo', '-c', 'user.email=demo@localhost'];
  const git = (...args: string[]): Promise<unknown> => run('git', ['-C', directory, ...identity, ...args], { env });
  try {
    await git('init', '--quiet', '--initial-branch=main');
    await git('add', '--all');
    await git('commit', '--quiet', '--message', 'Courier 1.3.0');
  } catch (error) {
    throw new StagewrightError('demo_repository', 'git could not make the sample repository', {
      mend: 'git 2.38 or later is needed: git --version',
      cause: error,
    });
  }
}

/** What git itself says: is this commit on main, and what is its subject? Null where it is not there. */
export async function verifyMerged(
  home: string,
  project: string,
  commit: string,
): Promise<{ subject: string; forge: string } | null> {
  const forge = path.join(home, 'forge', `${project}.git`);
  const env = { PATH: process.env['PATH'], GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
  try {
    await run('git', ['-C', forge, 'merge-base', '--is-ancestor', commit, 'refs/heads/main'], { env });
    const { stdout } = await run('git', ['-C', forge, 'log', '-1', '--format=%s', commit], { env });
    return { subject: stdout.trim(), forge };
  } catch {
    return null;
  }
}
