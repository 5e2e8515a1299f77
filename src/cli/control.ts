/**
 * pause, resume, cancel: signals, so that they are kept also while no worker is up. Afterwards a short look says whether
 * it has taken effect or waits for a worker.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlCommand, ControlInput, WorkItemStatus } from '../domain/protocol.ts';
import { messageOf, StagewrightError } from '../errors.ts';
import { signEvidence } from '../people/evidence.ts';
import { ensureLocalPerson } from '../people/local-person.ts';
import { grpcCode, queryItem } from '../server/items.ts';
import type { ItemClient } from '../server/items.ts';
import { openLocalTracker } from '../trackers/local/index.ts';
import { BOT_NAME, refused } from './decide.ts';
import { unknownItem } from './find-item.ts';

export interface ControlRequest {
  client: ItemClient;
  home: string;
  env: NodeJS.ProcessEnv;
  itemId: string;
  command: ControlCommand;
  reason?: string;
  stopRun?: boolean;
  /** How long to look for the effect; tests shorten it. */
  patienceMs?: number;
}

export interface Controlled {
  /** `recorded`: kept by Temporal, and takes effect when a worker is up, or when what is at work has ended. */
  result: 'applied' | 'recorded';
  message: string;
  state: WorkItemStatus['state'] | null;
}

const PATIENCE_MS = 5_000;
const POLL_MS = 250;

/** Throws StagewrightError: `refused`, `item_unknown`. */
export async function control(request: ControlRequest): Promise<Controlled> {
  const { client, home, env, itemId, command } = request;
  const sentAtMs = Date.now();
  const person = ensureLocalPerson(home, env);
  const text = request.reason === undefined || request.reason === '' ? null : request.reason;
  // Neither stage nor commit: by the time a worker is there the item may be elsewhere, and the command holds all the same.
  const evidence = signEvidence({
    token: person.token,
    person: person.name,
    itemId,
    command,
    stage: null,
    commit: null,
    text,
    nowMs: sentAtMs,
  });
  const input: ControlInput = {
    id: randomUUID(),
    evidence,
    ...(text === null ? {} : { reason: text }),
    ...(request.stopRun === true ? { stopRun: true } : {}),
  };
  await sendSignal(client, itemId, command, input);
  return await watchEffect(request, input.id ?? '', sentAtMs);
}

async function sendSignal(client: ItemClient, itemId: string, command: string, input: ControlInput): Promise<void> {
  const handle = client.workflow.getHandle(itemId);
  try {
    await client.withDeadline(Date.now() + 10_000, () => handle.signal(command, input));
  } catch (error) {
    if (grpcCode(error) !== 5 && (!(error instanceof Error) || error.name !== 'WorkflowNotFoundError')) {
      throw new StagewrightError('signal_failed', `${itemId}: ${messageOf(error)}`, {
        exit: 'unreachable',
        cause: error,
      });
    }
    const answer = await queryItem(client, itemId);
    if (answer.ok) throw refused(`${itemId} is ${answer.value.state}`);
    throw answer.why === 'not-found' ? await unknownItem(client, itemId) : refused(`${itemId} is closed`);
  }
}

async function watchEffect(request: ControlRequest, signalId: string, sentAtMs: number): Promise<Controlled> {
  const { client, itemId, command } = request;
  const untilMs = performance.now() + (request.patienceMs ?? PATIENCE_MS);
  for (;;) {
    const answer = await queryItem(client, itemId, 2_000);
    if (answer.ok && hasTakenEffect(command, answer.value)) {
      return { result: 'applied', message: `${itemId} is ${PAST[command]}`, state: answer.value.state };
    }
    const refusal = await findRefusal(request.home, itemId, signalId, sentAtMs);
    if (refusal !== null) throw refused(refusal);
    if (!answer.ok && answer.why !== 'failed') {
      return {
        result: 'recorded',
        message: `${command} is recorded; ${answer.message}: it takes effect as soon as one does`,
        state: null,
      };
    }
    if (performance.now() > untilMs) {
      const message = `${command} is recorded and takes effect when what is at work has ended`;
      return { result: 'recorded', message, state: answer.ok ? answer.value.state : null };
    }
    await sleep(POLL_MS);
  }
}

const PAST: Record<ControlCommand, string> = { pause: 'paused', resume: 'going on', cancel: 'cancelled' };

function hasTakenEffect(command: ControlCommand, { state }: WorkItemStatus): boolean {
  if (command === 'pause') return state === 'paused';
  if (command === 'cancel') return state === 'cancelled';
  return state !== 'paused';
}

/** The workflow says a refusal on the board, under the signal's id. */
async function findRefusal(home: string, itemId: string, signalId: string, sinceMs: number): Promise<string | null> {
  const tracker = openLocalTracker({ home, botName: BOT_NAME });
  const comments = await tracker.listComments(itemId, sinceMs - 1_000).catch(() => []);
  return comments.find((comment) => comment.externalId?.includes(signalId) === true)?.body ?? null;
}
