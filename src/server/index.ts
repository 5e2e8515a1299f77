/**
 * The HTTP server: health, readiness, and what is being worked on. It only reads; whatever changes something goes
 * through a named person's command.
 */
import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config-types.ts';
import { isValidItemId } from '../domain/names.ts';
import type { WorkItemStatus } from '../domain/protocol.ts';
import { messageOf } from '../errors.ts';
import { cached } from './cached.ts';
import { refuseRead } from './guard.ts';
import { queryWorkflow } from './items.ts';
import type { ItemClient, NoAnswer } from './items.ts';
import { renderPage } from './page.ts';
import { createPreflightView } from './preflight.ts';
import { SnapshotTaker } from './snapshot.ts';
import { renderQueue, renderStatus } from './views.ts';
import type { PreflightView } from './views.ts';

export type { PreflightView } from './views.ts';
export { listSwitchedOff } from './views.ts';

/** Whether this process can do its work; `parts` says which part cannot, and why. */
export interface Readiness {
  ready: boolean;
  parts: Record<string, { ok: boolean; reason?: string }>;
}

export interface ServerOptions {
  /** A function where a reload may replace it. */
  config: Config | (() => Config);
  /** One of the two: a client, or a way to it (awaited for each look, so that a lost one can be replaced). */
  client?: ItemClient;
  getClient?: () => ItemClient | Promise<ItemClient>;
  readiness: () => Readiness | Promise<Readiness>;
  /** This host's preflight of its agents; default: asked here, kept for the preflight period. */
  preflight?: () => PreflightView[] | Promise<PreflightView[]>;
}

/** Rapid readers share one look at Temporal for this long. */
const SNAPSHOT_KEEP_MS = 500;

/** Routes need no start order; the caller listens on `config.http`. */
export function buildServer(options: ServerOptions): FastifyInstance {
  const config = typeof options.config === 'function' ? options.config : constant(options.config);
  const getClient = options.getClient ?? constant(requireClient(options.client));
  const taker = new SnapshotTaker(getClient);
  const look = cached(() => taker.take(), SNAPSHOT_KEEP_MS);
  const preflight = options.preflight ?? createPreflightView(config);

  const server = Fastify({ logger: false, bodyLimit: 64 * 1024, forceCloseConnections: true });

  server.addHook('onRequest', async (request, reply) => {
    void reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
    if (OPEN_PATHS.has(request.url.split('?')[0] ?? '')) return;
    const reason = refuseRead(config().http.host, request.headers);
    if (reason !== null) await reply.code(403).send({ error: { code: 'read_refused', message: reason } });
  });
  server.setErrorHandler(async (error, _request, reply) => {
    await reply.code(503).send({ error: { code: 'unavailable', message: messageOf(error) } });
  });
  server.setNotFoundHandler(async (_request, reply) => {
    await reply.code(404).send({ error: { code: 'not_found', message: 'there is no such page' } });
  });

  server.get('/health', () => ({ status: 'ok' }));
  server.get('/ready', async (_request, reply) => {
    const readiness = await options.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  server.get('/status', async () => renderStatus(await look()));
  server.get('/queue', async () => {
    const [snapshot, views] = await Promise.all([look(), preflight()]);
    return renderQueue(snapshot, config(), views, Date.now());
  });
  server.get<{ Params: { id: string } }>('/work-items/:id', async (request, reply) => {
    const { id } = request.params;
    if (!isValidItemId(id)) return reply.code(404).send(describeNoAnswer('not-found', 'there is no such work item'));
    const answer = await queryWorkflow<WorkItemStatus>(await getClient(), id);
    if (answer.ok) return answer.value;
    return reply.code(answer.why === 'not-found' ? 404 : 503).send(describeNoAnswer(answer.why, answer.message));
  });
  server.get('/', async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
      .send(renderPage(await look(), Date.now())),
  );
  return server;
}

/** Probes of a container or a load balancer: they say nothing of anybody's work. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/health', '/ready']);

function describeNoAnswer(code: NoAnswer, message: string): { error: { code: string; message: string } } {
  return { error: { code: code.replace('-', '_'), message } };
}

function constant<T>(value: T): () => T {
  return () => value;
}

function requireClient(client: ItemClient | undefined): ItemClient {
  if (client === undefined) throw new Error('buildServer needs a client or getClient');
  return client;
}
