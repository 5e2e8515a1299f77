/**
 * The worker's connection. Apart from `connection.ts` because it loads the native library (0.4 s), which commands that
 * only ask a question must not pay for.
 */
import { NativeConnection } from '@temporalio/worker';
import { messageOf, StagewrightError } from '../errors.ts';
import { type ConnectOptions, describeUnreachable, resolveConnectSettings } from './connection.ts';
import { installRuntime, type SdkLog } from './runtime.ts';

/** The native client goes on trying for longer than a person waits for the word that nothing answers. */
const CONNECT_TIMEOUT_MS = 5_000;

export interface NativeTemporalConnection {
  connection: NativeConnection;
  namespace: string;
  address: string;
}

/**
 * Connects for workers; installs the runtime first. The caller closes `connection`, after its workers have ended.
 * Throws StagewrightError `temporal_unreachable` within 5 s if nothing answers.
 */
export async function connectNative(
  options: ConnectOptions & { log?: SdkLog } = {},
): Promise<NativeTemporalConnection> {
  installRuntime(options.log);
  const { address, namespace, security } = resolveConnectSettings(options);
  const connecting = NativeConnection.connect({ address, ...security });
  const connection = await withinTimeout(connecting, address).catch((error: unknown) => {
    if (error instanceof StagewrightError) throw error;
    throw (
      describeUnreachable(error, address) ??
      new StagewrightError(
        'temporal_refused',
        `The Temporal server at ${address} refused the worker: ${messageOf(error)}`,
        {
          exit: 'unreachable',
          mend: 'Check TEMPORAL_API_KEY, TEMPORAL_TLS and TEMPORAL_NAMESPACE, or the profile that the `temporal` command uses.',
          cause: error,
        },
      )
    );
  });
  return { connection, namespace, address };
}

async function withinTimeout(connecting: Promise<NativeConnection>, address: string): Promise<NativeConnection> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const unreachable = new Error('Failed to connect before the deadline');
      reject(describeUnreachable(unreachable, address) ?? unreachable);
      // Should it connect after all, nobody is left to close it.
      connecting.then((connection) => connection.close()).catch(() => undefined);
    }, CONNECT_TIMEOUT_MS);
  });
  try {
    return await Promise.race([connecting, late]);
  } finally {
    clearTimeout(timer);
  }
}
