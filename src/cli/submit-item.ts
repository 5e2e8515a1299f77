/** Puts an item on the local board and starts its workflow; the board's own id is the workflow's. */
import { defineSearchAttributeKey } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import { agentCli } from '../agents/index.ts';
import type { Config, ProjectConfig } from '../config-types.ts';
import { MAIN_QUEUE, WORK_ITEM_WORKFLOW } from '../domain/protocol.ts';
import type { WorkItemInput } from '../domain/protocol.ts';
import { ROLES } from '../domain/types.ts';
import { StagewrightError } from '../errors.ts';
import { openLocalTracker } from '../trackers/local/index.ts';
import { BOT_NAME } from './decide.ts';

export interface Submission {
  project: string;
  title: string;
  description: string;
  /** Agent for every role of this item. */
  agent?: string;
  createdBy: string;
}

export interface Submitted {
  itemId: string;
  firstRunId: string;
}

/** Throws TrackerError where the board refuses, and the client's errors. */
export async function submitItem(client: Client, home: string, submission: Submission): Promise<Submitted> {
  const { project, title, description, agent, createdBy } = submission;
  const tracker = openLocalTracker({ home, botName: BOT_NAME });
  const item = await tracker.createItem({ project, title, description, createdBy });
  const input: WorkItemInput = { itemId: item.id, project, title, ...(agent === undefined ? {} : { agent }) };
  const handle = await client.workflow.start(WORK_ITEM_WORKFLOW, {
    workflowId: item.id,
    taskQueue: MAIN_QUEUE,
    args: [input],
    // An id of the board names one item for ever; a second execution would hide the first.
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    memo: { title, project },
    staticSummary: title.slice(0, 200),
    typedSearchAttributes: [
      { key: defineSearchAttributeKey('Project', 'KEYWORD'), value: project },
      { key: defineSearchAttributeKey('Stage', 'KEYWORD'), value: 'created' },
    ],
  });
  return { itemId: item.id, firstRunId: handle.firstExecutionRunId };
}

/** Names of the agents that an item of this project launches. */
export function agentsFor(config: Config, project: ProjectConfig, agent: string | undefined): string[] {
  if (agent !== undefined) return [agent];
  return [
    ...new Set(ROLES.map((role) => project.roles[role]?.agent ?? config.roles[role]?.agent ?? config.defaults.agent)),
  ];
}

/** Asks each agent's own preflight, before anything is started. Throws `agent_not_ready` with the mend. */
export async function requireAgents(config: Config, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const cli = agentCli(name);
    const report = await cli.preflight(config.agents[name] ?? {});
    if (report.ok) continue;
    throw new StagewrightError(
      'agent_not_ready',
      `${cli.displayName} cannot be used: ${report.reason ?? 'its preflight failed'}`,
      {
        exit: 'config',
        mend: report.mend ?? 'stagewright doctor says more',
      },
    );
  }
}
