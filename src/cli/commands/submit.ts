/** `submit`: a new work item; where nothing is running, this command brings it up, and stays until the item has ended. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Client } from '@temporalio/client';
import { addProject } from '../../config.ts';
import type { AddedProject } from '../../config.ts';
import type { Config } from '../../config-types.ts';
import { findNearest } from '../../config/suggest.ts';
import { agentCli } from '../../agents/index.ts';
import { formatUsage } from '../../domain/usage.ts';
import type { WorkItemStatus } from '../../domain/protocol.ts';
import { StagewrightError } from '../../errors.ts';
import { ensureLocalPerson } from '../../people/local-person.ts';
import { createHintAttendant, createTerminalAttendant } from '../attend.ts';
import type { OpenClient } from '../connect.ts';
import type { Context } from '../context.ts';
import { EXIT_INTERRUPTED } from '../failures.ts';
import { followItem } from '../follow.ts';
import type { Attendant } from '../follow.ts';
import { withStack } from '../foreground.ts';
import { plain } from '../output.ts';
import { readText } from '../read-text.ts';
import { agentsFor, requireAgents, submitItem } from '../submit-item.ts';
import { stackOptions } from './start.ts';

interface SubmitOptions {
  repo?: string;
  project?: string;
  branch?: string;
  test?: string;
  description?: string;
  agent?: string;
  follow?: boolean;
}

export function addSubmit(program: Command, context: Context): void {
  program
    .command('submit')
    .description('start a work item; brings everything up here if nothing is running')
    .argument('<title>', 'what is to be done, in one line')
    .option('--repo <path>', 'repository of this machine; becomes a project on first use')
    .option('--project <key>', 'project of the configuration (or the key for a new one with --repo)')
    .option('--branch <name>', 'base branch of a new project (default: the one HEAD is on)')
    .option('--test <command>', 'test command of a new project (default: found in the repository)')
    .option('--description <text>', 'the whole story; - reads it from stdin')
    .option('--agent <name>', 'agent for every role of this item: claude, scripted')
    .option('--follow', 'stay and watch; asks you when the item needs a person')
    .action((title: string, options: SubmitOptions) => submit(context, title, options));
}

async function submit(context: Context, title: string, options: SubmitOptions): Promise<void> {
  const { output, program } = context;
  if (title.trim() === '') throw new StagewrightError('usage', 'the title is empty', { exit: 'usage' });
  const description = options.description === undefined ? '' : await readText([options.description], context.stdin);
  if (options.agent !== undefined) agentCli(options.agent);
  let config = context.loadConfig();
  const project = chooseProject(context, config, options);
  if (project.added) config = context.loadConfig();
  const projectConfig = config.projects[project.key] ?? project.project;
  for (const line of project.chosen) output.progress(line);

  const running = await openIfRunning(context);
  const agents = agentsFor(config, projectConfig, options.agent);
  if (running === null || running.uiUrl !== null || running.httpUrl !== null) await requireAgents(config, agents);
  output.progress(`agent: ${agents.map((name) => agentCli(name).displayName).join(', ')}`);

  const submission = {
    project: project.key,
    title,
    description,
    createdBy: ensureLocalPerson(config.home, context.env).name,
    ...(options.agent === undefined ? {} : { agent: options.agent }),
  };
  if (running !== null) {
    // A running worker notices a new project within a second.
    if (project.added) await sleep(NOTICE_PROJECT_MS);
    const { itemId, firstRunId } = await submitItem(running.client, config.home, submission);
    if (options.follow !== true) {
      output.result({ itemId, firstRunId, project: project.key }, () => [
        `${itemId} is submitted`,
        `  ${program} status ${itemId}    where it stands`,
        `  ${program} show ${itemId}      everything about it`,
      ]);
      return;
    }
    output.progress(`${itemId} is submitted`);
    const status = await follow(context, running.client, config, itemId);
    finish(context, config, itemId, status, false);
    return;
  }

  // Any free port: 8080 may be somebody else's, and this instance is only a guest.
  const own: Config = { ...config, http: { ...config.http, port: 0 } };
  output.progress('nothing is running: bringing it up here (Ctrl-C ends it; the item can go on later)');
  // The picture of the item says what its alerts would.
  const { alert: _alert, ...stack } = stackOptions(context, own, { http: true, workers: true });
  await withStack({ stack, how: 'stopRuns', output }, async (up, signal) => {
    const { itemId } = await submitItem(up.client, config.home, submission);
    output.progress(`${itemId} is submitted${up.uiUrl === null ? '' : `; Temporal Web UI: ${up.uiUrl}`}`);
    const status = await follow(context, up.client, own, itemId, signal);
    finish(context, own, itemId, status, signal.aborted);
  });
}

/** The worker reads its configuration again when it is older than a second. */
const NOTICE_PROJECT_MS = 1_200;

