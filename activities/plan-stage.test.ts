import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CEILING_MARGIN_MS, DEFAULT_LIMITS } from '../src/domain/budgets.ts';
import { AGENT_STAGES, ROLE_OF } from '../src/domain/types.ts';
import type { AgentStage } from '../src/domain/types.ts';
import type { Config, ProjectConfig } from '../src/config-types.ts';
import { planStage } from './plan-stage.ts';
import { PROJECT, testConfig, testDeps, testProject } from './testing.ts';
import type { StagePlan } from './types.ts';

const HOME = '/nowhere';

async function plan(
  stage: AgentStage,
  config: Partial<Config> = {},
  project: Partial<ProjectConfig> = {},
  agent: string | null = null,
): Promise<StagePlan> {
  const deps = testDeps(testConfig(HOME, { ...config, projects: { [PROJECT]: testProject(project) } }));
  return await planStage(deps, { itemId: 'ET-1', project: PROJECT, stage, agent });
}

describe('what a stage is entered with', () => {
  it('takes each field from project role, else role, else default', async () => {
    const roles = { reviewer: { model: 'role-model', effort: 'low', silenceMs: 5, permanentTries: 4 } };
    const own = { reviewer: { model: 'project-model', transientRetries: 1 } };
    expect(await plan('review')).toMatchObject({ agent: 'scripted', model: 'claude-opus-4-8', effort: null });
    expect(await plan('review', { roles })).toMatchObject({ model: 'role-model', effort: 'low', permanentTries: 4 });
    expect(await plan('review', { roles }, { roles: own })).toMatchObject({
      model: 'project-model',
      effort: 'low',
      silenceMs: 5,
      permanentTries: 4,
      transientRetries: 1,
    });
    // Nobody else is touched.
    expect(await plan('testing', { roles }, { roles: own })).toMatchObject({ model: 'claude-opus-4-8', effort: null });
  });

  it('gives the developer its effort where nothing says otherwise', async () => {
    expect((await plan('development', { roles: {} })).effort).toBe('xhigh');
    const said = { agent: 'scripted', model: 'm', effort: 'low' };
    expect((await plan('development', { roles: {}, defaults: said })).effort).toBe('low');
  });

  it('lets the item choose its agent over every setting', async () => {
    const roles = { developer: { agent: 'claude' } };
    expect((await plan('development', { roles })).agent).toBe('claude');
    expect((await plan('development', { roles }, {}, 'scripted')).agent).toBe('scripted');
    await expect(plan('development', {}, {}, 'nobody')).rejects.toMatchObject({ code: 'agent-unknown' });
  });

  it('climbs the ladder of budgets: map, own setting, default; a bad entry falls for that role alone', async () => {
    const minutes = async (stage: AgentStage, config: Partial<Config> = {}): Promise<number> =>
      (await plan(stage, config)).budgetMs / 60_000;
    expect(await minutes('analysis')).toBe(30);
    expect(await minutes('development')).toBe(60);
    expect(await minutes('review')).toBe(50);
    expect(await minutes('review', { roles: { reviewer: { budgetMs: 7 * 60_000 } } })).toBe(7);
    const budgetOverrides = { reviewer: 60, developer: 'an hour', tester: 120 };
    expect(await minutes('review', { budgetOverrides })).toBe(1);
    expect(await minutes('testing', { budgetOverrides })).toBe(2);
    const bad = await plan('development', { budgetOverrides });
    expect(bad.budgetMs).toBe(3_600_000);
    expect(bad.warnings.join()).toContain('developer');
  });

  it('names the files that the agent is to write, below the item’s own directory', async () => {
    const expected = async (stage: AgentStage): Promise<string[]> => (await plan(stage)).expected;
    expect(await expected('analysis')).toEqual(
      ['01-brd.md', '02-spec.md', '03-acceptance-criteria.md', '04-test-plan.yaml'].map(
        (file) => `docs/work-items/ET-1/${file}`,
      ),
    );
    expect(await expected('review')).toEqual(['docs/work-items/ET-1/12-review.md']);
    expect(await expected('development')).toEqual([]);
  });

  it('runs the tests after development only, and only where there are any', async () => {
    const commands: Record<string, string | null> = {};
    for (const stage of AGENT_STAGES) commands[stage] = (await plan(stage)).gateCommand;
    expect(Object.entries(commands).filter(([, command]) => command !== null)).toEqual([['development', 'test']]);
    expect((await plan('development', {}, { commands: {} })).gateCommand).toBeNull();
    expect((await plan('development', {}, { developmentGate: 'none' })).gateCommand).toBeNull();
  });
});

describe('ceilings', () => {
  it.each(AGENT_STAGES)(
    '%s: the run’s ceiling is above budget and stop sequence, with the default limits',
    async (stage) => {
      const found = await plan(stage);
      expect(found.role).toBe(ROLE_OF[stage]);
      const { interruptMs, graceMs, leaseMs, gateTimeoutMs } = DEFAULT_LIMITS;
      expect(found.ceilingMs).toBeGreaterThanOrEqual(found.budgetMs + interruptMs + graceMs + CEILING_MARGIN_MS);
      expect(found.hostWaitMs).toBeGreaterThanOrEqual(leaseMs + interruptMs + graceMs);
      expect(found.gateCeilingMs).toBeGreaterThan(gateTimeoutMs + interruptMs + graceMs + CEILING_MARGIN_MS);
    },
  );

  it('holds whatever the settings: a supervisor that keeps its budget is never cut off from above', async () => {
    const span = fc.integer({ min: 1, max: 86_400_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...AGENT_STAGES),
        span,
        span,
        span,
        span,
        async (stage, budgetMs, interruptMs, graceMs, gateTimeoutMs) => {
          const limits = { ...DEFAULT_LIMITS, interruptMs, graceMs, gateTimeoutMs };
          const found = await plan(stage, { limits, roles: { [ROLE_OF[stage]]: { budgetMs } } });
          expect(found.budgetMs).toBe(budgetMs);
          expect(found.ceilingMs).toBeGreaterThan(found.budgetMs + interruptMs + graceMs);
          expect(found.gateCeilingMs).toBeGreaterThan(gateTimeoutMs + interruptMs + graceMs);
        },
      ),
      { numRuns: 200 },
    );
  });
});
