/**
 * What our workflows need of a namespace: search attributes that exist, and closed items that stay. A start with an
 * unregistered attribute is refused; a dev server forgets closed workflows after 24 h, and with them the guard against
 * starting an item twice.
 */
import type { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { SEARCH_ATTRIBUTES } from '../domain/protocol.ts';
import { StagewrightError } from '../errors.ts';
import type { TemporalConnection } from './connection.ts';

/** 90 days. */
export const DEFAULT_RETENTION_HOURS = 2_160;

/** IndexedValueType of the API: what each of our attributes is. */
const KEYWORD = 2;

/** Names among `wanted` that are not registered as Keyword in the namespace. */
export async function findMissingSearchAttributes(
  connection: Connection,
  namespace: string,
  wanted: readonly string[] = SEARCH_ATTRIBUTES,
): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return wanted.filter((name) => Number(customAttributes[name]) !== KEYWORD);
}

/**
 * For a server that we did not start: throws StagewrightError `search_attributes_missing` with the missing names and the
 * command that registers them.
 */
export async function checkSearchAttributes(
  server: Pick<TemporalConnection, 'connection' | 'namespace' | 'address'>,
): Promise<void> {
  const { connection, namespace, address } = server;
  const missing = await findMissingSearchAttributes(connection, namespace);
  if (missing.length === 0) return;
  const plural = missing.length > 1 ? 's' : '';
  const names = missing.map((name) => `--name ${name} --type Keyword`).join(' ');
  throw new StagewrightError(
    'search_attributes_missing',
    `Namespace ${namespace} lacks the search attribute${plural} ${missing.join(', ')} (type Keyword).`,
    {
      exit: 'config',
      mend: `temporal operator search-attribute create --address ${address} --namespace ${namespace} ${names}`,
    },
  );
}

/** Registers what is missing; also on a database file that is older than the attribute. */
export async function ensureSearchAttributes(
  connection: Connection,
  namespace: string,
  wanted: readonly string[],
): Promise<void> {
  const missing = await findMissingSearchAttributes(connection, namespace, wanted);
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(missing.map((name) => [name, KEYWORD]));
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
}

export async function setRetention(connection: Connection, namespace: string, retentionHours: number): Promise<void> {
  await connection.workflowService.updateNamespace({
    namespace,
    config: { workflowExecutionRetentionTtl: msToTs(retentionHours * 3_600_000) },
  });
}
