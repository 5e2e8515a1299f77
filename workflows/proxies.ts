/**
 * The activity proxies and their timeouts. Temporal's retry policy is for infrastructure alone and has no end: what may
 * be tried how often is counted in workflow state. Every line says which failure its timeout bounds.
 */
import { proxyActivities } from '@temporalio/workflow';
import { GATES_QUEUE, agentsQueue, hostQueue } from '../src/domain/protocol.ts';
import type { AgentQueueActivities, GateActivities, HostActivities, MainActivities } from '../activities/types.ts';

/** A ceiling that was reached is never given a second one: each retry would get a fresh ceiling, for ever. */
const CEILING_IS_FINAL = 'TemporalTimeout:StartToClose';

const patient = { initialInterval: '1 second', maximumInterval: '1 minute' } as const;

/** Board, forge and file reads: a hung request is given up after two minutes and repeated. */
export const main = proxyActivities<MainActivities>({ startToCloseTimeout: '2 minutes', retry: patient });

/** A delivery is given up after half a minute of tries and begun anew by the outbox: it must never hold up anything else. */
export const board = proxyActivities<Pick<MainActivities, 'deliver'>>({
  startToCloseTimeout: '2 minutes',
  retry: { ...patient, maximumAttempts: 6 },
});

/**
 * Making and landing a candidate: git and the forge, repeatable at any point. A step that hangs past its ceiling is ended
 * for good: the queue counts it as trouble and asks anew.
 */
export const mergeSteps = proxyActivities<Pick<MainActivities, 'prepareCandidate' | 'landCandidate'>>({
  startToCloseTimeout: '15 minutes',
  retry: { ...patient, nonRetryableErrorTypes: [CEILING_IS_FINAL] },
});

/** Waiting in place for a free slot has no end of its own; a dead worker is noticed by the heartbeat. */
export function agentQueueActivities(login: string): ReturnType<typeof proxyActivities<AgentQueueActivities>> {
  return proxyActivities<AgentQueueActivities>({
    taskQueue: agentsQueue(login),
    startToCloseTimeout: '30 days',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 1 },
  });
}

/**
 * The run itself. heartbeatTimeout: a dead worker costs seconds, and attaching again has no effects. scheduleToStart:
 * when it fires the host is gone and its supervisor has ended the agent by itself. startToClose: the supervisor failed
 * to keep the budget.
 */
export function runActivities(
  hostId: string,
  limits: { ceilingMs: number; hostWaitMs: number },
): ReturnType<typeof proxyActivities<Pick<HostActivities, 'runAgent'>>> {
  return proxyActivities<Pick<HostActivities, 'runAgent'>>({
    taskQueue: hostQueue(hostId),
    startToCloseTimeout: limits.ceilingMs,
    scheduleToStartTimeout: limits.hostWaitMs,
    heartbeatTimeout: '5 seconds',
    retry: {
      initialInterval: '200 milliseconds',
      backoffCoefficient: 1,
      nonRetryableErrorTypes: [CEILING_IS_FINAL],
    },
  });
}

/** Finishing steps on the run's host: repeated until done, or until the host is known to be gone. */
export function hostActivities(
  hostId: string,
  hostWaitMs: number,
): ReturnType<typeof proxyActivities<Omit<HostActivities, 'runAgent'>>> {
  return proxyActivities<Omit<HostActivities, 'runAgent'>>({
    taskQueue: hostQueue(hostId),
    startToCloseTimeout: '10 minutes',
    scheduleToStartTimeout: hostWaitMs,
    heartbeatTimeout: '30 seconds',
    retry: { ...patient, maximumInterval: '15 seconds' },
  });
}

/** Test commands: waiting for a gate slot is queueing without limit; the command's own limit is below the ceiling. */
export function gateActivities(
  ceilingMs: number,
  priorityKey: number,
): ReturnType<typeof proxyActivities<GateActivities>> {
  return proxyActivities<GateActivities>({
    taskQueue: GATES_QUEUE,
    startToCloseTimeout: ceilingMs,
    heartbeatTimeout: '5 seconds',
    priority: { priorityKey },
    retry: {
      initialInterval: '200 milliseconds',
      backoffCoefficient: 1,
      nonRetryableErrorTypes: [CEILING_IS_FINAL],
    },
  });
}
