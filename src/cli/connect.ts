/**
 * Finds the running instance: TEMPORAL_ADDRESS or a profile, else what `<home>/instance.json` says. Loads nothing but
 * the client, so that a command that only asks starts fast.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { StagewrightError } from '../errors.ts';

export interface OpenClient {
  client: Client;
  address: string;
  namespace: string;
  uiUrl: string | null;
  httpUrl: string | null;
  close(): Promise<void>;
}

const instanceSchema = z.looseObject({
  pid: z.int(),
  address: z.string(),
  namespace: z.string().default('default'),
  uiUrl: z.string().nullable().default(null),
  httpUrl: z.string().nullable().default(null),
});
export type Instance = z.output<typeof instanceSchema>;

/** What the instance of this home wrote down; null where none did. It may be gone since. */
export function readInstance(home: string): Instance | null {
  try {
    return instanceSchema.parse(JSON.parse(readFileSync(path.join(home, 'instance.json'), 'utf8')));
  } catch {
    return null;
  }
}

/** The instance of this home, if its process lives and its server answers. */
export async function findLivingInstance(home: string): Promise<Instance | null> {
  const instance = readInstance(home);
  if (instance === null || instance.pid === process.pid || !isAlive(instance.pid)) return null;
  return (await answers(instance.address)) ? instance : null;
}

/** Throws StagewrightError (`unreachable`) where nothing is running. */
export async function connectClient(home: string): Promise<OpenClient> {
  const { connectTemporal, isTemporalConfigured } = await import('../temporal/connection.ts');
  if (isTemporalConfigured()) {
    const { client, connection, address, namespace } = await connectTemporal();
    return { client, address, namespace, uiUrl: null, httpUrl: null, close: () => connection.close() };
  }
  const instance = readInstance(home);
  if (instance === null || !(await answers(instance.address))) throw nothingRunning();
  const { address, namespace, uiUrl, httpUrl } = instance;
  const { client, connection } = await connectTemporal({ address, namespace });
  return { client, address, namespace, uiUrl, httpUrl, close: () => connection.close() };
}

export function nothingRunning(): StagewrightError {
  return new StagewrightError('not_running', 'nothing is running here', {
    exit: 'unreachable',
    mend: 'start it with `npm start` / `stagewright start`, or set TEMPORAL_ADDRESS to a server of yours',
  });
}

/** A refused connection is known at once this way; gRPC would try for seconds. */
const PROBE_TIMEOUT_MS = 1_000;

function answers(address: string): Promise<boolean> {
  const [host = '', port = ''] = address.split(/:(?=\d+$)/);
  return new Promise((resolve) => {
    const socket = net.connect({ host, port: Number(port), timeout: PROBE_TIMEOUT_MS });
    const finish = (reached: boolean): void => {
      socket.destroy();
      resolve(reached);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
    socket.once('timeout', () => finish(false));
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: somebody else's process, but there.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
