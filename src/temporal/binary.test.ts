import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StagewrightError } from '../errors.ts';
import { compiled } from '../paths.ts';
import { getTemporalCli, type TemporalCli } from './binary.ts';
import { downloadCli } from './download-cli.ts';

/** Nothing listens there: what a closed network looks like, without its delay. */
const CLOSED = 'http://127.0.0.1:2/archive';
const GOOD_VERSION = 'temporal version 1.8.2 (Server 1.31.2, UI 2.50.1)';

let directory: string;
let bin: string;
let cache: string;
let cached: string;
const servers: { close(): unknown; closeAllConnections?: () => void }[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'cli-'));
  bin = path.join(directory, 'bin');
  cache = path.join(directory, 'cache');
  cached = path.join(cache, 'stagewright', 'temporal', `1.8.2-${process.platform}-${process.arch}`, 'temporal');
  mkdirSync(bin);
});
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections?.();
    server.close();
  }
  rmSync(directory, { recursive: true, force: true });
});

function writeScript(file: string, body: string): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** A `go` that takes a while, counts its builds and produces a binary which prints `version`. */
function writeFakeGo(
  options: { seconds?: number; version?: string; goVersion?: string; toolchain?: string; fails?: boolean } = {},
): void {
  const { seconds = 0, version = GOOD_VERSION, goVersion = 'go1.26.8', toolchain = 'auto', fails = false } = options;
  writeScript(
    path.join(bin, 'go'),
    `if [ "$1" = env ]; then echo ${goVersion}; echo ${toolchain}; exit 0; fi
echo build >> '${directory}/builds'
[ -f go.mod ] && [ -f go.sum ] || exit 9
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\n' > "$2"
echo 'go: downloading example.org/module v1.0.0' >&2
sleep ${seconds}
${fails ? "echo 'verifying module: checksum mismatch' >&2; exit 1" : ''}
printf 'echo "${version}"\\n' >> "$2"
chmod +x "$2"`,
  );
}

function builds(): number {
  const file = path.join(directory, 'builds');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0;
}

function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return {
    PATH: `${bin}:/usr/bin:/bin`,
    HOME: directory,
    STAGEWRIGHT_CACHE: cache,
    STAGEWRIGHT_TEMPORAL_DOWNLOAD: CLOSED,
    ...more,
  };
}

function get(more: Record<string, string> = {}, lines: string[] = []): Promise<TemporalCli> {
  return getTemporalCli({ env: environment(more), progress: (line) => lines.push(line) });
}

function portOf(server: TcpServer): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function failureOf(attempt: Promise<unknown>): Promise<StagewrightError> {
  const error = await attempt.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof StagewrightError) return error;
  throw new Error(`a StagewrightError was expected, not ${String(error)}`);
}

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${portOf(server)}/archive`;
}

function makeArchive(version: string): Buffer {
  const inside = path.join(directory, 'inside');
  writeScript(path.join(inside, 'temporal'), `echo "${version}"`);
  execFileSync('tar', ['-czf', path.join(directory, 'a.tar.gz'), '-C', inside, 'temporal']);
  return readFileSync(path.join(directory, 'a.tar.gz'));
}

test('TEMPORAL_CLI_PATH comes before everything else', async () => {
  writeScript(path.join(bin, 'temporal'), `echo "${GOOD_VERSION}"`);
  const mine = writeScript(
    path.join(directory, 'mine', 'temporal'),
    'echo "temporal version 1.9.1 (Server 1.32.0, UI 2.51.0)"',
  );
  expect(await get({ TEMPORAL_CLI_PATH: mine })).toEqual({ path: mine, version: '1.9.1', origin: 'TEMPORAL_CLI_PATH' });
});

test.each([
  ['missing', null, 'there is no such file'],
  [
    'too old',
    'echo "temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)"',
    'it is version 1.5.1, and 1.8.0 or later is needed',
  ],
  ['something else', 'echo hello', 'it does not answer --version like the Temporal CLI'],
  ['failing', 'exit 3', '--version ended with exit code 3'],
])(
  'an unusable TEMPORAL_CLI_PATH (%s) is an error with its mend, not silently passed over',
  async (_name, body, reason) => {
    writeScript(path.join(bin, 'temporal'), `echo "${GOOD_VERSION}"`);
    const file = path.join(directory, 'mine', 'temporal');
    if (body !== null) writeScript(file, body);
    const error = await failureOf(get({ TEMPORAL_CLI_PATH: file }));
    expect(error).toMatchObject({ code: 'temporal_cli_path', exit: 'config' });
    expect(error.message).toBe(`TEMPORAL_CLI_PATH is set to ${file}: ${reason}.`);
    expect(error.mend).toContain('unset it');
  },
);

test('a recent temporal on the PATH is used, also one built without version stamp', async () => {
  const file = writeScript(path.join(bin, 'temporal'), 'echo "temporal version 0.0.0-DEV (Server 1.31.2, UI 2.50.1)"');
  expect(await get()).toEqual({ path: file, version: '0.0.0-DEV', origin: 'path' });
});

test('an old temporal on the PATH, a closed network: built from source within seconds, then found in the cache', async () => {
  writeScript(path.join(bin, 'temporal'), 'echo "temporal version 1.7.3 (Server 1.31.1, UI 2.49.1)"');
  writeFakeGo();
  const lines: string[] = [];
  const startedAtMs = performance.now();
  expect(await get({}, lines)).toEqual({ path: cached, version: '1.8.2', origin: 'built' });
  expect(performance.now() - startedAtMs).toBeLessThan(5_000);
  expect(lines.join('\n')).toMatch(/No Temporal by download.*ECONNREFUSED[^]*Building Temporal 1.8.2 from source/);
  expect(await get()).toEqual({ path: cached, version: '1.8.2', origin: 'cache' });
  expect(builds()).toBe(1);
});

test('a network that swallows everything costs the answer timeout, no more', async () => {
  const blackhole = createTcpServer(() => undefined);
  servers.push(blackhole);
  blackhole.listen(0, '127.0.0.1');
  await once(blackhole, 'listening');
  writeFakeGo();
  const startedAtMs = performance.now();
  const url = `http://127.0.0.1:${portOf(blackhole)}/archive`;
  expect((await get({ STAGEWRIGHT_TEMPORAL_DOWNLOAD: url })).origin).toBe('built');
  expect(performance.now() - startedAtMs).toBeLessThan(8_000);
});

