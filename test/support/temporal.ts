/**
 * Temporal for a test: the run's shared server, or one of the test's own that it may kill.
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { msToTs } from '@temporalio/common/lib/time.js';
import { inject } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../src/domain/protocol.ts';
import { connectTemporal, type TemporalConnection } from '../../src/temporal/connection.ts';
import { type DevServer, type DevServerOptions, startDevServer } from '../../src/temporal/dev-server.ts';
import { ensureSearchAttributes } from '../../src/temporal/namespace.ts';
import type { ProvidedTemporal } from '../global-setup.ts';

/** The shared server's address, namespace and CLI. */
export function sharedTemporal(): ProvidedTemporal {
  return inject('temporal');
}

/** A client of the shared server, or of the given one. The caller closes `connection`. */
export function connectShared(address: string = sharedTemporal().address): Promise<TemporalConnection> {
  return connectTemporal({ address });
}

/** A server of the test's own, with its files in `directory`. The caller stops it. */
export function startOwnServer(directory: string, more: Partial<DevServerOptions> = {}): Promise<DevServer> {
  const { cliPath, cliVersion } = sharedTemporal();
  return startDevServer({
    binary: { path: cliPath, version: cliVersion },
    dbFile: path.join(directory, 'temporal.db'),
    logFile: path.join(directory, 'temporal.log'),
    port: 'free',
    uiPort: null,
    ...more,
  });
}

/** A fresh namespace that knows our search attributes; usable as soon as this returns. */
export async function prepareNamespace(address: string, namespace: string): Promise<void> {
  const { connection } = await connectTemporal({ address, namespace });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: msToTs('1 day'),
    });
    await ensureSearchAttributes(connection, namespace, SEARCH_ATTRIBUTES);
  } finally {
    await connection.close();
  }
}

/** An id that no other test uses, e.g. `ET-1f3a90c2`. */
export function uniqueId(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}
