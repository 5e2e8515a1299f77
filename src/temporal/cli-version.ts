/**
 * Asks a `temporal` binary what it is by running it. A file that exists proves nothing: it may be half a download, for
 * another processor, or a release without the server settings that we pass.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errnoOf } from '../errors.ts';

/** The release that is downloaded or built; go.mod in tools/temporal pins the same one. */
export const PINNED_CLI_VERSION = '1.8.2';
/** Oldest release whose dev server (1.31.2) knows every setting that we pass. */
export const MINIMUM_CLI_VERSION = '1.8.0';
const MINIMUM_SERVER_VERSION = '1.31.2';
/** The binary answers in 50 ms; a cold disk or a starved machine needs longer, a hung one must not hold the start up. */
const PROBE_TIMEOUT_MS = 15_000;

const run = promisify(execFile);

/**
 * Runs `<file> --version` and returns the version, e.g. `1.8.2`. Throws an Error whose message is the reason, fit to
 * stand after a colon, if it cannot be run or is too old.
 */
export async function probeCli(file: string): Promise<string> {
  const output = await askVersion(file);
  const found = /^temporal version (\S+)(?: \(Server ([\d.]+))?/m.exec(output);
  if (!found?.[1]) throw new Error(`it does not answer --version like the Temporal CLI`);
  const [, version, server] = found;
  // A build without version stamp calls itself 0.0.0-DEV; its server tells its age.
  const recent = version.startsWith('0.0.0')
    ? server !== undefined && !isOlder(server, MINIMUM_SERVER_VERSION)
    : !isOlder(version, MINIMUM_CLI_VERSION);
  if (!recent) throw new Error(`it is version ${version}, and ${MINIMUM_CLI_VERSION} or later is needed`);
  return version;
}

async function askVersion(file: string): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { stdout } = await run(file, ['--version'], { timeout: PROBE_TIMEOUT_MS, killSignal: 'SIGKILL' });
      return stdout;
    } catch (error) {
      // Somebody is forking while the file's last writer closes it: over in a moment.
      if (errnoOf(error) === 'ETXTBSY' && attempt < 20) {
        await sleep(50);
        continue;
      }
      throw new Error(describeProbeFailure(error), { cause: error });
    }
  }
}

function describeProbeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, killed, signal }: Error & { code?: unknown; killed?: boolean; signal?: string | null } = error;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'it is not an executable file';
  if (killed === true) return `it did not answer --version within ${PROBE_TIMEOUT_MS / 1_000} s`;
  if (typeof signal === 'string') return `--version was ended by ${signal}`;
  return typeof code === 'number' ? `--version ended with exit code ${code}` : `it cannot be run (${String(code)})`;
}

/** Compares dotted numbers; anything after a hyphen is left out of it. */
export function isOlder(version: string, than: string): boolean {
  const left = numbersOf(version);
  const right = numbersOf(than);
  for (const [index, wanted] of right.entries()) {
    const difference = (left[index] ?? 0) - wanted;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function numbersOf(version: string): number[] {
  return (version.split('-')[0] ?? '').split('.').map(Number);
}
