/**
 * Client connections. With TEMPORAL_ADDRESS or a profile of the `temporal` CLI they go where that CLI goes; the given
 * address of an embedded server never gets that profile's keys. Nothing here loads the worker's native library, so a
 * command that only asks a question starts fast.
 */
import {
  Client,
  Connection,
  isGrpcServiceError,
  type Metadata,
  ServiceError,
  type TLSConfig,
} from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { messageOf, StagewrightError } from '../errors.ts';

export const DEFAULT_ADDRESS = '127.0.0.1:7233';
export const DEFAULT_NAMESPACE = 'default';

/** Until somebody is told that nothing answers. A far-away cluster over TLS answers in well under a second. */
const CONNECT_TIMEOUT_MS = 2_500;

/** With gRPC's own back-off a client needs 17 to 30 s to work again after a server restart; with these 0.4 to 1 s. */
export const FAST_RECONNECT = {
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.min_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // A pool of its own: another connection to the same address must not share its back-off.
  'grpc.use_local_subchannel_pool': 1,
};

/** gRPC status codes DEADLINE_EXCEEDED and UNAVAILABLE. */
const UNREACHABLE_CODES: readonly number[] = [4, 14];

export interface ConnectOptions {
  /** `host:port` of a server without TLS (the embedded one); default: environment, profile, then 127.0.0.1:7233. */
  address?: string;
  namespace?: string;
  /** No retries inside the SDK: an absent server is reported within milliseconds. For webhook receivers. */
  failFast?: boolean;
}

export interface TemporalConnection {
  connection: Connection;
  client: Client;
  namespace: string;
  address: string;
}

export interface ConnectSettings {
  address: string;
  namespace: string;
  /** TLS, API key and headers of the profile; empty for a given address. */
  security: { tls?: TLSConfig | boolean; apiKey?: string; metadata?: Metadata };
}

/**
 * Whether somebody chose a Temporal server on purpose; then none is to be started. The mere existence of the `temporal`
 * CLI's profile file is no choice: a demo must not land on the cluster that happens to be in it.
 */
export function isTemporalConfigured(env: NodeJS.ProcessEnv = process.env): boolean {
  return Boolean(env['TEMPORAL_ADDRESS']) || Boolean(env['TEMPORAL_PROFILE']);
}

/** Where to connect; no network. Throws StagewrightError `temporal_profile` if the profile cannot be read. */
export function resolveConnectSettings(options: ConnectOptions = {}): ConnectSettings {
  if (options.address !== undefined) {
    return { address: options.address, namespace: options.namespace ?? DEFAULT_NAMESPACE, security: {} };
  }
  const { connectionOptions, namespace } = loadProfile();
  const { address, tls, apiKey, metadata } = connectionOptions;
  return {
    address: address ?? DEFAULT_ADDRESS,
    namespace: options.namespace ?? namespace ?? DEFAULT_NAMESPACE,
    security: {
      ...(tls == null ? {} : { tls }),
      ...(typeof apiKey === 'string' && apiKey !== '' ? { apiKey } : {}),
      ...(metadata === undefined ? {} : { metadata }),
    },
  };
}

/**
 * Connects a client. The caller closes `connection`.
 * Throws StagewrightError `temporal_unreachable` within about 3 s if nothing answers.
 */
export async function connectTemporal(options: ConnectOptions = {}): Promise<TemporalConnection> {
  const { address, namespace, security } = resolveConnectSettings(options);
  const connection = Connection.lazy({
    address,
    ...security,
    connectTimeout: CONNECT_TIMEOUT_MS,
    channelArgs: FAST_RECONNECT,
    ...(options.failFast === true ? { interceptors: [] } : {}),
  });
  try {
    await connection.ensureConnected();
  } catch (error) {
    await connection.close();
    throw describeUnreachable(error, address) ?? refusedConnection(error, address);
  }
  return { connection, client: new Client({ connection, namespace }), namespace, address };
}

/**
 * The error to show if `error`, thrown by any Temporal client call, means that no server answered; null if a server
 * answered and said no.
 */
export function describeUnreachable(error: unknown, address: string): StagewrightError | null {
  if (!isUnreachable(error)) return null;
  return new StagewrightError('temporal_unreachable', `No Temporal server answers at ${address}.`, {
    exit: 'unreachable',
    mend: 'Start one with `stagewright start` (or `npm start`), or set TEMPORAL_ADDRESS to the host:port of yours.',
    cause: error,
  });
}

function isUnreachable(error: unknown): boolean {
  const cause = error instanceof ServiceError ? error.cause : error;
  if (isGrpcServiceError(cause)) return UNREACHABLE_CODES.includes(cause.code);
  if (!(cause instanceof Error)) return false;
  // The worker library's own error; not imported here, see above. gRPC's client reports its connect deadline by text.
  return cause.name === 'TransportError' || /Failed to connect before the deadline/.test(cause.message);
}

function refusedConnection(error: unknown, address: string): StagewrightError {
  return new StagewrightError(
    'temporal_refused',
    `The Temporal server at ${address} refused the connection: ${messageOf(error)}`,
    {
      exit: 'unreachable',
      mend: 'Check TEMPORAL_API_KEY, TEMPORAL_TLS and TEMPORAL_NAMESPACE, or the profile that the `temporal` command uses.',
      cause: error,
    },
  );
}

function loadProfile(): ReturnType<typeof loadClientConnectConfig> {
  try {
    return loadClientConnectConfig();
  } catch (error) {
    throw new StagewrightError('temporal_profile', `The Temporal client profile cannot be read: ${messageOf(error)}`, {
      exit: 'config',
      mend: 'Check TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE and that file; `temporal config list` reads the same one.',
      cause: error,
    });
  }
}
