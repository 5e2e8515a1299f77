/**
 * Fetches the official release archive. Bounded twice: no answer within seconds, or a transfer that stands still, is
 * given up so that the next way gets its turn; a closed network must cost seconds, not minutes.
 *
 * No checksum of the archive is pinned, because none could be taken from a trusted place when this was written: it is
 * trusted as far as HTTPS and the host are, and used only if the binary inside runs and names exactly the version asked for.
 */
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '../errors.ts';
import { PINNED_CLI_VERSION, probeCli } from './cli-version.ts';
import { explainPlatform } from './platform.ts';

/** Name lookup, connection, redirects and first byte together; a working network needs well under a second. */
const ANSWER_TIMEOUT_MS = 5_000;
/** A transfer in which nothing arrived for this long is dead, or too slow to be worth waiting for. */
const STALL_TIMEOUT_MS = 15_000;

const PROGRESS_EVERY_MS = 3_000;

const run = promisify(execFile);

export interface DownloadOptions {
  /** An existing directory to work in; the caller removes it. */
  directory: string;
  /** Base of the archive addresses; a mirror may stand in. */
  baseUrl: string;
  progress: (line: string) => void;
  answerTimeoutMs?: number;
  stallTimeoutMs?: number;
}

/** Returns the path of the unpacked, tried binary. Throws an Error whose message is the reason. */
export async function downloadCli(options: DownloadOptions): Promise<string> {
  const { os, arch } = explainPlatform();
  const url = `${options.baseUrl}/v${PINNED_CLI_VERSION}?platform=${os}&arch=${arch}`;
  const archive = path.join(options.directory, 'temporal.tar.gz');
  await fetchFile(url, archive, options);
  await run('tar', ['-xzf', archive, '-C', options.directory, 'temporal']).catch((error: unknown) => {
    throw new Error('the archive could not be unpacked', { cause: error });
  });
  const binary = path.join(options.directory, 'temporal');
  const version = await probeCli(binary).catch((error: Error) => {
    throw new Error(`the downloaded binary is unusable: ${error.message}`, { cause: error });
  });
  if (version !== PINNED_CLI_VERSION) throw new Error(`the download is version ${version}, not ${PINNED_CLI_VERSION}`);
  return binary;
}

async function fetchFile(url: string, file: string, options: DownloadOptions): Promise<void> {
  const host = new URL(url).host;
  const answerTimeoutMs = options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS;
  const stallTimeoutMs = options.stallTimeoutMs ?? STALL_TIMEOUT_MS;
  const abort = new AbortController();
  const giveUp = (reason: string): void => abort.abort(new Error(reason));
  let timer = setTimeout(() => giveUp(`${host} did not answer within ${answerTimeoutMs / 1_000} s`), answerTimeoutMs);
  try {
    const response = await fetch(url, { signal: abort.signal, redirect: 'follow' });
    if (!response.ok || response.body === null) throw new Error(`${host} answered ${response.status}`);
    clearTimeout(timer);
    timer = setTimeout(() => giveUp(`the download stood still for ${stallTimeoutMs / 1_000} s`), stallTimeoutMs);
    await saveBody(response.body, file, Number(response.headers.get('content-length')), () => timer.refresh(), options);
  } catch (error) {
    if (abort.signal.aborted) throw abort.signal.reason;
    throw new Error(describeFetchFailure(error, host), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function saveBody(
  body: AsyncIterable<Uint8Array>,
  file: string,
  expectedBytes: number,
  moved: () => void,
  options: DownloadOptions,
): Promise<void> {
  let receivedBytes = 0;
  const tell = setInterval(() => options.progress(describeTransfer(receivedBytes, expectedBytes)), PROGRESS_EVERY_MS);
  const handle = await open(file, 'w');
  try {
    for await (const chunk of body) {
      await handle.write(chunk);
      receivedBytes += chunk.length;
      moved();
    }
  } finally {
    clearInterval(tell);
    await handle.close();
  }
}

function describeTransfer(receivedBytes: number, expectedBytes: number): string {
  const total = expectedBytes === 0 ? '' : ` of ${megabytes(expectedBytes)}`;
  return `Downloading Temporal ${PINNED_CLI_VERSION}: ${megabytes(receivedBytes)}${total}`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

function describeFetchFailure(error: unknown, host: string): string {
  const code = errnoOf(error) ?? (error instanceof Error ? errnoOf(error.cause) : undefined);
  if (code !== undefined) return `${host} cannot be reached (${code})`;
  return error instanceof Error
    ? `${host}: ${error.cause instanceof Error ? error.cause.message : error.message}`
    : String(error);
}
