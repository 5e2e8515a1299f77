/**
 * docker-compose.yml and what it mounts, as far as it can be tried without Docker's registry.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { packageRoot } from '../paths.ts';
import { getTemporalCli } from './binary.ts';
import { connectTemporal } from './connection.ts';
import { startDevServer } from './dev-server.ts';
import { DYNAMIC_CONFIG } from './dev-server-args.ts';
import { checkSearchAttributes, DEFAULT_RETENTION_HOURS } from './namespace.ts';

const run = promisify(execFile);

interface Service {
  image: string;
  ports?: string[];
  volumes?: string[];
  networks: string[];
  depends_on?: Record<string, { condition: string }>;
  init?: boolean;
  stop_grace_period?: string;
}

function readCompose(): Record<string, Service> {
  return parse(readFileSync(path.join(packageRoot, 'docker-compose.yml'), 'utf8'), { merge: true }).services;
}

test('everything is published on loopback only, every mounted file exists, every dependency is a service', () => {
  const services = readCompose();
  expect(Object.keys(services).toSorted()).toEqual(['http', 'init', 'postgres', 'schema', 'temporal', 'ui', 'worker']);
  for (const [name, service] of Object.entries(services)) {
    for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:/);
    for (const dependency of Object.keys(service.depends_on ?? {})) expect(services, name).toHaveProperty(dependency);
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':');
      // The configuration is the user's own.
      if (source.startsWith('./docker')) expect(existsSync(path.join(packageRoot, source)), volume).toBe(true);
    }
  }
});

test('a stopped worker has the time to drain, and what loses its parent is reaped', () => {
  const { worker, http } = readCompose();
  expect(worker).toMatchObject({ init: true, stop_grace_period: '75m', command: ['worker', '--drain'] });
  expect(http).toMatchObject({ init: true });
});

test('the cluster gets the queue settings of the embedded server', () => {
  const file = path.join(packageRoot, 'docker', 'dynamicconfig', 'production.yaml');
  const settings: Record<string, { value: unknown }[]> = parse(readFileSync(file, 'utf8'));
  expect(Object.fromEntries(Object.entries(settings).map(([key, [first]]) => [key, first?.value]))).toEqual(
    DYNAMIC_CONFIG,
  );
});

test('init.sh makes a namespace that our workflows can use, and may run again', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'init-'));
  const binary = await getTemporalCli();
  const files = { dbFile: path.join(directory, 't.db'), logFile: path.join(directory, 't.log') };
  const server = await startDevServer({ binary, ...files, port: 'free', uiPort: null, searchAttributes: [] });
  try {
    mkdirSync(path.join(directory, 'bin'));
    symlinkSync(binary.path, path.join(directory, 'bin', 'temporal'));
    const env = {
      PATH: `${path.join(directory, 'bin')}:/usr/bin:/bin`,
      HOME: directory,
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_NAMESPACE: 'agents',
      SETTLE_SECONDS: '0',
    };
    for (let time = 1; time <= 2; time += 1) await run('sh', [path.join(packageRoot, 'docker', 'init.sh')], { env });
    const connected = await connectTemporal({ address: server.address, namespace: 'agents' });
    try {
      await expect(checkSearchAttributes(connected)).resolves.toBeUndefined();
      const { config } = await connected.connection.workflowService.describeNamespace({ namespace: 'agents' });
      expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(DEFAULT_RETENTION_HOURS * 3_600);
    } finally {
      await connected.connection.close();
    }
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);

test('schema.sh is a shell script that stops at the first error', async () => {
  const file = path.join(packageRoot, 'docker', 'schema.sh');
  await run('sh', ['-n', file]);
  expect(readFileSync(file, 'utf8')).toContain('set -eu');
});
