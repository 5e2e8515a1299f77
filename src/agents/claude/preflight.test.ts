import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AgentSettings, PreflightReport } from '../contract.ts';
import { checkCredentials } from './credentials.ts';
import { readFixture } from './fixtures.test-helper.ts';
import { createClaudeCli } from './index.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'stagewright-preflight-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function writeBinary(script: string): string {
  const file = path.join(home, 'claude');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

function writeCredentials(content: unknown): void {
  mkdirSync(path.join(home, '.claude'), { recursive: true });
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(path.join(home, '.claude/.credentials.json'), text, { mode: 0o600 });
}

const HOUR_MS = 3_600_000;
const oauth = (fields: object): object => ({ claudeAiOauth: { accessToken: 'FAKE-a', ...fields } });

describe('credentials', () => {
  const nowMs = Date.UTC(2026, 10, 21, 10, 0, 0);
  const check = (settings: AgentSettings = {}, env: Record<string, string> = {}) =>
    checkCredentials(settings, { HOME: home, ...env }, nowMs, 'linux');

  test('a recorded login is fine', () => {
    writeCredentials(readFixture('claude-credentials.sample.json'));
    expect(check()).toEqual({ ok: true });
  });

  test('missing, no JSON, no OAuth, an empty token, a directory in its place: not fine', () => {
    expect(check()).toMatchObject({ ok: false, reason: expect.stringContaining('no credentials file') });
    for (const content of [
      '{',
      '[]',
      '{}',
      { apiKey: 'x' },
      { claudeAiOauth: null },
      { claudeAiOauth: { accessToken: '' } },
    ]) {
      writeCredentials(content);
      expect(check()).toMatchObject({ ok: false, reason: expect.stringContaining('no OAuth login') });
    }
    mkdirSync(path.join(home, 'dir'));
    expect(check({ credentialsPath: path.join(home, 'dir') })).toMatchObject({ ok: false });
    expect(check({ credentialsPath: path.join(home, '.claude/.credentials.json/below') })).toMatchObject({
      ok: false,
      reason: expect.stringContaining('ENOTDIR'),
    });
  });

  test('no expiry field is fine', () => {
    writeCredentials(oauth({}));
    expect(check()).toEqual({ ok: true });
  });

  test('expired counts with the skew: a token that lasts 30 s more would die in the run', () => {
    writeCredentials(oauth({ expiresAt: nowMs + 30_000 }));
    expect(check()).toMatchObject({ ok: false, reason: expect.stringContaining('expired') });
    expect(check({ expirySkewMs: 0 })).toEqual({ ok: true });
    writeCredentials(oauth({ expiresAt: nowMs + 61_000 }));
    expect(check()).toEqual({ ok: true });
  });

  test('expired beside a refresh token is fine, unless strictExpiry is set', () => {
    writeCredentials(oauth({ expiresAt: nowMs - HOUR_MS, refreshToken: 'FAKE-r' }));
    expect(check()).toEqual({ ok: true });
    expect(check({ strictExpiry: true })).toMatchObject({ ok: false });
    writeCredentials(oauth({ expiresAt: nowMs - HOUR_MS, refreshToken: null }));
    expect(check()).toMatchObject({ ok: false });
  });

  test("a key or token in the agent's environment is fine without any file", () => {
    for (const name of ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN']) {
      expect(check({}, { [name]: 'x' })).toEqual({ ok: true });
      expect(check({}, { [name]: '' })).toMatchObject({ ok: false });
    }
  });

  test('the check can be turned off, and the directory is the configured one', () => {
    expect(check({ credentialsCheck: false })).toEqual({ ok: true });
    writeCredentials(oauth({}));
    expect(check({ configDir: path.join(home, 'other') })).toMatchObject({ ok: false });
    expect(check({ configDir: path.join(home, '.claude') })).toEqual({ ok: true });
  });

  test('on macOS the keychain cannot be looked into', () => {
    expect(checkCredentials({}, { HOME: home }, nowMs, 'darwin')).toMatchObject({
      ok: true,
      warning: expect.any(String),
    });
  });

  test('nothing of the file is repeated', () => {
    writeCredentials(oauth({ expiresAt: 1 }));
    expect(JSON.stringify(check())).not.toContain('FAKE');
  });
});

describe('preflight', () => {
  test('binary and login are there', async () => {
    writeBinary('echo "2.1.329 (Claude Code)"');
    writeCredentials(oauth({}));
    expect(await run({})).toEqual({ ok: true, version: '2.1.329', reason: null, mend: null });
  });

  test('an old version is fine with a warning', async () => {
    writeBinary('echo "2.1.197 (Claude Code)"');
    expect(await run({}, { ANTHROPIC_API_KEY: 'k' })).toMatchObject({
      ok: true,
      warning: expect.stringContaining('2.1.236'),
    });
  });

  test('a binary that is not there, also by path', async () => {
    const report = await run({ binary: 'no-such-claude' });
    expect(report).toMatchObject({
      ok: false,
      version: null,
      reason: expect.stringContaining('was not found'),
    });
    expect(report.mend).toContain('install');
    expect(await run({ binary: path.join(home, 'nope') })).toMatchObject({ ok: false });
  });

  test('a binary that may not be executed, that fails, that says nothing', async () => {
    const file = writeBinary('echo 1.0.0');
    chmodSync(file, 0o644);
    expect(await run({ binary: file })).toMatchObject({
      ok: false,
      reason: expect.stringContaining('EACCES'),
    });
    writeBinary('echo 2.1.329; exit 3');
    expect(await run({ binary: file })).toMatchObject({
      ok: false,
      reason: expect.stringContaining('with 3'),
    });
    writeBinary('exit 0');
    expect(await run({ binary: file })).toMatchObject({
      ok: false,
      reason: expect.stringContaining('nothing'),
    });
  });

  test('a binary that hangs is given up at the limit, and nothing of it is left', async () => {
    const pidFile = path.join(home, 'pid');
    writeBinary(`sleep 600 & echo $! > ${pidFile}; wait`);
    const startedAtMs = performance.now();
    const report = await run({ versionProbeMs: 400 });
    expect(performance.now() - startedAtMs).toBeLessThan(3_000);
    expect(report).toMatchObject({ ok: false, reason: expect.stringContaining('0.4 s') });
    expect(await isGone(Number(readFileSync(pidFile, 'utf8')))).toBe(true);
  });

  test('a child that keeps the pipe open does not delay the answer', async () => {
    writeBinary('sleep 600 & echo "2.1.329 (Claude Code)"');
    writeCredentials(oauth({}));
    const startedAtMs = performance.now();
    expect(await run({})).toMatchObject({ ok: true, version: '2.1.329' });
    expect(performance.now() - startedAtMs).toBeLessThan(4_000);
  });

  test('no login: the reason and the mend name the directory', async () => {
    writeBinary('echo "2.1.329 (Claude Code)"');
    const configDir = path.join(home, 'login');
    const report = await run({ configDir });
    expect(report).toMatchObject({ ok: false, version: '2.1.329' });
    expect(report.mend).toContain(`CLAUDE_CONFIG_DIR=${configDir}`);
  });

  test("the worker's secrets do not reach the probed binary", async () => {
    const seen = path.join(home, 'env');
    writeBinary(`env > ${seen}; echo 2.1.329`);
    await run({ passEnv: ['PLANE_TOKEN'] }, { PLANE_TOKEN: 'secret', ANTHROPIC_API_KEY: 'key-of-the-agent' });
    expect(existsSync(seen)).toBe(true);
    expect(readFileSync(seen, 'utf8')).not.toMatch(/secret|key-of-the-agent/u);
  });
});

/** Gone, or a zombie that nobody has collected yet. */
async function isGone(pid: number): Promise<boolean> {
  for (let round = 0; round < 50; round += 1) {
    try {
      if (readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.startsWith('Z') === true) return true;
    } catch {
      return true;
    }
    await setTimeout(20);
  }
  return false;
}

function run(settings: AgentSettings, env: Record<string, string> = {}): Promise<PreflightReport> {
  const host = { env: { PATH: `${home}:${process.env['PATH'] ?? ''}`, HOME: home, ...env }, uid: 1000 };
  return createClaudeCli(host).preflight(settings);
}
