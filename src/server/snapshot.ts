/**
 * One look at everything: open items, the last closed ones, the launch gates and the merge queues. Parts that cannot be
 * had are named in `problems`; the rest is still shown.
 */
import { LAUNCH_GATE_WORKFLOW, MERGE_QUEUE_WORKFLOW, WORK_ITEM_WORKFLOW } from '../domain/protocol.ts';
import type { LaunchGateStatus, MergeQueueStatus, WorkItemStatus } from '../domain/protocol.ts';
import { messageOf } from '../errors.ts';
import { listItems, listWorkflows, mapLimited, queryWorkflow } from './items.ts';
import type { Answer, ItemClient, ItemSummary } from './items.ts';

export interface ItemLook {
  summary: ItemSummary;
  answer: Answer<WorkItemStatus>;
}

/** How many closed executions ended in which way. */
export interface ClosedCounts {
  done: number;
  cancelled: number;
  /** Failed, terminated or timed out: a work item never should. */
  failed: number;
}

export interface Snapshot {
  open: ItemLook[];
  closed: ItemLook[];
  closedCounts: ClosedCounts;
  gates: LaunchGateStatus[];
  mergeQueues: MergeQueueStatus[];
  /** What could not be had, for people. */
  problems: string[];
  takenAtMs: number;
}

/** Bounds the load of one look; 500 open items are far past what one machine works on. */
const OPEN_LIMIT = 500;
const CLOSED_LIMIT = 10;
const PARALLEL = 8;
const OPEN_TIMEOUT_MS = 2_000;

/** Takes snapshots; remembers the answers of closed executions, which do not change. */
export class SnapshotTaker {
  readonly #client: () => ItemClient | Promise<ItemClient>;
  readonly #closedAnswers = new Map<string, Answer<WorkItemStatus>>();

  constructor(client: () => ItemClient | Promise<ItemClient>) {
    this.#client = client;
  }

  /** Throws only where there is no client at all. */
  async take(): Promise<Snapshot> {
    const client = await this.#client();
    const problems: string[] = [];
    const guarded = async <T>(what: string, fallback: T, work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        problems.push(`${what}: ${messageOf(error)}`);
        return fallback;
      }
    };
    const [openSummaries, closedSummaries, closedCounts, gates, mergeQueues] = await Promise.all([
      guarded('open items', [], () => listItems(client, { which: 'open', limit: OPEN_LIMIT })),
      guarded('closed items', [], () => listItems(client, { which: 'closed', limit: CLOSED_LIMIT })),
      guarded('counts', { done: 0, cancelled: 0, failed: 0 }, () => countClosed(client)),
      guarded('launch gates', [], () => askAll<LaunchGateStatus>(client, LAUNCH_GATE_WORKFLOW, problems)),
      guarded('merge queues', [], () => askAll<MergeQueueStatus>(client, MERGE_QUEUE_WORKFLOW, problems)),
    ]);
    const open = await mapLimited(openSummaries, PARALLEL, async (summary) => ({
      summary,
      answer: await queryWorkflow<WorkItemStatus>(client, summary.itemId, { timeoutMs: OPEN_TIMEOUT_MS }),
    }));
    const closed = await mapLimited(closedSummaries, PARALLEL, async (summary) => ({
      summary,
      answer: await this.#askClosed(client, summary),
    }));
    for (const { summary, answer } of open) {
      if (!answer.ok) problems.push(`${summary.itemId}: ${answer.message}`);
    }
    return { open, closed, closedCounts, gates, mergeQueues, problems, takenAtMs: Date.now() };
  }

  async #askClosed(client: ItemClient, summary: ItemSummary): Promise<Answer<WorkItemStatus>> {
    const known = this.#closedAnswers.get(summary.runId);
    if (known !== undefined) return known;
    const options = { runId: summary.runId, timeoutMs: OPEN_TIMEOUT_MS };
    const answer = await queryWorkflow<WorkItemStatus>(client, summary.itemId, options);
    if (!answer.ok) return answer;
    if (this.#closedAnswers.size >= 10 * CLOSED_LIMIT) this.#closedAnswers.clear();
    this.#closedAnswers.set(summary.runId, answer);
    return answer;
  }
}

async function askAll<T>(client: ItemClient, type: string, problems: string[]): Promise<T[]> {
  const query = `WorkflowType='${type}' AND ExecutionStatus='Running'`;
  const workflows = await listWorkflows(client, query, { limit: 50 });
  const answers = await mapLimited(workflows, PARALLEL, async ({ itemId }) => ({
    itemId,
    answer: await queryWorkflow<T>(client, itemId, { timeoutMs: OPEN_TIMEOUT_MS }),
  }));
  return answers.flatMap(({ itemId, answer }) => {
    if (answer.ok) return [answer.value];
    problems.push(`${itemId}: ${answer.message}`);
    return [];
  });
}

async function countClosed(client: ItemClient): Promise<ClosedCounts> {
  const count = async (condition: string): Promise<number> => {
    const query = `WorkflowType='${WORK_ITEM_WORKFLOW}' AND ${condition}`;
    return (await client.withDeadline(Date.now() + OPEN_TIMEOUT_MS, () => client.workflow.count(query))).count;
  };
  const [completed, cancelledStage, cancelled, failed] = await Promise.all([
    count("ExecutionStatus='Completed'"),
    count("ExecutionStatus='Completed' AND Stage='cancelled'"),
    count("ExecutionStatus='Canceled'"),
    count("ExecutionStatus IN ('Failed','Terminated','TimedOut')"),
  ]);
  return { done: completed - cancelledStage, cancelled: cancelledStage + cancelled, failed };
}
