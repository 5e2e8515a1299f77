/**
 * Is there a login that a run could use? Looked at before any launch, without a token spent: one logged-out agent would
 * otherwise burn every item's tries. An expired access token beside a refresh token is fine, the CLI renews it itself.
 */
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { errnoOf } from '../../errors.ts';
import type { AgentSettings } from '../contract.ts';
import { asNumber, asRecord, asText, parseJson } from './json.ts';

/** The agent's own login variables; any of them makes the credentials file unnecessary. */
export const LOGIN_VARIABLES = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN'] as const;

const DEFAULT_SKEW_MS = 60_000;
const SIZE_LIMIT_BYTES = 1024 * 1024;

export type CredentialsFinding = { ok: true; warning?: string } | { ok: false; reason: string };

/** The file that `claude` itself reads, unless another is configured. */
export function credentialsPathOf(settings: AgentSettings, env: NodeJS.ProcessEnv): string {
  const home = env['HOME'] ?? homedir();
  return settings.credentialsPath ?? path.join(settings.configDir ?? path.join(home, '.claude'), '.credentials.json');
}

/** SPEC 5's rules on the credentials file. Never throws, never repeats anything of the file's content. */
export function checkCredentials(
  settings: AgentSettings,
  env: NodeJS.ProcessEnv,
  nowMs: number,
  platform: NodeJS.Platform = process.platform,
): CredentialsFinding {
  if (settings.credentialsCheck === false) return { ok: true };
  if (LOGIN_VARIABLES.some((name) => (env[name] ?? '') !== '')) return { ok: true };
  const file = credentialsPathOf(settings, env);
  const read = readCredentials(file);
  if ('missing' in read && platform === 'darwin' && settings.credentialsPath === undefined) {
    return { ok: true, warning: 'the login is in the macOS keychain, which cannot be checked from here' };
  }
  if ('reason' in read) return { ok: false, reason: read.reason };
  const oauth = asRecord(asRecord(parseJson(read.text))?.['claudeAiOauth']);
  if (oauth === null || asText(oauth['accessToken']) === null)
    return { ok: false, reason: `no OAuth login in ${file}` };
  const expiresAtMs = asNumber(oauth['expiresAt']);
  if (expiresAtMs === null || expiresAtMs > nowMs + (settings.expirySkewMs ?? DEFAULT_SKEW_MS)) return { ok: true };
  if (settings.strictExpiry !== true && asText(oauth['refreshToken']) !== null) return { ok: true };
  return { ok: false, reason: `the access token in ${file} has expired` };
}

/** Regular files of sane size only: a FIFO in that place would hang the worker. */
function readCredentials(file: string): { text: string } | { reason: string; missing?: true } {
  try {
    const stat = statSync(file);
    if (!stat.isFile() || stat.size > SIZE_LIMIT_BYTES) return { reason: `${file} is not a readable credentials file` };
    return { text: readFileSync(file, 'utf8') };
  } catch (error) {
    const code = errnoOf(error) ?? 'unknown error';
    if (code === 'ENOENT') return { reason: `no credentials file at ${file}`, missing: true };
    return { reason: `${file} cannot be read (${code})` };
  }
}
