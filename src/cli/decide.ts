/**
 * A person's decision: asks where the item stands, signs what is decided with the local person's token, and hands it
 * over as an update with the stage and commit that were shown. The same door for a terminal, a script and the demo.
 */
import { randomUUID } from 'node:crypto';
import type { DecisionCommand, DecisionInput, DecisionResult, WorkItemStatus } from '../domain/protocol.ts';
import { messageOf, StagewrightError } from '../errors.ts';
import { ensureLocalPerson } from '../people/local-person.ts';
import { signEvidence } from '../people/evidence.ts';
import { grpcCode } from '../server/items.ts';
import type { ItemClient } from '../server/items.ts';
import { openLocalTracker } from '../trackers/local/index.ts';
import { requireStatus } from './find-item.ts';

/** The local board's own author; no person may use the name. */
export const BOT_NAME = 'stagewright';

export interface DecisionRequest {
  client: ItemClient;
  home: string;
  env: NodeJS.ProcessEnv;
  itemId: string;
  command: DecisionCommand;
  /** Reason of a rejection, text of an answer. */
  text?: string;
  /** Commit the person looked at; default: the one that is asked about. */
  commit?: string;
  /** Told what is about to be decided, before it is. */
  announce?: (status: WorkItemStatus) => void;
}

export interface Decided {
  result: DecisionResult;
  /** Where the item stood when it was decided. */
  status: WorkItemStatus;
  person: string;
}

/** A worker settles a decision within a moment; this bounds a worker that dies in between. */
const UPDATE_TIMEOUT_MS = 60_000;

/** Throws StagewrightError: `refused` with the reason, `item_unknown`, `no_worker`. */
export async function decide(request: DecisionRequest): Promise<Decided> {
  const { client, home, env, itemId, command } = request;
  const status = await requireStatus(client, itemId);
  if (status.state === 'done' || status.state === 'cancelled') throw refused(`${itemId} is ${status.state}`);
  request.announce?.(status);
  const person = ensureLocalPerson(home, env);
  if (command === 'answer') await commentOnBoard(home, status, person.name, request.text ?? '');

  const { stage } = status;
  const commit = request.commit ?? status.waiting?.commit ?? null;
  const text = request.text ?? null;
  const evidence = signEvidence({
    token: person.token,
    person: person.name,
    itemId,
    command,
    stage,
    commit,
    text,
    nowMs: Date.now(),
  });
  const input: DecisionInput = {
    id: randomUUID(),
    stage,
    evidence,
    ...(commit === null ? {} : { commit }),
    ...(text === null ? {} : { text }),
  };
  const result = await executeUpdate(client, itemId, command, input);
  if (result.result === 'refused') throw refused(result.message);
  return { result, status, person: person.name };
}

/** The answer belongs on the board, where others read it; refused before anything is written if nobody asked. */
async function commentOnBoard(home: string, status: WorkItemStatus, by: string, body: string): Promise<void> {
  if (status.waiting?.kind !== 'answer') {
    throw refused(
      `${status.itemId} is in ${status.stage} and waits for no answer${status.waiting === null ? '' : ` (it waits for: ${status.waiting.kind})`}`,
    );
  }
  const tracker = openLocalTracker({ home, botName: BOT_NAME });
  await tracker.addPersonComment(status.itemId, { by, body });
}

async function executeUpdate(
  client: ItemClient,
  itemId: string,
  command: string,
  input: DecisionInput,
): Promise<DecisionResult> {
  try {
    return await client.withDeadline(Date.now() + UPDATE_TIMEOUT_MS, () =>
      client.workflow.getHandle(itemId).executeUpdate<DecisionResult, [DecisionInput]>(command, {
        args: [input],
        ...(input.id === undefined ? {} : { updateId: input.id }),
      }),
    );
  } catch (error) {
    throw explainUpdateError(error, itemId);
  }
}

function explainUpdateError(error: unknown, itemId: string): StagewrightError {
  const name = error instanceof Error ? error.name : '';
  const cause = error instanceof Error ? error.cause : undefined;
  if (name === 'WorkflowUpdateFailedError') return refused(messageOf(cause ?? error));
  if (name === 'WorkflowNotFoundError' || grpcCode(error) === 5) return refused(`${itemId} is closed`);
  if (name === 'WorkflowUpdateRPCTimeoutOrCancelledError' || grpcCode(error) === 4) {
    return new StagewrightError(
      'no_worker',
      `no worker has answered for ${itemId}; whether it was recorded is not known`,
      {
        exit: 'unreachable',
        mend: `look with: stagewright show ${itemId}; start a worker: stagewright worker`,
      },
    );
  }
  return new StagewrightError('update_failed', `${itemId}: ${messageOf(error)}`, { cause: error });
}

export function refused(reason: string): StagewrightError {
  return new StagewrightError('refused', reason, { exit: 'refused' });
}
