/**
 * Brings up what one process serves: the embedded Temporal (or a connection to a real one), the workers, the HTTP
 * server; and takes it down in the order that leaves nothing hanging: HTTP, workers, runs where asked, Temporal last.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../activities/deps.ts';
import { createActivities } from '../activities/index.ts';
import { AGENT_NAMES, agentCli } from './agents/index.ts';
import { hostId as readHostId } from './agents/run/host.ts';
import { listSlots } from './agents/run/slots.ts';
import { stopRun } from './agents/run/stop.ts';
import { sweepHost } from './agents/run/sweep-host.ts';
import type { Config } from './config-types.ts';
import { StagewrightError, messageOf } from './errors.ts';
import { openConsoleNotifier } from './notifiers/console/index.ts';
import { createProjectOpener } from './projects.ts';
import { buildServer } from './server/index.ts';
import { getTemporalCli } from './temporal/binary.ts';
import { bundlePath } from './temporal/bundle.ts';
import { connectTemporal, isTemporalConfigured } from './temporal/connection.ts';
import { startDevServer } from './temporal/dev-server.ts';
import type { DevServer } from './temporal/dev-server.ts';
import { checkSearchAttributes } from './temporal/namespace.ts';
import { connectNative } from './temporal/native-connection.ts';
import { createWorkers } from './temporal/workers.ts';
import type { Workers } from './temporal/workers.ts';
import { openLocalTracker } from './trackers/local/index.ts';

export interface StackOptions {
  config: Config;
  /** Reads the configuration again; a reload that throws keeps the running one. */
  reload?: () => Config;
  /** Serve HTTP (`start`, `http`). */
  http: boolean;
  /** Run workers (`start`, `worker`, `demo`). */
  workers: boolean;
  /** One line of progress for people. */
  progress?: (line: string) => void;
  /** One line of an alert for people; default: none (the board has it too). */
  alert?: (line: string) => void;
}

/**
 * What becomes of the runs: `stopRuns` ends them cleanly and resumably (Ctrl-C of demo and start); `detach` leaves them
 * at work (a worker's SIGTERM); `drain` waits for them and starts no new ones.
 */
export type StopMode = 'stopRuns' | 'detach' | 'drain';

export interface Stack {
  client: Client;
  /** Address of the Temporal server, `host:port`. */
  address: string;
  namespace: string;
  /** Base URL of the Web UI; null where it is not known. */
  uiUrl: string | null;
  /** Base URL of our HTTP server; null where it is off. */
  httpUrl: string | null;
  stop(how: StopMode): Promise<void>;
  /** Resolves when a part fails by itself. */
  failed: Promise<Error>;
}

/** How long a drain looks between two counts of living runs. */
const DRAIN_POLL_MS = 500;
/** A changed file is noticed within this. */
const RELOAD_MS = 1_000;

/** What is up, in the order in which it came up. */
interface Parts {
  server: DevServer | null;
  connection: { close(): Promise<void> } | null;
  workers: RunningWorkers | null;
  http: FastifyInstance | null;
}

/** Throws StagewrightError with a mend; what had come up by then is taken down again. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { config } = options;
  const progress = options.progress ?? (() => undefined);
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  const parts: Parts = { server: null, connection: null, workers: null, http: null };
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  try {
    const server = isTemporalConfigured() ? null : await startEmbedded(config, progress);
    parts.server = server;
    const connected = await connectTemporal(
      server === null ? {} : { address: server.address, namespace: server.namespace },
    );
    parts.connection = connected.connection;
    if (server === null && options.workers) await checkSearchAttributes(connected);
    const current = createConfigReader(options);
    if (options.workers) parts.workers = await startWorkers(options, current, server, connected.client, fail);
    if (options.http) parts.http = await startHttp(current, connected.client);
    const httpUrl = parts.http?.listeningOrigin ?? null;
    const uiUrl = server?.uiUrl ?? null;
    if (server !== null)
      writeInstance(config, { address: server.address, namespace: connected.namespace, uiUrl, httpUrl });
    let stopping: Promise<void> | null = null;
    function stop(how: StopMode): Promise<void> {
      stopping ??= stopParts(config, parts, how);
      return stopping;
    }
    void server?.exited.then(() => {
      if (stopping === null) fail(new StagewrightError('temporal_ended', 'the Temporal server ended by itself'));
    });
    return {
      client: connected.client,
      address: connected.address,
      namespace: connected.namespace,
      uiUrl,
      httpUrl,
      failed,
      stop,
    };
  } catch (error) {
    await stopParts(config, parts, 'detach').catch(() => undefined);
    throw error;
  }
}

/** Temporal last: a server that dies first leaves the workers' shutdown hanging. */
async function stopParts(config: Config, parts: Parts, how: StopMode): Promise<void> {
  if (how === 'drain' && parts.workers !== null) {
    await parts.workers.workers.stopClaims();
    while (livingRuns(config).length > 0) await sleep(DRAIN_POLL_MS);
  }
  await parts.http?.close();
  await parts.workers?.stop();
  // After the workers: one that is still there would launch the next run at once.
  if (how === 'stopRuns') await stopRuns(config);
  await parts.connection?.close();
  if (parts.server !== null) {
    rmSync(instanceFile(config), { force: true });
    await parts.server.stop();
  }
}

