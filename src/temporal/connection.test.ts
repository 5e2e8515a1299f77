import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { StagewrightError } from '../errors.ts';
import { connectTemporal, describeUnreachable, isTemporalConfigured, resolveConnectSettings } from './connection.ts';
import { connectNative } from './native-connection.ts';

const NOBODY = '127.0.0.1:2';
let blackhole: Server | undefined;
afterEach(() => {
  vi.unstubAllEnvs();
  blackhole?.close();
});

/** Accepts connections and never says a word. */
async function listenSilently(): Promise<string> {
  blackhole = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(blackhole, 'listening');
  const address = blackhole.address();
  return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

async function failureOf(attempt: Promise<unknown>): Promise<StagewrightError> {
  const error = await attempt.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof StagewrightError) return error;
  throw new Error(`a StagewrightError was expected, not ${String(error)}`);
}

test.each([
  ['client', (address: string) => connectTemporal({ address })],
  ['worker', (address: string) => connectNative({ address })],
])('%s: nobody there is said within 5 s, with what to do', async (_name, connect) => {
  for (const address of [NOBODY, await listenSilently()]) {
    const startedAtMs = performance.now();
    const error = await failureOf(connect(address));
    const tookMs = performance.now() - startedAtMs;
    expect(error).toMatchObject({ code: 'temporal_unreachable', exit: 'unreachable' });
    expect(error.message).toBe(`No Temporal server answers at ${address}.`);
    expect(error.mend).toContain('stagewright start');
    expect(tookMs).toBeLessThan(5_500);
  }
});

test('a call that fails because the server is gone is told from one that the server refused', async () => {
  expect(describeUnreachable(new Error('workflow not found'), NOBODY)).toBeNull();
  const unavailable = Object.assign(new Error('14 UNAVAILABLE: No connection established'), {
    code: 14,
    details: '',
    metadata: {},
  });
  expect(describeUnreachable(unavailable, NOBODY)).toMatchObject({ code: 'temporal_unreachable' });
});

test('TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the API key are read as the temporal command reads them', () => {
  vi.stubEnv('TEMPORAL_ADDRESS', 'temporal.example:7233');
  vi.stubEnv('TEMPORAL_NAMESPACE', 'agents');
  vi.stubEnv('TEMPORAL_API_KEY', 'key');
  expect(resolveConnectSettings()).toMatchObject({
    address: 'temporal.example:7233',
    namespace: 'agents',
    security: { apiKey: 'key' },
  });
});

test("the address of an embedded server never gets the environment's API key or TLS", () => {
  vi.stubEnv('TEMPORAL_ADDRESS', 'temporal.example:7233');
  vi.stubEnv('TEMPORAL_NAMESPACE', 'agents');
  vi.stubEnv('TEMPORAL_API_KEY', 'key');
  expect(resolveConnectSettings({ address: NOBODY })).toEqual({ address: NOBODY, namespace: 'default', security: {} });
});

test('a profile of the temporal command is used, but only a chosen one keeps the embedded server from starting', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'profile-'));
  try {
    const file = path.join(directory, 'temporal.toml');
    writeFileSync(
      file,
      '[profile.default]\naddress = "cluster:7233"\n[profile.work]\naddress = "work:7233"\nnamespace = "w"\n',
    );
    vi.stubEnv('TEMPORAL_CONFIG_FILE', file);
    vi.stubEnv('TEMPORAL_ADDRESS', undefined);
    expect(isTemporalConfigured()).toBe(false);
    expect(resolveConnectSettings().address).toBe('cluster:7233');
    vi.stubEnv('TEMPORAL_PROFILE', 'work');
    expect(isTemporalConfigured()).toBe(true);
    expect(resolveConnectSettings()).toMatchObject({ address: 'work:7233', namespace: 'w' });
    writeFileSync(file, '[profile');
    expect(() => resolveConnectSettings()).toThrow('The Temporal client profile cannot be read');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
