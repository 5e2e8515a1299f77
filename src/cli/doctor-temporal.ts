/** `doctor`'s look at a running instance: does it answer, does anybody work on its queues, is a hand brake on? */
import type { Client } from '@temporalio/client';
import { agentCli } from '../agents/index.ts';
import type { Config } from '../config-types.ts';
import { agentsQueue, GATES_QUEUE, MAIN_QUEUE } from '../domain/protocol.ts';
import { messageOf, StagewrightError } from '../errors.ts';
import { listAgentsInUse } from '../server/preflight.ts';
import type { OpenClient } from './connect.ts';
import { checkTemporalBinary } from './doctor-checks.ts';
import type { Check } from './doctor-checks.ts';

export async function checkTemporal(
  config: Config,
  env: NodeJS.ProcessEnv,
  open: () => Promise<OpenClient>,
): Promise<Check[]> {
  const name = 'Temporal';
  let opened: OpenClient;
  try {
    opened = await open();
  } catch (error) {
    if (error instanceof StagewrightError && error.code === 'not_running') return [checkTemporalBinary(env)];
    const mend = error instanceof StagewrightError && error.mend !== null ? { mend: error.mend } : {};
    return [{ name, status: 'fail', detail: messageOf(error), ...mend }];
  }
  const { client, address, namespace, uiUrl } = opened;
  const logins = listAgentsInUse(config).map((agent) => agentCli(agent).login(config.agents[agent] ?? {}));
  const queues = [MAIN_QUEUE, GATES_QUEUE, ...logins.map((login) => agentsQueue(login))];
  return [
    { name, status: 'ok', detail: `${address}, namespace ${namespace}${uiUrl === null ? '' : `, Web UI ${uiUrl}`}` },
    ...(await Promise.all(queues.map((queue) => checkQueue(client, namespace, queue)))),
  ];
}

const WORKFLOW_TASKS = 1;
const ACTIVITY_TASKS = 2;

async function checkQueue(client: Client, namespace: string, queue: string): Promise<Check> {
  const name = `queue ${queue}`;
  try {
    const answer = await client.withDeadline(Date.now() + 3_000, () =>
      client.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: queue },
        taskQueueType: queue === MAIN_QUEUE ? WORKFLOW_TASKS : ACTIVITY_TASKS,
        reportConfig: true,
      }),
    );
    const limit = answer.config?.queueRateLimit?.rateLimit;
    // The hand brake is the rate 0, which the wire format leaves out of a limit that is set.
    if (limit != null && (limit.requestsPerSecond ?? 0) === 0) {
      return {
        name,
        status: 'warn',
        detail: 'the hand brake is on: its rate limit is 0, so nothing of it starts',
        mend: `temporal task-queue config set --task-queue ${queue} --task-queue-type activity --queue-rps-limit default`,
      };
    }
    const pollers = answer.pollers?.filter(isFresh).length ?? 0;
    return pollers > 0
      ? { name, status: 'ok', detail: `${pollers} ${pollers === 1 ? 'worker' : 'workers'}` }
      : { name, status: 'fail', detail: 'no worker', mend: 'start one: stagewright worker (or stagewright start)' };
  } catch (error) {
    return { name, status: 'warn', detail: `cannot be asked: ${messageOf(error)}` };
  }
}

/** The server remembers a poller for minutes; one that lives polls again within a minute. */
const POLL_AGE_MS = 75_000;

function isFresh({ lastAccessTime }: { lastAccessTime?: { seconds?: unknown } | null }): boolean {
  return Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < POLL_AGE_MS;
}
