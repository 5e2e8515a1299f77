/**
 * The dev server's command line. Its own defaults are for trying Temporal out: 50 ms per hop, waiting work in no usable
 * order, a journal that makes every write wait twice, news fetched from the Internet.
 */
import { LOOPBACK } from './ports.ts';

export interface DevServerArguments {
  dbFile: string;
  port: number;
  /** null: no Web UI. */
  uiPort: number | null;
  searchAttributes: readonly string[];
}

/** One history shard polls its queues 20 times a second by default: each hop waits up to 50 ms. Measured: 101 ms per activity, 11 with these. */
const QUEUE_POLLS_PER_SECOND = {
  'history.transferProcessorMaxPollRPS': 2_000,
  'history.timerProcessorMaxPollRPS': 2_000,
  'history.visibilityProcessorMaxPollRPS': 200,
};

/** Partitions have no order between them, and without fairness there is none within one: with these, waiting work is FIFO by priority. */
const QUEUE_ORDER = {
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'matching.enableFairness': true,
};

/**
 * 100 by default: a storm that brings more signals than that within one workflow task fails the task, again and again, so
 * that the workflow never gets to continue as new and is full for ever at 10,000. Above it the server holds signals back.
 */
const STORMS = { 'history.maximumBufferedEventsBatch': 2_000 };

/** docker/dynamicconfig/production.yaml sets the same on a real cluster. */
export const DYNAMIC_CONFIG: Record<string, number | boolean> = {
  ...QUEUE_POLLS_PER_SECOND,
  ...QUEUE_ORDER,
  ...STORMS,
};

/** WAL makes a commit one write instead of two; FULL syncs each, so that an accepted signal survives a power cut. */
const SQLITE_PRAGMAS = ['journal_mode=WAL', 'synchronous=FULL'];

export function devServerArguments(options: DevServerArguments): string[] {
  return [
    'server',
    'start-dev',
    '--ip',
    LOOPBACK,
    '--port',
    String(options.port),
    ...(options.uiPort === null ? ['--headless'] : ['--ui-port', String(options.uiPort), '--ui-disable-news-fetch']),
    '--db-filename',
    options.dbFile,
    ...SQLITE_PRAGMAS.flatMap((pragma) => ['--sqlite-pragma', pragma]),
    ...Object.entries(DYNAMIC_CONFIG).flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${value}`]),
    // Registers them when the file is new; on an old file it does nothing, so they are checked again once it serves.
    ...options.searchAttributes.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    // A person's own client profile is not meant for our server.
    '--disable-config-file',
    '--disable-config-env',
    '--log-level',
    'warn',
    '--color',
    'never',
  ];
}
