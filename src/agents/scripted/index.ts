/**
 * The scripted agent behind the agent contract: Claude's reader and classifier over an executable of our own, so that
 * demo and tests go the very way a real agent goes.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { errnoOf, messageOf } from '../../errors.ts';
import { compiled } from '../../paths.ts';
import { classifyClaudeResult } from '../claude/classify.ts';
import { createClaudeReader } from '../claude/reader.ts';
import type { AgentCli, AgentSettings, LaunchPlan, LaunchRequest, PreflightReport } from '../contract.ts';
import { probeVersion } from '../version-probe.ts';

/** Executable of the scripted agent; run with this process's own Node. */
export const scriptedAgentPath: string = compiled('src/agents/scripted/agent.js');

const SPEED_VARIABLE = 'STAGEWRIGHT_SCRIPTED_SPEED';

function planLaunch(request: LaunchRequest): LaunchPlan {
  const { settings } = request;
  const session =
    request.resumeSessionId === undefined ? ['--session-id', request.sessionId] : ['--resume', request.resumeSessionId];
  const argv = [
    ...executable(settings),
    '-p',
    '--output-format',
    'stream-json',
    '--verbose',
    '--model',
    request.model,
    ...(request.effort === null ? [] : ['--effort', request.effort]),
    ...session,
    ...(request.maxBudgetUsd === undefined ? [] : ['--max-budget-usd', String(request.maxBudgetUsd)]),
    '--item',
    request.itemId,
    '--stage',
    request.stage,
    '--role',
    request.role,
    // Stable over runs, like a real CLI's: `<home>/agents/scripted`, seen from `<home>/runs/<item>/<run id>`.
    '--config-dir',
    settings.configDir ?? path.resolve(request.runDir, '../../../agents/scripted'),
    ...(settings.scenario === undefined ? [] : ['--scenario', path.resolve(settings.scenario)]),
    ...(settings.extraArgs ?? []),
  ];
  const env: Record<string, string> = {};
  for (const name of [SPEED_VARIABLE, ...(settings.passEnv ?? [])]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { argv, env };
}

function executable(settings: AgentSettings): string[] {
  return settings.binary === undefined ? [process.execPath, scriptedAgentPath] : [settings.binary];
}

async function preflight(settings: AgentSettings): Promise<PreflightReport> {
  const env = { PATH: process.env['PATH'] ?? '' };
  const probe = await probeVersion(executable(settings), env, settings.versionProbeMs ?? 5_000);
  if (!probe.ok) {
    const mend = 'build the project (npm run build): the scripted agent is part of it';
    return { ok: false, version: null, reason: `the scripted agent ${probe.reason}`, mend };
  }
  const problem = settings.scenario === undefined ? null : findScenarioProblem(settings.scenario);
  if (problem !== null) {
    const mend = 'set agents.scripted.scenario to a readable JSON scenario, or leave it out for the built-in one';
    return { ok: false, version: probe.version, reason: problem, mend };
  }
  return { ok: true, version: probe.version, reason: null, mend: null };
}

function findScenarioProblem(file: string): string | null {
  try {
    JSON.parse(readFileSync(file, 'utf8'));
    return null;
  } catch (error) {
    const code = errnoOf(error);
    return code === undefined
      ? `the scenario ${file} is no JSON: ${messageOf(error)}`
      : `the scenario ${file} cannot be read (${code})`;
  }
}

export const scripted: AgentCli = {
  name: 'scripted',
  displayName: 'scripted (no model is involved)',
  canResume: true,
  plan: planLaunch,
  createReader: () => createClaudeReader({ cumulativeUsage: true }),
  login: (settings) => settings.login ?? 'scripted',
  preflight,
  classifyResult: classifyClaudeResult,
  isResumeRefused: (text) => text.includes('No conversation found with session ID'),
};
