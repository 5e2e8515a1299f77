/**
 * Claude Code behind the agent contract: how to launch it, how to read it, how to tell why it failed.
 */
import path from 'node:path';
import type { AgentCli, AgentSettings } from '../contract.ts';
import { classifyClaudeResult } from './classify.ts';
import type { LaunchHost } from './plan.ts';
import { planClaudeLaunch } from './plan.ts';
import { preflightClaude } from './preflight.ts';
import { createClaudeReader } from './reader.ts';

/** The adapter over an environment; tests give their own. */
export function createClaudeCli(host: LaunchHost = { env: process.env, uid: process.getuid?.() ?? null }): AgentCli {
  return {
    name: 'claude',
    displayName: 'Claude Code',
    canResume: true,
    plan: (request) => planClaudeLaunch(request, host),
    createReader: () => createClaudeReader(),
    login: (settings) => loginName('claude', settings),
    preflight: (settings) => preflightClaude(settings, host),
    classifyResult: classifyClaudeResult,
    isResumeRefused: (text) => /No conversation found with session ID/u.test(text),
  };
}

/**
 * `claude`, or `claude-<directory name>`: by name and not by path, so that hosts with different home directories serve
 * the same login.
 */
export function loginName(cli: string, settings: AgentSettings): string {
  if (settings.login !== undefined) return settings.login;
  const directory = settings.configDir === undefined ? '' : path.basename(path.resolve(settings.configDir));
  const name = directory.replaceAll(/[^\w-]+/gu, '-').replaceAll(/^-+|-+$/gu, '');
  return name === '' || name === cli ? cli : `${cli}-${name}`;
}

export const claude: AgentCli = createClaudeCli();
