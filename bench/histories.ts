/** Reads what the server kept of an execution: its activities in time, and what its events cost. */
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { tsToMs } from '@temporalio/common/lib/time.js';
import type { Client, WorkflowHandle } from '@temporalio/client';

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
type HistoryEvent = NonNullable<History['events']>[number];

export interface ActivitySpan {
  type: string;
  /** `runId` of its input, where it has one. */
  runId: string | null;
  scheduledMs: number;
  startedMs: number;
  completedMs: number;
  attempt: number;
}

/** Completed activities in the order in which they were scheduled. */
export function readActivities(history: History): ActivitySpan[] {
  const spans = new Map<string, ActivitySpan>();
  for (const event of history.events ?? []) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    const started = event.activityTaskStartedEventAttributes;
    const completed = event.activityTaskCompletedEventAttributes;
    if (scheduled) {
      spans.set(String(event.eventId), {
        type: scheduled.activityType?.name ?? '?',
        runId: readRunId(scheduled.input?.payloads?.[0]?.data),
        scheduledMs: timeOf(event),
        startedMs: Number.NaN,
        completedMs: Number.NaN,
        attempt: 1,
      });
    }
    const span = spans.get(String((started ?? completed)?.scheduledEventId));
    if (span !== undefined && started) {
      span.startedMs = timeOf(event);
      span.attempt = started.attempt ?? 1;
    }
    if (span !== undefined && completed) span.completedMs = timeOf(event);
  }
  return [...spans.values()].filter(({ completedMs }) => Number.isFinite(completedMs));
}

function readRunId(data: Uint8Array | null | undefined): string | null {
  if (data === null || data === undefined) return null;
  try {
    const input = JSON.parse(Buffer.from(data).toString('utf8')) as { runId?: unknown };
    return typeof input.runId === 'string' ? input.runId : null;
  } catch {
    return null;
  }
}

function timeOf(event: HistoryEvent): number {
  return tsToMs(event.eventTime);
}

export interface HistoryCost {
  events: number;
  /** As the server counts them: protobuf. */
  bytes: number;
  /** As `temporal workflow show --output json` prints it. */
  jsonBytes: number;
  workflowTasks: number;
  /** Billable actions by kind, as Temporal Cloud counts what a history shows; heartbeats and queries are not in it. */
  actions: Record<string, number>;
}

const ACTIONS: [name: string, attributes: keyof HistoryEvent][] = [
  ['workflow start', 'workflowExecutionStartedEventAttributes'],
  ['activity', 'activityTaskScheduledEventAttributes'],
  ['timer', 'timerStartedEventAttributes'],
  ['signal received', 'workflowExecutionSignaledEventAttributes'],
  ['signal sent', 'signalExternalWorkflowExecutionInitiatedEventAttributes'],
  ['update', 'workflowExecutionUpdateAcceptedEventAttributes'],
  ['search attributes', 'upsertWorkflowSearchAttributesEventAttributes'],
  ['memo', 'workflowPropertiesModifiedEventAttributes'],
  ['marker', 'markerRecordedEventAttributes'],
];

export async function readHistory(
  client: Client,
  workflowId: string,
): Promise<{ history: History; cost: HistoryCost }> {
  const handle = client.workflow.getHandle(workflowId);
  const [history, description] = await Promise.all([handle.fetchHistory(), handle.describe()]);
  const events = history.events ?? [];
  const actions: Record<string, number> = {};
  for (const [name, attributes] of ACTIONS) {
    const count = events.filter((event) => event[attributes]).length;
    if (count > 0) actions[name] = count;
  }
  const retries = readActivities(history).reduce((total, { attempt }) => total + attempt - 1, 0);
  if (retries > 0) actions['activity retry'] = retries;
  return {
    history,
    cost: {
      events: events.length,
      bytes: description.historySize ?? Number.NaN,
      jsonBytes: Buffer.byteLength(historyToJSON(history)),
      workflowTasks: events.filter((event) => event.workflowTaskCompletedEventAttributes).length,
      actions,
    },
  };
}
