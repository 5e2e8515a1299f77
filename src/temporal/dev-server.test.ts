import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../domain/protocol.ts';
import { StagewrightError } from '../errors.ts';
import { compiled } from '../paths.ts';
import { getTemporalCli, type TemporalCli } from './binary.ts';
import { connectTemporal, type TemporalConnection } from './connection.ts';
import { type DevServer, type DevServerOptions, startDevServer } from './dev-server.ts';
import { findServersOf, readDevServerRecord } from './dev-server-record.ts';
import { checkSearchAttributes, findMissingSearchAttributes } from './namespace.ts';
import { identifyProcess } from './process-identity.ts';

const DAY_SECONDS = 86_400;

let cli: TemporalCli;
let directory: string;
let dbFile: string;
let servers: DevServer[];
let connections: TemporalConnection[];

beforeAll(async () => {
  cli = await getTemporalCli({ progress: (line) => console.log(line) });
}, 30 * 60_000);
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'dev-server-'));
  dbFile = path.join(directory, 'data', 'temporal.db');
  servers = [];
  connections = [];
});
afterEach(async () => {
  for (const { connection } of connections) await connection.close();
  for (const server of servers) await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function settings(more: Partial<DevServerOptions> = {}): DevServerOptions {
  return { binary: cli, dbFile, logFile: path.join(directory, 'temporal.log'), port: 'free', uiPort: null, ...more };
}

async function start(more: Partial<DevServerOptions> = {}): Promise<DevServer> {
  const server = await startDevServer(settings(more));
  servers.push(server);
  return server;
}

async function connect(server: { address: string }): Promise<TemporalConnection> {
  const connection = await connectTemporal({ address: server.address });
  connections.push(connection);
  return connection;
}

async function failureOf(attempt: Promise<unknown>): Promise<StagewrightError> {
  const error = await attempt.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof StagewrightError) return error;
  throw new Error(`a StagewrightError was expected, not ${String(error)}`);
}

/** A workflow that nobody runs, carrying our attributes: refused by a server that does not know them. */
async function startItem({ client }: TemporalConnection, workflowId: string): Promise<void> {
  const typedSearchAttributes = SEARCH_ATTRIBUTES.map((name) => ({
    key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
    value: 'x',
  }));
  await client.workflow.start('nothing', { taskQueue: 'nobody', workflowId, typedSearchAttributes });
}

test('serves with our settings: loopback only, 90 days, search attributes, WAL, Web UI; stops and leaves nothing', async () => {
  const server = await start({ uiPort: 'free' });
  const { connection } = await connect(server);
  const { config } = await connection.workflowService.describeNamespace({ namespace: server.namespace });
  expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(90 * DAY_SECONDS);
  expect(await findMissingSearchAttributes(connection, server.namespace)).toEqual([]);
  expect((await fetch(server.uiUrl!)).status).toBe(200);
  // Bytes 18 and 19 of an SQLite file are 2 in WAL mode.
  expect([...readFileSync(dbFile).subarray(18, 20)]).toEqual([2, 2]);
  expect(listeningAddresses(server.pid)).toEqual(['127.0.0.1']);
  // A session of its own: a terminal's Ctrl-C does not reach it.
  expect(sessionOf(server.pid)).toBe(server.pid);
  expect(readDevServerRecord(dbFile)).toMatchObject({ alive: true, address: server.address, uiUrl: server.uiUrl });

  await server.stop();
  expect(await server.exited).toMatchObject({ asked: true });
  expect(identifyProcess(server.pid)).toBeNull();
  expect(readDevServerRecord(dbFile)).toBeNull();
});

test('killed and started again on its file: same address, data kept, attributes and retention still there', async () => {
  const first = await start();
  const before = await connect(first);
  await startItem(before, 'ET-1');
  first.kill();
  expect(await first.exited).toMatchObject({ signal: 'SIGKILL' });

  const { port: _port, ...chosen } = settings();
  const second = await startDevServer(chosen);
  servers.push(second);
  expect(second.address).toBe(first.address);
  // The old connection finds the new server by itself, within a second or so.
  const startedAtMs = performance.now();
  const description = await before.client.workflow.getHandle('ET-1').describe();
  expect(performance.now() - startedAtMs).toBeLessThan(3_000);
  expect(description.status.name).toBe('RUNNING');
  await startItem(before, 'ET-2');
});

test('an old file learns attributes and retention that it was made without', async () => {
  const first = await start({ searchAttributes: ['Project'], retentionHours: 24 });
  await expect(startItem(await connect(first), 'ET-1')).rejects.toThrow();
  const error = await failureOf(checkSearchAttributes(connections[0]!));
  expect(error).toMatchObject({ code: 'search_attributes_missing', exit: 'config' });
  const { message, mend } = error;
  expect(message).toContain('Stage, Role, Attention, Waiting');
  // The command in the mend is complete: run as it stands, nothing is missing any more.
  const [program, ...argv] = (mend ?? '').split(' ');
  expect(program).toBe('temporal');
  await new Promise((resolve, reject) =>
    spawn(cli.path, argv, { stdio: 'ignore' }).once('exit', resolve).once('error', reject),
  );
  await checkSearchAttributes(connections[0]!);
  await first.stop();

  const second = await start({ searchAttributes: [...SEARCH_ATTRIBUTES, 'Later'] });
  const after = await connect(second);
  const { config } = await after.connection.workflowService.describeNamespace({ namespace: second.namespace });
  expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(90 * DAY_SECONDS);
  expect(await findMissingSearchAttributes(after.connection, second.namespace, ['Later'])).toEqual([]);
  await startItem(after, 'ET-2');
});

test('a second server on the same file is refused while the first lives', async () => {
  const first = await start();
  const error = await failureOf(startDevServer(settings()));
  expect(error).toMatchObject({ code: 'temporal_database_in_use' });
  expect(error.mend).toContain(`TEMPORAL_ADDRESS=${first.address}`);
  expect(findServersOf(dbFile).map(({ identity }) => identity.pid)).toEqual([first.pid]);
}, 60_000);

test('a server that outlived its killed parent is ended before the next one starts on the file', async () => {
  const parent = spawn(process.execPath, ['--input-type=module', '-e', parentCode()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = await once(parent.stdout, 'data');
  const orphan = Number(String(said));
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  expect(identifyProcess(orphan)).not.toBeNull();

  const server = await start();
  expect(identifyProcess(orphan)).toBeNull();
  await startItem(await connect(server), 'ET-1');
});

test('a server that a person started on the file by hand is named, not killed', async () => {
  const first = await start();
  await first.stop();
  const argv = [
    'server',
    'start-dev',
    '--headless',
    '--ip',
    '127.0.0.1',
    '--port',
    first.address.split(':')[1]!,
    '--db-filename',
    dbFile,
  ];
  const byHand = spawn(cli.path, argv, { stdio: 'ignore' });
  try {
    await expect.poll(() => findServersOf(dbFile)).toMatchObject([{ ours: false }]);
    const error = await failureOf(startDevServer(settings()));
    expect(error.message).toContain(`in use by process ${byHand.pid}`);
    expect(byHand.exitCode).toBeNull();
  } finally {
    byHand.kill('SIGKILL');
    await once(byHand, 'exit');
  }
});

test('a demanded port that is taken is an error; a preferred one makes room', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const address = squatter.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    await expect(start({ port })).rejects.toMatchObject({ code: 'temporal_port_taken' });
    // Nothing is left that would hold the file.
    expect(findServersOf(dbFile)).toEqual([]);
    expect((await start()).address).not.toBe(`127.0.0.1:${port}`);
  } finally {
    squatter.close();
  }
});

test('two servers started at once with the same wish get different ports, each its own', async () => {
  const other = path.join(directory, 'other', 'temporal.db');
  const { port: _port, ...chosen } = settings();
  const started = await Promise.all([startDevServer(chosen), startDevServer({ ...chosen, dbFile: other })]);
  servers.push(...started);
  expect(started[0].address).not.toBe(started[1].address);
  await startItem(await connect(started[0]), 'only-in-the-first');
  const second = await connect(started[1]);
  await expect(second.client.workflow.getHandle('only-in-the-first').describe()).rejects.toThrow('not found');
});

test('a server that cannot start says why, with the end of its log', async () => {
  await (await start()).stop();
  writeFileSync(dbFile, 'no database');
  rmSync(`${dbFile}-wal`, { force: true });
  rmSync(`${dbFile}-shm`, { force: true });
  const error = await failureOf(startDevServer(settings()));
  expect(error).toMatchObject({ code: 'temporal_start_failed' });
  expect(error.message).toMatch(/file is not a database/);
});

test('a binary that cannot be run at all is reported the same way', async () => {
  const error = await startDevServer(settings({ binary: { path: '/nonexistent/temporal', version: '1.8.2' } })).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'temporal_start_failed' });
});

function parentCode(): string {
  const module = JSON.stringify(compiled('src/temporal/dev-server.js'));
  return `import { startDevServer } from ${module};
    const server = await startDevServer(${JSON.stringify(settings())});
    console.log(server.pid);
    setInterval(() => {}, 1000);`;
}

function listeningAddresses(pid: number): string[] {
  const output = execFileSync('ss', ['-Htlnp'], { encoding: 'utf8' });
  const lines = output.split('\n').filter((line) => line.includes(`pid=${pid},`));
  return [...new Set(lines.map((line) => line.trim().split(/\s+/)[3]!.replace(/:\d+$/, '')))];
}

function sessionOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
}
