/**
 * The agent CLIs that this version knows, by the name used in configuration.
 */
import { StagewrightError } from '../errors.ts';
import { claude } from './claude/index.ts';
import type { AgentCli } from './contract.ts';
import { scripted } from './scripted/index.ts';

export const AGENT_NAMES = ['claude', 'scripted'] as const;
export type AgentName = (typeof AGENT_NAMES)[number];

const AGENTS = { claude, scripted } satisfies Record<AgentName, AgentCli>;

/** Throws `StagewrightError` (`agent-unknown`) for a name that no adapter answers to. */
export function agentCli(name: string): AgentCli {
  const known = AGENT_NAMES.find((candidate) => candidate === name);
  if (known === undefined) {
    throw new StagewrightError('agent-unknown', `there is no agent CLI named "${name.slice(0, 60)}"`, {
      exit: 'config',
      mend: `use one of: ${AGENT_NAMES.join(', ')}`,
    });
  }
  return AGENTS[known];
}
