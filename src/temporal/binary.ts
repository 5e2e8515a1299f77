/**
 * Finds or gets the Temporal CLI: TEMPORAL_CLI_PATH, the PATH, our cache, the official download, a build with Go; the
 * first that works. Concurrent callers do the work once, and a file gets its final name only when it is whole and has
 * run: what a killed download or build leaves behind is never used.
 */
import { chmod, mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { messageOf, StagewrightError } from '../errors.ts';
import { buildCli } from './build-cli.ts';
import { MINIMUM_CLI_VERSION, PINNED_CLI_VERSION, probeCli } from './cli-version.ts';
import { downloadCli } from './download-cli.ts';
import { isLock, waitForFileLock } from './file-lock.ts';
import { explainPlatform } from './platform.ts';

/** One entry, one lock and one family of partial directories per release and platform. */
const CACHE_KEY = `${PINNED_CLI_VERSION}-${process.platform}-${process.arch}`;
const PARTIAL_PREFIX = `${CACHE_KEY}.partial-`;
const DOWNLOAD_URL = 'https://temporal.download/cli/archive';

export type CliOrigin = 'TEMPORAL_CLI_PATH' | 'path' | 'cache' | 'download' | 'built';

export interface TemporalCli {
  path: string;
  version: string;
  origin: CliOrigin;
}

export interface GetCliOptions {
  /** One line for people at each step, and every few seconds during long ones. */
  progress?: (line: string) => void;
  /** Root of the cache; default STAGEWRIGHT_CACHE, XDG_CACHE_HOME or ~/.cache. */
  cacheDir?: string;
  /** Default: this process's environment. STAGEWRIGHT_TEMPORAL_DOWNLOAD names a mirror of the official archives. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Returns a Temporal CLI that has answered `--version`.
 * Throws StagewrightError `temporal_cli_path` if TEMPORAL_CLI_PATH is set and unusable, `temporal_cli_unavailable` with
 * each way tried and its reason if none works.
 */
export async function getTemporalCli(options: GetCliOptions = {}): Promise<TemporalCli> {
  const env = options.env ?? process.env;
  const progress = options.progress ?? (() => undefined);
  const demanded = await takeDemanded(env);
  if (demanded !== null) return demanded;

  const failures: string[] = [];
  const found = await findOnPath(env, failures);
  if (found !== null) return found;

  const directory = path.join(cacheRoot(options, env), 'stagewright', 'temporal');
  const cached = path.join(directory, CACHE_KEY, 'temporal');
  return (await takeCached(cached)) ?? (await obtain({ directory, cached, env, progress, failures }));
}

async function takeDemanded(env: NodeJS.ProcessEnv): Promise<TemporalCli | null> {
  const file = env['TEMPORAL_CLI_PATH'];
  if (!file) return null;
  try {
    return { path: file, version: await probeCli(file), origin: 'TEMPORAL_CLI_PATH' };
  } catch (error) {
    throw new StagewrightError('temporal_cli_path', `TEMPORAL_CLI_PATH is set to ${file}: ${messageOf(error)}.`, {
      exit: 'config',
      mend: `Point it at a Temporal CLI ${MINIMUM_CLI_VERSION} or later, or unset it to have one found or fetched.`,
    });
  }
}

async function findOnPath(env: NodeJS.ProcessEnv, failures: string[]): Promise<TemporalCli | null> {
  const reasons: string[] = [];
  for (const directory of (env['PATH'] ?? '').split(path.delimiter).filter((entry) => path.isAbsolute(entry))) {
    const file = path.join(directory, 'temporal');
    try {
      return { path: file, version: await probeCli(file), origin: 'path' };
    } catch (error) {
      if (messageOf(error) !== 'there is no such file') reasons.push(`${file}: ${messageOf(error)}`);
    }
  }
  failures.push(`temporal on the PATH: ${reasons.join('; ') || 'not there'}`);
  return null;
}

async function takeCached(file: string): Promise<TemporalCli | null> {
  try {
    return { path: file, version: await probeCli(file), origin: 'cache' };
  } catch {
    return null;
  }
}

interface ObtainOptions {
  directory: string;
  cached: string;
  env: NodeJS.ProcessEnv;
  progress: (line: string) => void;
  failures: string[];
}

async function obtain(options: ObtainOptions): Promise<TemporalCli> {
  const { directory, cached, env, progress, failures } = options;
  let told = 0;
  const lock = await waitForFileLock(path.join(directory, `${CACHE_KEY}.lock`), {
    onWait: (holder, waitedMs) => {
      if (waitedMs < told) return;
      told = waitedMs + 5_000;
      progress(
        `Waiting for process ${holder.pid ?? '?'}, which is getting Temporal (${Math.round(waitedMs / 1_000)} s)`,
      );
    },
  });
  if (!isLock(lock)) throw new Error('a lock without time limit was not granted');
  try {
    const meanwhile = await takeCached(cached);
    if (meanwhile !== null) return meanwhile;
    await sweepPartials(directory);
    const baseUrl = env['STAGEWRIGHT_TEMPORAL_DOWNLOAD'] || DOWNLOAD_URL;
    progress(`Temporal CLI ${PINNED_CLI_VERSION} is not here yet: trying ${new URL(baseUrl).host}`);
    const ways = [
      {
        origin: 'download',
        name: `download from ${new URL(baseUrl).host}`,
        get: (at: string) => downloadCli({ directory: at, baseUrl, progress }),
      },
      {
        origin: 'built',
        name: 'build from source with Go',
        get: (at: string) => buildCli({ directory: at, env, progress }),
      },
    ] as const;
    for (const way of ways) {
      const partial = await mkdtemp(path.join(directory, PARTIAL_PREFIX));
      try {
        explainPlatform();
        await install(await way.get(partial), cached);
        progress(`Temporal CLI ${PINNED_CLI_VERSION} is ready (${way.name}): ${cached}`);
        return { path: cached, version: await probeCli(cached), origin: way.origin };
      } catch (error) {
        failures.push(`${way.name}: ${messageOf(error)}`);
        progress(`No Temporal by ${way.name}: ${messageOf(error).split('\n')[0]}`);
      } finally {
        await rm(partial, { recursive: true, force: true });
      }
    }
    throw unavailable(failures);
  } finally {
    lock.release();
  }
}

/** Gives a whole, synced file its final name: whoever finds the name finds all of it, also after a power cut. */
async function install(binary: string, target: string): Promise<void> {
  await chmod(binary, 0o755);
  const handle = await open(binary, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await mkdir(path.dirname(target), { recursive: true });
  await rename(binary, target);
}

/** Called under the lock: nobody living works in these. */
async function sweepPartials(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(PARTIAL_PREFIX)) await rm(path.join(directory, name), { recursive: true, force: true });
  }
}

function cacheRoot(options: GetCliOptions, env: NodeJS.ProcessEnv): string {
  return (
    options.cacheDir ||
    env['STAGEWRIGHT_CACHE'] ||
    env['XDG_CACHE_HOME'] ||
    path.join(env['HOME'] || homedir(), '.cache')
  );
}

function unavailable(failures: string[]): StagewrightError {
  const list = failures.map((failure) => `  - ${failure}`).join('\n');
  return new StagewrightError(
    'temporal_cli_unavailable',
    `There is no Temporal CLI, and every way to get one failed:\n${list}`,
    {
      mend:
        `Do one of these: install Temporal CLI ${MINIMUM_CLI_VERSION} or later (https://docs.temporal.io/cli) and put it on the PATH or name it in ` +
        'TEMPORAL_CLI_PATH; install Go 1.26.4 or later, with a module proxy it can reach and 6 GB of disk; or set TEMPORAL_ADDRESS to use a server that runs already.',
    },
  );
}
