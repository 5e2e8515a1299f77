/**
 * Once per run of the integration tests: compiled code in dist/, the Temporal CLI, and one dev server for all files, on
 * free ports and a database of its own. Tests keep apart by workflow ids and, where they run workers, by namespaces or
 * servers of their own.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { packageRoot } from '../src/paths.ts';
import { getTemporalCli } from '../src/temporal/binary.ts';
import { type DevServer, startDevServer } from '../src/temporal/dev-server.ts';

export interface ProvidedTemporal {
  address: string;
  namespace: string;
  cliPath: string;
  cliVersion: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    temporal: ProvidedTemporal;
  }
}

let server: DevServer | undefined;
let directory: string | undefined;

export async function setup(project: TestProject): Promise<void> {
  execFileSync(process.execPath, [path.join(packageRoot, 'scripts', 'setup.mjs')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const binary = await getTemporalCli({ progress: (line) => console.log(line) });
  directory = mkdtempSync(path.join(tmpdir(), 'stagewright-temporal-'));
  server = await startDevServer({
    binary,
    dbFile: path.join(directory, 'temporal.db'),
    logFile: path.join(directory, 'temporal.log'),
    port: 'free',
    uiPort: null,
  });
  const { address, namespace } = server;
  project.provide('temporal', { address, namespace, cliPath: binary.path, cliVersion: binary.version });
}

export async function teardown(): Promise<void> {
  await server?.stop();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
}