test('the official archive is asked for by version and platform, unpacked, tried and kept', async () => {
  const archive = makeArchive(GOOD_VERSION);
  const asked: string[] = [];
  const url = await serve((request, response) => {
    asked.push(request.url ?? '');
    response.end(archive);
  });
  expect(await get({ STAGEWRIGHT_TEMPORAL_DOWNLOAD: url })).toEqual({
    path: cached,
    version: '1.8.2',
    origin: 'download',
  });
  const arch = process.arch === 'x64' ? 'amd64' : 'arm64';
  expect(asked).toEqual([`/archive/v1.8.2?platform=${process.platform}&arch=${arch}`]);
});

test.each([
  [
    'another version',
    () => makeArchive('temporal version 1.8.1 (Server 1.31.2, UI 2.50.1)'),
    'the download is version 1.8.1, not 1.8.2',
  ],
  ['half an archive', () => makeArchive(GOOD_VERSION).subarray(0, 60), 'the archive could not be unpacked'],
  ['a login page', () => Buffer.from('<html>'), 'the archive could not be unpacked'],
])('a download that is %s is not used', async (_name, body, reason) => {
  const bytes = body();
  const url = await serve((_request, response) => void response.end(bytes));
  const error = await failureOf(get({ STAGEWRIGHT_TEMPORAL_DOWNLOAD: url }));
  expect(error.message).toContain(reason);
  expect(existsSync(cached)).toBe(false);
});

test('a download that stands still is given up', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': '1000000' });
    response.write('some');
  });
  const options = { directory, baseUrl: url, progress: () => undefined, stallTimeoutMs: 200 };
  await expect(downloadCli(options)).rejects.toThrow('the download stood still for 0.2 s');
});

test('when every way fails, each is named with its reason and what to do', async () => {
  writeFakeGo({ fails: true });
  const error = await failureOf(get());
  expect(error).toMatchObject({ code: 'temporal_cli_unavailable' });
  expect(error.message).toMatch(
    /on the PATH: not there\n.*127\.0\.0\.1:2 cannot be reached.*\n.*`go build` ended with exit code 1\n.*checksum mismatch/,
  );
  expect(error.mend).toMatch(/TEMPORAL_CLI_PATH.*Go 1\.26\.4.*TEMPORAL_ADDRESS/);
});

test.each([
  [{ goVersion: 'go1.24.0', toolchain: 'local' }, 'GOTOOLCHAIN=local forbids it to fetch a newer one'],
  [{ goVersion: 'go1.20.3' }, 'Go 1.20.3 is too old, 1.26.4 is needed'],
])('a Go that cannot build it is recognised before the build: %o', async (go, reason) => {
  writeFakeGo(go);
  await expect(get()).rejects.toThrow(reason);
  expect(builds()).toBe(0);
});

test('no Go: said so', async () => {
  await expect(get()).rejects.toThrow('build from source with Go: Go is not installed');
});

test('concurrent callers, in this process and another, do the work once', async () => {
  writeFakeGo({ seconds: 1 });
  const lines: string[] = [];
  const code = `import { getTemporalCli } from ${JSON.stringify(compiled('src/temporal/binary.js'))}; console.log((await getTemporalCli()).origin)`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [childSaid, first, second] = await Promise.all([once(child.stdout, 'data'), get({}, lines), get({}, lines)]);
  const origins = [String(childSaid[0]).trim(), first.origin, second.origin].toSorted();
  expect(origins).toEqual(['built', 'cache', 'cache']);
  expect(builds()).toBe(1);
  expect(lines.join('\n')).toMatch(/Waiting for process \d+, which is getting Temporal/);
});

test('what a killed build leaves behind is never used, and swept by the next', async () => {
  writeFakeGo({ seconds: 30 });
  const code = `import { getTemporalCli } from ${JSON.stringify(compiled('src/temporal/binary.js'))}; await getTemporalCli()`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: environment(),
    stdio: 'ignore',
    detached: true,
  });
  const kept = path.dirname(path.dirname(cached));
  while (partials(kept).length === 0) await sleep(20);
  process.kill(-child.pid!, 'SIGKILL');
  await once(child, 'exit');
  expect(existsSync(cached)).toBe(false);

  writeFakeGo();
  expect((await get()).origin).toBe('built');
  expect(readdirSync(kept).filter((name) => name.includes('partial'))).toEqual([]);
});

test('a damaged file in the cache is replaced', async () => {
  writeFakeGo();
  mkdirSync(path.dirname(cached), { recursive: true });
  writeFileSync(cached, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0]), { mode: 0o755 });
  expect((await get()).origin).toBe('built');
  expect((await get()).origin).toBe('cache');
});

/** Half-made binaries in the cache directory. */
function partials(kept: string): string[] {
  if (!existsSync(kept)) return [];
  return readdirSync(kept).filter((name) => name.includes('partial') && existsSync(path.join(kept, name, 'temporal')));
}
