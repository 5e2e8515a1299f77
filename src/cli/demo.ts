/**
 * The demo: one work item through every stage, on a real repository with real tests, by the scripted agent. The answer
 * and the approval go through the very functions behind `answer` and `approve`.
 */
import path from 'node:path';
import { loadConfig } from '../config.ts';
import type { Config } from '../config-types.ts';
import type { WorkItemStatus } from '../domain/protocol.ts';
import { formatDuration, formatTokens, formatUsd } from '../domain/usage.ts';
import { messageOf, StagewrightError } from '../errors.ts';
import { ensureLocalPerson } from '../people/local-person.ts';
import type { Stack } from '../stack.ts';
import { createTerminalAttendant } from './attend.ts';
import { findLivingInstance } from './connect.ts';
import type { Context } from './context.ts';
import { decide } from './decide.ts';
import { prepareDemo, verifyMerged } from './demo-setup.ts';
import type { DemoSetup } from './demo-setup.ts';
import { EXIT_INTERRUPTED } from './failures.ts';
import { followItem } from './follow.ts';
import type { Attendant } from './follow.ts';
import { untilAborted, withStack } from './foreground.ts';
import { oneLine, plain } from './output.ts';
import { renderStages } from './render-item.ts';
import { submitItem } from './submit-item.ts';

export interface DemoOptions {
  /** The person at the terminal gives the answer and the approval. */
  interactive: boolean;
  /** Stays up at the end also without a terminal. */
  keep: boolean;
}

export async function runDemo(context: Context, options: DemoOptions): Promise<void> {
  const { output } = context;
  if (options.interactive && !context.interactive) {
    throw new StagewrightError('usage', '--interactive needs a terminal', {
      exit: 'usage',
      mend: 'leave it out: the demo then answers itself',
    });
  }
  output.progress(output.colors.bold('Stagewright demo: one work item, from its ticket to a green merge.'));
  output.progress(
    'The agent is scripted: no model is involved, its tokens and costs are made up. git, tests, merges and Temporal are real.',
  );
  const setup = await prepareDemo(await chooseHome(context), await chooseKey());
  const config = readConfig(context, setup);
  const stack = {
    config,
    reload: () => readConfig(context, setup),
    http: true,
    workers: true,
    progress: (line: string) => output.progress(output.colors.dim(line)),
  };
  await withStack({ stack, how: 'stopRuns', output, farewell: 'ending the demo …' }, (running, signal) =>
    playDemo(context, { setup, config, options, stack: running, signal }),
  );
}

async function chooseHome(context: Context): Promise<string> {
  const home = path.join(context.loadConfig({ check: false }).home, 'demo');
  const living = await findLivingInstance(home);
  if (living === null) return home;
  throw new StagewrightError('already_running', `a demo is running already (pid ${living.pid})`, {
    mend: 'end it first, with Ctrl-C',
  });
}

/** On a server of its own each demo's item is DEMO-1; on a shared one it must not meet an earlier demo's. */
async function chooseKey(): Promise<string> {
  const { isTemporalConfigured } = await import('../temporal/connection.ts');
  return isTemporalConfigured()
    ? `DEMO${Math.floor(Date.now() / 1000)
        .toString(36)
        .toUpperCase()}`
    : 'DEMO';
}

function readConfig(context: Context, setup: DemoSetup): Config {
  return loadConfig({
    file: setup.configFile,
    home: setup.home,
    cwd: setup.home,
    env: { PATH: context.env['PATH'], HOME: context.env['HOME'] },
  });
}

interface Playing {
  setup: DemoSetup;
  config: Config;
  options: DemoOptions;
  stack: Stack;
  signal: AbortSignal;
}

