/**
 * Builds the Temporal CLI from source with Go, from the module list in `tools/temporal` (go.mod and go.sum: every module
 * pinned and checked by its hash). `go install …@version` cannot do it: the CLI's go.mod holds a `replace`.
 * Takes 3 to 5 minutes on two cores the first time, and about 6 GB of Go's own caches.
 */
import { execFile, spawn } from 'node:child_process';
import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { errnoOf } from '../errors.ts';
import { packageRoot } from '../paths.ts';
import { isOlder, PINNED_CLI_VERSION, probeCli } from './cli-version.ts';

/** `go 1.26.4` in tools/temporal/go.mod. */
const NEEDED_GO_VERSION = '1.26.4';
/** From this release on, `go` fetches a newer toolchain by itself unless GOTOOLCHAIN=local. */
const SELF_UPDATING_GO_VERSION = '1.21';
/** Longest silence of a healthy build: one big package, or the link, on a slow machine. Past it the network is dead. */
const SILENCE_TIMEOUT_MS = 10 * 60_000;
const PROGRESS_EVERY_MS = 5_000;
const KEPT_LINES = 15;

const run = promisify(execFile);

export interface BuildOptions {
  /** An existing directory to work in; the caller removes it. */
  directory: string;
  env: NodeJS.ProcessEnv;
  progress: (line: string) => void;
  progressEveryMs?: number;
}

/** Returns the path of the built, tried binary. Throws an Error whose message is the reason. */
export async function buildCli(options: BuildOptions): Promise<string> {
  const { env, progress } = options;
  await checkGo(env);
  const module = path.join(options.directory, 'module');
  await mkdir(module);
  for (const name of ['go.mod', 'go.sum']) {
    await copyFile(path.join(packageRoot, 'tools', 'temporal', name), path.join(module, name));
  }
  const binary = path.join(options.directory, 'temporal');
  progress(`Building Temporal ${PINNED_CLI_VERSION} from source with Go: once only, about 4 minutes on two cores.`);
  await compile(module, binary, options);
  await probeCli(binary).catch((error: Error) => {
    throw new Error(`the built binary is unusable: ${error.message}`, { cause: error });
  });
  return binary;
}

async function checkGo(env: NodeJS.ProcessEnv): Promise<void> {
  const answer = await run('go', ['env', 'GOVERSION', 'GOTOOLCHAIN'], { env, timeout: 20_000 }).catch(
    (error: unknown) => {
      const missing = errnoOf(error) === 'ENOENT';
      throw new Error(missing ? 'Go is not installed' : '`go env` fails', { cause: error });
    },
  );
  const [version = '', toolchain = ''] = answer.stdout.split('\n').map((line) => line.trim().replace(/^go/, ''));
  if (!/^\d/.test(version) || !isOlder(version, NEEDED_GO_VERSION)) return;
  if (isOlder(version, SELF_UPDATING_GO_VERSION))
    throw new Error(`Go ${version} is too old, ${NEEDED_GO_VERSION} is needed`);
  if (toolchain !== 'local') return;
  throw new Error(
    `Go ${version} is older than ${NEEDED_GO_VERSION}, and GOTOOLCHAIN=local forbids it to fetch a newer one (set GOTOOLCHAIN=auto)`,
  );
}

function compile(module: string, binary: string, options: BuildOptions): Promise<void> {
  const stamp = `-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=${PINNED_CLI_VERSION}`;
  const target = 'github.com/temporalio/cli/cmd/temporal';
  const argv = ['build', '-v', '-mod=readonly', '-trimpath', '-ldflags', stamp, '-o', binary, target];
  const child = spawn('go', argv, {
    cwd: module,
    // GOWORK: a workspace file above the cache directory would replace our module list.
    env: { ...options.env, CGO_ENABLED: '0', GOWORK: 'off' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const startedAtMs = performance.now();
  const lastLines: string[] = [];
  let downloaded = 0;
  let compiled = 0;
  let silent = false;
  const silence = setTimeout(() => {
    silent = true;
    child.kill('SIGTERM');
  }, SILENCE_TIMEOUT_MS);
  const tell = setInterval(() => {
    const elapsed = Math.round((performance.now() - startedAtMs) / 1_000);
    const doing =
      compiled > 0 ? `${compiled} packages compiled` : downloaded > 0 ? `${downloaded} modules fetched` : 'checking';
    options.progress(`Building Temporal: ${elapsed} s, ${doing}`);
  }, options.progressEveryMs ?? PROGRESS_EVERY_MS);

  createInterface({ input: child.stderr }).on('line', (line) => {
    silence.refresh();
    if (line.startsWith('go: downloading ')) downloaded += 1;
    else if (/^[\w.-]+(\/[\w.~-]+)*$/.test(line)) compiled += 1;
    else lastLines.push(line);
    if (lastLines.length > KEPT_LINES) lastLines.shift();
  });
  return new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`go cannot be started (${error.message})`)));
    child.once('close', (code, signal) => {
      if (code === 0) return resolve();
      const how = silent
        ? 'stood still and was ended'
        : signal === null
          ? `ended with exit code ${code}`
          : `was ended by ${signal}`;
      reject(new Error([`\`go build\` ${how}`, ...lastLines].join('\n      ')));
    });
  }).finally(() => {
    clearTimeout(silence);
    clearInterval(tell);
  });
}
