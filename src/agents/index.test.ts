import { expect, test } from 'vitest';
import { AGENT_NAMES, agentCli } from './index.ts';

test('every name has its adapter', () => {
  for (const name of AGENT_NAMES) expect(agentCli(name).name).toBe(name);
});

test('an unknown name is an error that lists the known ones', () => {
  expect(() => agentCli('constructor')).toThrow(
    expect.objectContaining({ code: 'agent-unknown', mend: 'use one of: claude, scripted' }),
  );
});