async function playDemo(context: Context, playing: Playing): Promise<void> {
  const { setup, stack, options, signal } = playing;
  const { output } = context;
  const { ticket, project, home } = setup;
  output.progress(`ticket: ${output.colors.bold(ticket.title)}`);
  for (const line of ticket.description.split('\n')) output.progress(line === '' ? '' : `  ${line}`);
  const { itemId, firstRunId } = await submitItem(stack.client, home, {
    project,
    title: ticket.title,
    description: ticket.description,
    createdBy: ensureLocalPerson(home, context.env).name,
  });
  const stuck = new AbortController();
  const attendant = options.interactive
    ? createTerminalAttendant({ client: stack.client, home, env: context.env, output, stdin: context.stdin })
    : createDemoAttendant(context, playing, stuck);
  const status = await followItem({
    client: stack.client,
    itemId,
    output,
    attendant,
    signal: AbortSignal.any([signal, stuck.signal]),
  });

  if (signal.aborted && status?.state !== 'done') {
    output.progress('ended before its end; nothing is left running');
    context.exitCode = EXIT_INTERRUPTED;
    return;
  }
  const landed = status?.merged == null ? null : await verifyMerged(home, project, status.merged.head);
  const ok = status?.state === 'done' && landed !== null;
  if (!ok) context.exitCode = 1;
  const uiUrl =
    stack.uiUrl === null ? null : `${stack.uiUrl}/namespaces/${stack.namespace}/workflows/${itemId}/${firstRunId}`;
  output.result({ itemId, ok, uiUrl, home, mergedOnMain: landed !== null, status }, () =>
    status === null ? [`${itemId} never answered`] : summarise(context, { status, uiUrl, setup, landed }),
  );
  if (output.live || options.keep) {
    output.progress('');
    output.progress(output.colors.bold('Everything stays up for you to look around. Ctrl-C ends it.'));
    await untilAborted(signal);
  }
}

/** Answers and approves as a person would, and says which command that is. Anything else is not in the script. */
function createDemoAttendant(context: Context, { setup, stack }: Playing, stuck: AbortController): Attendant {
  const { output, env, program } = context;
  const { home, ticket } = setup;
  return {
    async attend({ itemId, waiting }) {
      const base = { client: stack.client, home, env, itemId };
      try {
        if (waiting?.kind === 'answer') {
          output.progress(`${itemId} asks:`);
          for (const line of plain(waiting.reason).trim().split('\n')) output.progress(`  ${line}`);
          output.progress(output.colors.bold(`$ ${program} answer ${itemId} ${JSON.stringify(ticket.answer)}`));
          await decide({ ...base, command: 'answer', text: ticket.answer });
        } else if (waiting?.kind === 'approval') {
          output.progress(
            `${itemId} asks for approval of: ${(waiting.files ?? []).map((file) => path.basename(file)).join(', ')}`,
          );
          output.progress(output.colors.bold(`$ ${program} approve ${itemId}`));
          await decide({ ...base, command: 'approve' });
        } else {
          throw new Error(`it waits for a person: ${waiting?.reason ?? 'no reason'}`);
        }
      } catch (error) {
        output.progress(output.colors.red(`the demo cannot go on: ${messageOf(error)}`));
        stuck.abort();
      }
    },
  };
}

interface Ending {
  status: WorkItemStatus;
  uiUrl: string | null;
  setup: DemoSetup;
  landed: { subject: string; forge: string } | null;
}

function summarise(context: Context, { status, uiUrl, setup, landed }: Ending): string[] {
  const { output, program } = context;
  const { colors } = output;
  const { usage, runs } = status;
  const tokens = usage.inputTokens + usage.outputTokens + usage.cachedTokens;
  const took = formatDuration(status.updatedAtMs - status.startedAtMs);
  const head = `${status.itemId} is ${status.state} after ${took}`;
  const lines = [
    '',
    status.state === 'done' ? colors.green(colors.bold(head)) : colors.red(colors.bold(head)),
    '',
    ...renderStages(status, colors),
    '',
  ];
  lines.push(
    `${runs.length} runs, ${formatTokens(tokens)} tokens, ${formatUsd(usage.costUsd)} (made up: no model was involved)`,
  );
  lines.push(describeMerge(status, landed));
  if (status.state !== 'done' && status.waiting !== null)
    lines.push(`it waits for ${status.waiting.kind}: ${oneLine(status.waiting.reason)}`);
  const runDir = runs.at(-1)?.runDir;
  lines.push('', colors.bold('Where to look'));
  if (uiUrl !== null) lines.push(`  Temporal Web UI   ${uiUrl}`);
  if (runDir != null) lines.push(`  runs              ${path.dirname(runDir)}`);
  if (landed !== null) lines.push(`  the merge         git -C ${landed.forge} log --stat -1 main`);
  lines.push(`  everything        STAGEWRIGHT_HOME=${setup.home} ${program} show ${status.itemId}   (while it is up)`);
  lines.push('', colors.bold('The same with your own repository and Claude Code'));
  lines.push(`  ${program} submit --repo PATH "title" --agent claude`);
  return lines;
}

function describeMerge(status: WorkItemStatus, landed: Ending['landed']): string {
  if (status.merged === null) return 'nothing was merged';
  if (landed === null) return `${status.merged.head} is NOT on main, says git`;
  return `merged ${status.merged.head} (${oneLine(landed.subject, 80)}); git says it is on main`;
}
