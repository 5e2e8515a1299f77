/**
 * What this host's preflight of the agents in use says, for `/queue`: kept for the preflight period and refreshed in the
 * background, so that reading never waits for a CLI to start.
 */
import { agentCli } from '../agents/index.ts';
import type { Config } from '../config-types.ts';
import { ROLES } from '../domain/types.ts';
import { messageOf } from '../errors.ts';
import type { PreflightView } from './views.ts';

/** Names of all agents that configuration may launch. */
export function listAgentsInUse(config: Config): string[] {
  const scopes = [config.roles, ...Object.values(config.projects).map((project) => project.roles)];
  const named = scopes.flatMap((roles) => ROLES.map((role) => roles[role]?.agent));
  return [...new Set([config.defaults.agent, ...named])].filter((name) => name !== undefined);
}

/** The first answer is awaited for at most this long; after that the page says `null`, not known yet. */
const FIRST_PATIENCE_MS = 1_500;

export function createPreflightView(config: () => Config): () => Promise<PreflightView[]> {
  let last: PreflightView[] = [];
  let running: Promise<void> | null = null;
  const refresh = async (): Promise<void> => {
    const current = config();
    last = await Promise.all(listAgentsInUse(current).map((name) => checkAgent(name, current)));
  };
  return async () => {
    const oldestMs = Math.min(...last.map((view) => view.checkedAtMs));
    if (last.length === 0 || Date.now() - oldestMs > config().limits.preflightCacheMs) {
      running ??= refresh()
        .catch(() => undefined)
        .finally(() => {
          running = null;
        });
      if (last.length === 0) await Promise.race([running, patience()]);
    }
    return last;
  };
}

async function checkAgent(name: string, config: Config): Promise<PreflightView> {
  try {
    const report = await agentCli(name).preflight(config.agents[name] ?? {});
    return { agent: name, ok: report.ok, reason: report.reason, checkedAtMs: Date.now() };
  } catch (error) {
    return { agent: name, ok: false, reason: messageOf(error), checkedAtMs: Date.now() };
  }
}

function patience(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, FIRST_PATIENCE_MS).unref();
  });
}