async function openIfRunning(context: Context): Promise<OpenClient | null> {
  try {
    return await context.openClient();
  } catch (error) {
    if (error instanceof StagewrightError && error.code === 'not_running') return null;
    throw error;
  }
}

function chooseProject(context: Context, config: Config, options: SubmitOptions): AddedProject {
  if (options.repo !== undefined) {
    const repository = path.resolve(context.cwd, options.repo);
    const { project: key, branch, test } = options;
    return addProject(config.home, { repository, key, branch, test }, config.projects, context.env);
  }
  const keys = Object.keys(config.projects);
  const key = options.project ?? (keys.length === 1 ? keys[0] : undefined);
  if (key === undefined) {
    throw new StagewrightError('usage', 'which project?', {
      exit: 'usage',
      mend: keys.length === 0 ? 'name a repository: --repo PATH' : `--project ${keys.join(' | ')}, or --repo PATH`,
    });
  }
  const project = config.projects[key];
  if (project !== undefined) return { key, project, file: null, added: false, chosen: [] };
  const nearest = findNearest(key, keys);
  throw new StagewrightError('project_unknown', `there is no project ${key}`, {
    exit: 'notFound',
    mend:
      nearest === null
        ? `projects: ${keys.join(', ') || 'none; name a repository with --repo PATH'}`
        : `did you mean ${nearest}?`,
  });
}

async function follow(
  context: Context,
  client: Client,
  config: Config,
  itemId: string,
  signal?: AbortSignal,
): Promise<WorkItemStatus | null> {
  const { output, env, program } = context;
  const options = { client, home: config.home, env, output };
  const attendant: Attendant = context.interactive
    ? createTerminalAttendant({ ...options, stdin: context.stdin })
    : createHintAttendant({ ...options, program });
  return await followItem({ client, itemId, output, attendant, ...(signal === undefined ? {} : { signal }) });
}

function finish(
  context: Context,
  config: Config,
  itemId: string,
  status: WorkItemStatus | null,
  interrupted: boolean,
): void {
  const { output, program } = context;
  output.result(status ?? { itemId }, () => {
    if (status?.state === 'done') {
      const project = config.projects[status.project];
      const source = path.join(config.home, 'forge', `${status.project}.git`);
      return [
        `${itemId} is done: ${status.merged?.head ?? 'nothing was merged'} (${formatUsage(status.usage)})`,
        ...(project === undefined
          ? []
          : [`  take it over: git -C ${project.repository} pull ${source} ${project.branch}`]),
      ];
    }
    if (status?.state === 'cancelled')
      return [`${itemId} is cancelled${status.lastReason === null ? '' : `: ${plain(status.lastReason)}`}`];
    return [`${itemId} is kept where it stands; to go on: ${program} start`];
  });
  if (interrupted && status?.state !== 'done' && status?.state !== 'cancelled') context.exitCode = EXIT_INTERRUPTED;
  else if (status?.state === 'cancelled') context.exitCode = 1;
}
