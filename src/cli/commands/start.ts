/** `start`, `worker`, `http`: the parts of an instance, in the foreground until they are told to end. */
import type { Command } from 'commander';
import type { Config } from '../../config-types.ts';
import { UNCONFINED_WARNING } from '../../confine/index.ts';
import { StagewrightError } from '../../errors.ts';
import type { Stack, StackOptions, StopMode } from '../../stack.ts';
import { findLivingInstance, nothingRunning } from '../connect.ts';
import type { Context } from '../context.ts';
import { untilAborted, withStack } from '../foreground.ts';

export function addStart(program: Command, context: Context): void {
  program
    .command('start')
    .description('bring up Temporal, worker and HTTP here, and stay (Ctrl-C ends runs resumably)')
    .action(async () => {
      const config = context.loadConfig();
      await refuseSecond(config);
      const farewell = 'ending: runs are stopped so that they can go on later …';
      await serve(context, config, { http: true, workers: true, how: 'stopRuns', farewell }, (stack) => {
        for (const line of welcome(context, config, stack)) context.output.line(line);
      });
    });
}

export function addWorker(program: Command, context: Context): void {
  program
    .command('worker')
    .description('run a worker of the configured Temporal server or of the instance here')
    .option('--drain', 'at the end wait for the runs instead of leaving them at work')
    .action(async ({ drain = false }: { drain?: boolean }) => {
      const config = context.loadConfig();
      await joinInstance(config);
      const farewell = drain
        ? 'draining: no new runs; waiting for those at work …'
        : 'ending: runs stay at work and are attached to later …';
      await serve(
        context,
        config,
        { http: false, workers: true, how: drain ? 'drain' : 'detach', farewell },
        (stack) => {
          context.output.line(`worker of ${stack.address}, namespace ${stack.namespace}`);
        },
      );
    });
}

export function addHttp(program: Command, context: Context): void {
  program
    .command('http')
    .description('serve HTTP alone, for the configured Temporal server or the instance here')
    .action(async () => {
      const config = context.loadConfig();
      await joinInstance(config);
      await serve(context, config, { http: true, workers: false, how: 'detach', farewell: 'ending …' }, (stack) => {
        context.output.line(`HTTP at ${stack.httpUrl ?? '?'}, Temporal at ${stack.address}`);
      });
    });
}

interface Serving {
  http: boolean;
  workers: boolean;
  how: StopMode;
  farewell: string;
}

async function serve(context: Context, config: Config, serving: Serving, greet: (stack: Stack) => void): Promise<void> {
  const { output } = context;
  for (const warning of config.warnings) output.progress(`warning: ${warning}`);
  await withStack(
    { stack: stackOptions(context, config, serving), how: serving.how, output, farewell: serving.farewell },
    async (stack, signal) => {
      const { address, namespace, uiUrl, httpUrl } = stack;
      output.result({ pid: process.pid, address, namespace, uiUrl, httpUrl }, () => []);
      greet(stack);
      await untilAborted(signal);
    },
  );
}

/** What a stack of this command's configuration is made from. */
export function stackOptions(
  context: Context,
  config: Config,
  parts: { http: boolean; workers: boolean },
): StackOptions {
  return {
    config,
    // Repositories were looked at when the program started; a reload is asked for every second.
    reload: () => ({ ...context.loadConfig({ check: false }), http: config.http }),
    http: parts.http,
    workers: parts.workers,
    progress: (line) => context.output.progress(context.output.colors.dim(line)),
    alert: (line) => context.output.progress(line),
  };
}

async function refuseSecond(config: Config): Promise<void> {
  const living = await findLivingInstance(config.home);
  if (living === null) return;
  throw new StagewrightError(
    'already_running',
    `an instance of ${config.home} is running already (pid ${living.pid}, ${living.address})`,
    {
      mend: 'use it; or end it first; or give this one another STAGEWRIGHT_HOME',
    },
  );
}

/** A worker or HTTP server without a server of its own joins the one that runs here. */
async function joinInstance(config: Config): Promise<void> {
  const { isTemporalConfigured } = await import('../../temporal/connection.ts');
  if (isTemporalConfigured()) return;
  const living = await findLivingInstance(config.home);
  if (living === null) throw nothingRunning();
  process.env['TEMPORAL_ADDRESS'] = living.address;
  process.env['TEMPORAL_NAMESPACE'] = living.namespace;
}

function welcome(context: Context, config: Config, stack: Stack): string[] {
  const { program, output } = context;
  const projects = Object.keys(config.projects);
  const lines = ['', output.colors.bold('Stagewright is up.')];
  if (stack.uiUrl !== null) lines.push(`  Temporal Web UI  ${stack.uiUrl}`);
  if (stack.httpUrl !== null) lines.push(`  queue and status ${stack.httpUrl}`);
  lines.push(`  kept in          ${config.home}`);
  lines.push(`  projects         ${projects.length === 0 ? 'none yet' : projects.join(', ')}`);
  lines.push('', 'Next, in another terminal:');
  lines.push(`  ${program} submit --repo PATH "title" --agent claude   a work item for a repository of yours`);
  lines.push(`  ${program} demo                                        the whole road, with the scripted agent`);
  lines.push(`  ${program} doctor                                      what is missing, and how to mend it`);
  if (config.defaults.agent === 'scripted')
    lines.push('', 'The default agent is the scripted one: no model is involved until you name another.');
  if (config.sandbox.kind === 'none') lines.push('', output.colors.dim(UNCONFINED_WARNING));
  return [...lines, ''];
}
