/**
 * Brings up what one process serves: the embedded Temporal (or a connection to a real one), the workers, the HTTP
 * server; and takes it down in the order that leaves nothing hanging: HTTP, workers, Temporal last.
 */
import type { Client } from '@temporalio/client';
import type { Config } from './config-types.ts';

export interface StackOptions {
  config: Config;
  /** Serve HTTP (`start`, `http`). */
  http: boolean;
  /** Run workers (`start`, `worker`, `demo`). */
  workers: boolean;
  /** One line of progress for people. */
  progress?: (line: string) => void;
}

export interface Stack {
  client: Client;
  /** Address of the Temporal server, `host:port`. */
  address: string;
  namespace: string;
  /** Base URL of the Web UI; null where it is not known. */
  uiUrl: string | null;
  /** Base URL of our HTTP server; null where it is off. */
  httpUrl: string | null;
  /**
   * `stopRuns`: end runs cleanly and resumably (Ctrl-C of demo and start); `detach`: leave runs at work (worker's
   * SIGTERM); `drain`: wait for them.
   */
  stop(how: 'stopRuns' | 'detach' | 'drain'): Promise<void>;
  /** Resolves when a part fails by itself. */
  failed: Promise<Error>;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  throw new Error(`the stack is composed by the lead: ${options.http}`);
}
