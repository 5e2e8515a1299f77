/**
 * The workers of one host: workflows with short activities, one claim queue per agent login, what must happen on this
 * host, and gates. Queues of their own keep a full house of agents from blocking comments or tests. All of them come up
 * and go down together; if one dies by itself, the others are shut down and `run` says so.
 */
import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { agentsQueue, GATES_QUEUE, hostQueue, MAIN_QUEUE } from '../domain/protocol.ts';
import { installRuntime, type SdkLog } from './runtime.ts';
import { superviseWorkers, type Workers } from './supervise-workers.ts';

export type { Workers };

/** A cancel reaches an activity only in the answer to a heartbeat, and an outage is tolerated for the heartbeat timeout less the age of the last one sent. */
const HEARTBEAT_EVERY = '1s';
/** Attaching, reading along, stopping and committing hold no agent slot: more of them than any host runs agents. */
const HOST_SLOTS = 200;
/** Short activities of all items: board and forge calls, mostly waiting for an answer. */
const MAIN_SLOTS = 100;
/** The claim waits in place for a free slot of the host; a second one beside it would overtake the queue's order. */
const CLAIM_SLOTS = 1;
/** About 1 MB each; the library's own figure follows the heap limit and has run workers out of memory. */
const CACHED_WORKFLOWS = 200;
/** Activities are told to let go at once: runs are detached, not ended, so there is nothing to wait for. */
const SHUTDOWN_GRACE = '0s';
/** An activity that ignores being told would hold the shutdown for ever. */
const SHUTDOWN_FORCE = '10s';
/** After a worker's SIGKILL the next message to its cached workflows waits this long (10 s by default, measured 10.1). */
const STICKY_TIMEOUT = '1s';

export interface CreateWorkersOptions {
  connection: NativeConnection;
  namespace: string;
  hostId: string;
  /** One claim queue each. */
  logins: readonly string[];
  /** As built by `buildWorkflowBundle`. */
  bundlePath: string;
  activities: { main: object; agents: object; host: object; gates: object };
  /** Gate commands at a time on this host. */
  gateSlots: number;
  log?: SdkLog;
}

export async function createWorkers(options: CreateWorkersOptions): Promise<Workers> {
  installRuntime(options.log);
  const { activities } = options;
  const main = await create(options, {
    taskQueue: MAIN_QUEUE,
    activities: activities.main,
    workflowBundle: { codePath: options.bundlePath },
    maxConcurrentActivityTaskExecutions: MAIN_SLOTS,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
  });
  const claims = await Promise.all(
    options.logins.map((login) =>
      create(options, {
        taskQueue: agentsQueue(login),
        activities: activities.agents,
        maxConcurrentActivityTaskExecutions: CLAIM_SLOTS,
      }),
    ),
  );
  const host = await create(options, {
    taskQueue: hostQueue(options.hostId),
    activities: activities.host,
    maxConcurrentActivityTaskExecutions: HOST_SLOTS,
  });
  const gates = await create(options, {
    taskQueue: GATES_QUEUE,
    activities: activities.gates,
    maxConcurrentActivityTaskExecutions: options.gateSlots,
  });
  return superviseWorkers([...claims, main, host, gates], claims);
}

function create(options: CreateWorkersOptions, own: WorkerOptions): Promise<Worker> {
  return Worker.create({
    connection: options.connection,
    namespace: options.namespace,
    // Shown in the Web UI beside every activity: which host and process has it.
    identity: `${options.hostId}@${process.pid}`,
    maxHeartbeatThrottleInterval: HEARTBEAT_EVERY,
    defaultHeartbeatThrottleInterval: HEARTBEAT_EVERY,
    shutdownGraceTime: SHUTDOWN_GRACE,
    shutdownForceTime: SHUTDOWN_FORCE,
    ...own,
  });
}
