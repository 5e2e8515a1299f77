/**
 * Work items as Temporal knows them: listed through visibility, asked by the `status` query. A question is bounded in
 * time and each stands alone, so that one item that cannot answer never hides the others.
 */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { QUERY_STATUS, WORK_ITEM_WORKFLOW } from '../domain/protocol.ts';
import type { WorkItemStatus } from '../domain/protocol.ts';
import { STAGES } from '../domain/types.ts';
import type { Stage } from '../domain/types.ts';
import { messageOf } from '../errors.ts';

/** The parts of a client that are needed here; a test gives its own. */
export type ItemClient = Pick<Client, 'workflow' | 'withDeadline'>;

/** What visibility alone says of an item; true also while no worker answers. */
export interface ItemSummary {
  itemId: string;
  runId: string;
  project: string | null;
  title: string | null;
  stage: Stage | null;
  /** Of the execution: RUNNING, COMPLETED, FAILED … */
  execution: string;
  startedAtMs: number;
  closedAtMs: number | null;
}

/**
 * - `no-worker`: Temporal answers, but nobody who could run the query
 * - `not-found`: no such workflow
 * - `unreachable`: Temporal itself does not answer
 * - `failed`: the query was answered with an error
 */
export type NoAnswer = 'no-worker' | 'not-found' | 'unreachable' | 'failed';
export type Answer<T> = { ok: true; value: T } | { ok: false; why: NoAnswer; message: string };

/** A query that a living worker answers takes milliseconds; a cold one replays its history first. */
export const QUERY_TIMEOUT_MS = 3_000;

/** Asks a workflow; never throws. */
export async function queryWorkflow<T>(
  client: ItemClient,
  workflowId: string,
  options: { runId?: string; query?: string; timeoutMs?: number } = {},
): Promise<Answer<T>> {
  const timeoutMs = options.timeoutMs ?? QUERY_TIMEOUT_MS;
  try {
    const value = await client.withDeadline(Date.now() + timeoutMs, () =>
      client.workflow.getHandle(workflowId, options.runId).query<T>(options.query ?? QUERY_STATUS),
    );
    return { ok: true, value };
  } catch (error) {
    return { ok: false, ...explainNoAnswer(error) };
  }
}

export function queryItem(client: ItemClient, itemId: string, timeoutMs?: number): Promise<Answer<WorkItemStatus>> {
  return queryWorkflow<WorkItemStatus>(client, itemId, timeoutMs === undefined ? {} : { timeoutMs });
}

/** gRPC status codes. */
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const FAILED_PRECONDITION = 9;
const UNAVAILABLE = 14;

function explainNoAnswer(error: unknown): { why: NoAnswer; message: string } {
  const code = grpcCode(error);
  if (code === NOT_FOUND || nameOf(error) === 'WorkflowNotFoundError') {
    return { why: 'not-found', message: 'there is no such work item' };
  }
  // A server without a poller for the queue says so (9); one whose poller has just died lets the deadline pass (4).
  if (code === DEADLINE_EXCEEDED || code === FAILED_PRECONDITION) {
    return { why: 'no-worker', message: 'no worker answers' };
  }
  if (code === UNAVAILABLE) return { why: 'unreachable', message: 'the Temporal server does not answer' };
  return { why: 'failed', message: messageOf(error) };
}

/** The gRPC status code of an error or of its cause, or null. */
export function grpcCode(error: unknown): number | null {
  for (let current = error, depth = 0; current instanceof Error && depth < 4; current = current.cause, depth++) {
    if ('code' in current && typeof current.code === 'number') return current.code;
  }
  return null;
}

function nameOf(error: unknown): string | null {
  return error instanceof Error ? error.name : null;
}

/** Work items by a visibility query, newest first; at most `limit`. Throws where Temporal does not answer. */
export async function listItems(
  client: ItemClient,
  options: { which: 'open' | 'closed' | 'all'; limit: number; timeoutMs?: number },
): Promise<ItemSummary[]> {
  const status = { open: " AND ExecutionStatus='Running'", closed: " AND ExecutionStatus!='Running'", all: '' };
  return listWorkflows(client, `WorkflowType='${WORK_ITEM_WORKFLOW}'${status[options.which]}`, options);
}

/** Executions of any type; an execution that continued as new is not listed, its successor is. */
export async function listWorkflows(
  client: ItemClient,
  query: string,
  options: { limit: number; timeoutMs?: number },
): Promise<ItemSummary[]> {
  return client.withDeadline(Date.now() + (options.timeoutMs ?? QUERY_TIMEOUT_MS), async () => {
    const items: ItemSummary[] = [];
    for await (const info of client.workflow.list({ query, pageSize: Math.min(options.limit, 200) })) {
      if (info.status.name !== 'CONTINUED_AS_NEW') items.push(summarise(info));
      if (items.length >= options.limit) break;
    }
    return items;
  });
}

function summarise(info: WorkflowExecutionInfo): ItemSummary {
  const { memo } = info;
  const stage = attribute(info, 'Stage');
  return {
    itemId: info.workflowId,
    runId: info.runId,
    project: attribute(info, 'Project') ?? textOrNull(memo?.['project']),
    title: textOrNull(memo?.['title']),
    stage: STAGES.find((known) => known === stage) ?? null,
    execution: info.status.name,
    startedAtMs: info.startTime.getTime(),
    closedAtMs: info.closeTime?.getTime() ?? null,
  };
}

function attribute(info: WorkflowExecutionInfo, name: string): string | null {
  const pair = info.typedSearchAttributes.getAll().find((candidate) => candidate.key.name === name);
  return textOrNull(pair?.value);
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Runs `work` over all values, at most `parallel` at once, results in order. */
export async function mapLimited<T, R>(
  values: readonly T[],
  parallel: number,
  work: (value: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const workers = Array.from({ length: Math.min(parallel, values.length) }, async () => {
    for (let index = next++; index < values.length; index = next++) {
      const value = values[index];
      if (value !== undefined) results[index] = await work(value);
    }
  });
  await Promise.all(workers);
  return results;
}
