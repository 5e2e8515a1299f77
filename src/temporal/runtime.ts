/**
 * The worker library's runtime, which a process can install only once and only before its first native connection. Left
 * alone it would shut workers down on SIGINT by itself, against the order in which we take things down, and write to
 * stderr over whatever the terminal shows.
 */
import { DefaultLogger, type LogLevel, type LogMetadata, Runtime } from '@temporalio/worker';

export type SdkLog = (level: LogLevel, message: string, meta: LogMetadata) => void;

let sink: SdkLog = () => undefined;
let installed = false;

/** Installs the runtime at the first call; every call with a `log` points its messages (INFO and above) there. */
export function installRuntime(log?: SdkLog): void {
  if (log !== undefined) sink = log;
  if (installed) return;
  installed = true;
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => sink(level, message, meta ?? {})),
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
    shutdownSignals: [],
  });
}