async function stopRuns(config: Config): Promise<void> {
  const waitMs = config.limits.interruptMs + config.limits.graceMs + 10_000;
  await Promise.all(livingRuns(config).map(({ runDir }) => stopRun(runDir, 'shutdown', { waitMs })));
}

/** Runs of this host that are launched or hold a slot, gate commands among them. */
function livingRuns(config: Config): { runDir: string }[] {
  return [...listSlots(config.home, 'agent'), ...listSlots(config.home, 'gate')].filter((slot) => slot.taken);
}

function instanceFile(config: Config): string {
  return path.join(config.home, 'instance.json');
}

/** Where commands of the same home find what runs. */
function writeInstance(config: Config, instance: Record<string, string | null>): void {
  const file = instanceFile(config);
  writeFileSync(
    `${file}.new`,
    `${JSON.stringify({ pid: process.pid, startedAt: new Date().toISOString(), ...instance }, null, 2)}\n`,
    { mode: 0o600 },
  );
  renameSync(`${file}.new`, file);
}

async function startEmbedded(config: Config, progress: (line: string) => void): Promise<DevServer> {
  const binary = await getTemporalCli({ progress });
  progress(`Temporal ${binary.version} (${binary.origin})`);
  return await startDevServer({
    binary,
    dbFile: path.join(config.home, 'temporal.db'),
    logFile: path.join(config.home, 'temporal.log'),
    ...(config.temporal.uiPort === null ? {} : { uiPort: config.temporal.uiPort }),
  });
}

/** The configuration in force: read again when asked after a while, and kept as it was where reading fails. */
function createConfigReader(options: StackOptions): () => Config {
  let config = options.config;
  let readAtMs = performance.now();
  return () => {
    if (options.reload === undefined || performance.now() - readAtMs < RELOAD_MS) return config;
    readAtMs = performance.now();
    try {
      config = options.reload();
    } catch (error) {
      options.progress?.(`the configuration is kept as it was: ${messageOf(error)}`);
    }
    return config;
  };
}

interface RunningWorkers {
  workers: Workers;
  stop(): Promise<void>;
}

async function startWorkers(
  options: StackOptions,
  current: () => Config,
  server: DevServer | null,
  client: Client,
  fail: (error: Error) => void,
): Promise<RunningWorkers> {
  const { config } = options;
  const progress = options.progress ?? (() => undefined);
  const report = await sweepHost(config.home);
  if (report.strays > 0) progress(`ended ${report.strays} stray process(es) of lost runs`);
  for (const { runDir, reason } of report.corrupt) progress(`passed over ${runDir}: ${reason}`);
  const native = await connectNative(server === null ? {} : { address: server.address, namespace: server.namespace });
  const hostId = readHostId(config.home);
  const deps: Deps = {
    config: current,
    client,
    hostId,
    tracker: openLocalTracker({ home: config.home, botName: 'stagewright' }),
    notifier: openConsoleNotifier({ write: (line: string) => options.alert?.(line) }),
    openProject: createProjectOpener(config.home),
    log: (message, fields) => progress(`${message} ${fields === undefined ? '' : JSON.stringify(fields)}`.trim()),
  };
  const workers = await createWorkers({
    connection: native.connection,
    namespace: native.namespace,
    hostId,
    logins: [...new Set(AGENT_NAMES.map((name) => agentCli(name).login(config.agents[name] ?? {})))],
    bundlePath,
    activities: { ...createActivities(deps) },
    gateSlots: config.limits.gateSlots,
    log: (level, message, meta) => {
      // Said for every queue that serves activities alone, which is as it should be.
      if (message.startsWith('No workflows registered')) return;
      if (level === 'WARN' || level === 'ERROR') progress(`temporal ${level}: ${message} ${errorIn(meta)}`.trim());
    },
  });
  const running = workers
    .run()
    .catch((error: unknown) => fail(error instanceof Error ? error : new Error(String(error))));
  return {
    workers,
    async stop() {
      await workers.shutdown();
      await running;
      await native.connection.close();
    },
  };
}

/** The SDK's own log lines carry the failure in their fields; its message is all that may be shown. */
function errorIn(meta: object): string {
  return 'error' in meta ? messageOf(meta.error) : '';
}

async function startHttp(current: () => Config, client: Client): Promise<FastifyInstance> {
  const server = buildServer({
    config: current,
    client,
    readiness: async () => {
      try {
        await client.connection.ensureConnected();
        return { ready: true, parts: { temporal: { ok: true } } };
      } catch (error) {
        return { ready: false, parts: { temporal: { ok: false, reason: messageOf(error) } } };
      }
    },
  });
  const { host, port } = current().http;
  try {
    await server.listen({ host, port });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    throw new StagewrightError('port_taken', `port ${port} on ${host} is taken`, {
      mend: 'stop the program that has it, or set http.port in stagewright.yaml',
      cause: error,
    });
  }
  return server;
}
