/**
 * The embedded Temporal server: one process on one SQLite file, never two. It is handed out when it serves, keeps closed
 * workflows for 90 days and knows our search attributes, not before; and a server that outlived its killed parent is
 * ended first.
 */
import { mkdirSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { Connection } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../domain/protocol.ts';
import { StagewrightError } from '../errors.ts';
import { DEFAULT_NAMESPACE, FAST_RECONNECT } from './connection.ts';
import { type ServerExit, type ServerProcess, spawnDevServer, waitUntilServing } from './dev-server-process.ts';
import {
  endServer,
  findServersOf,
  readDevServerRecord,
  removeDevServerRecord,
  writeDevServerRecord,
} from './dev-server-record.ts';
import { type FileLock, isLock, waitForFileLock } from './file-lock.ts';
import { DEFAULT_RETENTION_HOURS, ensureSearchAttributes, setRetention } from './namespace.ts';
import { choosePort } from './ports.ts';

const DEFAULT_PORT = 7233;
const DEFAULT_UI_PORT = 8233;
/** Somebody who is just stopping the previous server of this file is done by then. */
const LOCK_PATIENCE_MS = 5_000;
/** Between the look for a free port and the server's own bind somebody else may take it. */
const PORT_TRIES = 3;
/** Two calls that take milliseconds. */
const PREPARE_TIMEOUT_MS = 15_000;

export interface DevServerOptions {
  /** As `getTemporalCli` returns it. */
  binary: { path: string; version: string };
  /** SQLite file; made if missing, with its directory. */
  dbFile: string;
  /** Demanded gRPC port: taken means an error. Default: the one of a crashed predecessor, 7233, or a free one. `free`: any. */
  port?: number | 'free';
  /** Demanded Web UI port; `free`: any; null: no Web UI. Default: 8233 or a free one. */
  uiPort?: number | 'free' | null;
  /** The server's output is appended here. */
  logFile: string;
  /** Hours that closed workflows stay; default 90 days. */
  retentionHours?: number;
  /** Keyword attributes; default: those of our workflows. */
  searchAttributes?: readonly string[];
}

export interface DevServer {
  /** `127.0.0.1:PORT`. */
  address: string;
  namespace: string;
  uiUrl: string | null;
  pid: number;
  /** SIGTERM, after 10 s SIGKILL; resolves when the process is gone and the file may be served again. */
  stop(): Promise<void>;
  /** SIGKILL, for tests and last resorts. */
  kill(): void;
  /** Resolves when the process has ended, by itself or asked. Never rejects. */
  exited: Promise<ServerExit>;
}

/**
 * Starts the server and waits until it serves.
 * Throws StagewrightError `temporal_database_in_use`, `temporal_port_taken` or `temporal_start_failed` (with the end of
 * the log).
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  mkdirSync(path.dirname(options.dbFile), { recursive: true });
  const dbFile = path.join(realpathSync(path.dirname(options.dbFile)), path.basename(options.dbFile));
  const lock = await lockDatabase(dbFile);
  try {
    const previous = readDevServerRecord(dbFile);
    await endLeftovers(dbFile);
    for (let attempt = 1; ; attempt += 1) {
      const server = await launch(options, dbFile, previous?.address ?? null);
      try {
        await waitUntilServing(server, previous?.cliVersion ?? null);
        await prepareNamespace(server.address, options);
        return handOut(server, dbFile, lock);
      } catch (error) {
        await server.stop();
        const lostPort = error instanceof StagewrightError && error.code === 'temporal_port_taken';
        const demanded = typeof options.port === 'number' || typeof options.uiPort === 'number';
        if (!lostPort || demanded || attempt === PORT_TRIES) throw error;
      }
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function lockDatabase(dbFile: string): Promise<FileLock> {
  const answer = await waitForFileLock(`${dbFile}.lock`, { timeoutMs: LOCK_PATIENCE_MS });
  if (isLock(answer)) return answer;
  const record = readDevServerRecord(dbFile);
  throw databaseInUse(dbFile, answer.pid, record?.alive === true ? record.address : null);
}

/** Under the lock no living Stagewright owns a server of this file: ours that still run are leftovers of a killed parent. */
async function endLeftovers(dbFile: string): Promise<void> {
  for (const { identity, ours } of findServersOf(dbFile)) {
    if (!ours) throw databaseInUse(dbFile, identity.pid, null);
    await endServer(identity);
  }
}

function databaseInUse(dbFile: string, pid: number | null, address: string | null): StagewrightError {
  const who = pid === null ? 'another process' : `process ${pid}`;
  return new StagewrightError('temporal_database_in_use', `The Temporal database ${dbFile} is in use by ${who}.`, {
    mend:
      address === null
        ? 'Stop that process, or give this instance a directory of its own (STAGEWRIGHT_HOME).'
        : `Use the server that runs (TEMPORAL_ADDRESS=${address}), stop that process, or give this instance a directory of its own (STAGEWRIGHT_HOME).`,
  });
}

async function launch(
  options: DevServerOptions,
  dbFile: string,
  previousAddress: string | null,
): Promise<ServerProcess> {
  // After a crash the same port again: clients and workers elsewhere still hold that address.
  const preferred = Number(previousAddress?.split(':').at(-1)) || DEFAULT_PORT;
  const port = await choosePort(options.port, preferred);
  const uiPort = options.uiPort === null ? null : await choosePort(options.uiPort, DEFAULT_UI_PORT);
  const searchAttributes = options.searchAttributes ?? SEARCH_ATTRIBUTES;
  const server = spawnDevServer({ ...options, dbFile, port, uiPort, searchAttributes });
  const { address, uiUrl, identity } = server;
  const cliVersion = options.binary.version;
  if (identity !== null) writeDevServerRecord(dbFile, { address, uiUrl, cliVersion, process: identity });
  return server;
}

async function prepareNamespace(address: string, options: DevServerOptions): Promise<void> {
  const connection = Connection.lazy({ address, channelArgs: FAST_RECONNECT });
  try {
    await connection.withDeadline(Date.now() + PREPARE_TIMEOUT_MS, async () => {
      await setRetention(connection, DEFAULT_NAMESPACE, options.retentionHours ?? DEFAULT_RETENTION_HOURS);
      await ensureSearchAttributes(connection, DEFAULT_NAMESPACE, options.searchAttributes ?? SEARCH_ATTRIBUTES);
    });
  } finally {
    await connection.close();
  }
}

/** From here on the lock lives as long as the server, however that ends. */
function handOut(server: ServerProcess, dbFile: string, lock: FileLock): DevServer {
  let stopped = false;
  const exited = server.exited.then((exit) => {
    // A crashed server's record stays: it tells the next start which address its clients know.
    if (stopped) removeDevServerRecord(dbFile);
    lock.release();
    return exit;
  });
  return {
    address: server.address,
    namespace: DEFAULT_NAMESPACE,
    uiUrl: server.uiUrl,
    pid: server.pid,
    exited,
    async stop() {
      stopped = true;
      await server.stop();
      await exited;
    },
    kill: () => server.kill(),
  };
}
