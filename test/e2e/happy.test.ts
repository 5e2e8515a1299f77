import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedTemporal } from '../support/temporal.ts';
import { createWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

describe('a work item, from submission to a landed commit', () => {
  let world: World;

  beforeAll(async () => {
    world = await createWorld({ address: sharedTemporal().address });
    await world.startWorker();
  });
  afterAll(() => world.close());

  it('goes through every stage and lands exactly the tested commit', async () => {
    const id = await world.submit('Say hello: fixes #12 @everybody');
    const asked = await world.until(id, 'approval', (status) => status.waiting?.kind === 'approval');
    expect(asked.stage).toBe('analysis');
    expect(asked.waiting?.files).toEqual([
      `docs/work-items/${id}/01-brd.md`,
      `docs/work-items/${id}/02-spec.md`,
      `docs/work-items/${id}/03-acceptance-criteria.md`,
      `docs/work-items/${id}/04-test-plan.yaml`,
    ]);
    const decided = await world.decide(id, 'approve', { stage: 'analysis', commit: asked.waiting?.commit ?? '' });
    expect(decided.result).toBe('applied');
    const done = await world.until(id, 'done', (status) => status.stage === 'done');

    expect(done.runs.map((run) => `${run.stage}:${run.role}:${run.outcome}`)).toEqual([
      'analysis:analyst:succeeded',
      'architecture:architect:succeeded',
      'development:developer:succeeded',
      'review:reviewer:succeeded',
      'testing:tester:succeeded',
      'deploy-staging:deployer:succeeded',
      'deploy:deployer:succeeded',
    ]);
    expect(done.developerAttempts).toBe(1);
    const main = world.git(['rev-parse', 'main'], world.forge);
    expect(done.merged?.head).toBe(main);
    expect(world.git(['show', `main:feature-${id}.txt`], world.forge)).toBe('work of 1');
    // The user's own repository is not touched.
    expect(world.git(['log', '--oneline'])).toMatch(/^\w+ start$/);
    const message = world.git(['log', '-1', '--format=%B', 'main'], world.forge);
    expect(message).not.toMatch(/fixes #12|@everybody/);
  });

  it('says every thing on the board once', async () => {
    const id = await world.submit('Say it once');
    const asked = await world.until(id, 'approval', (status) => status.waiting?.kind === 'approval');
    await world.decide(id, 'approve', { commit: asked.waiting?.commit ?? '' });
    await world.client.workflow.getHandle(id).result();
    const bodies = await world.comments(id);
    expect(new Set(bodies).size).toBe(bodies.length);
    expect(bodies.filter((body) => body.includes('**development**'))).toHaveLength(1);
    expect(await world.boardState(id)).toBe('done');
  });

  it('shows itself to plain temporal tools: summary, details, search attributes', async () => {
    const id = await world.submit('Be seen');
    await world.until(id, 'approval', (status) => status.waiting?.kind === 'approval');
    const description = await world.client.workflow.getHandle(id).describe();
    expect(description.memo).toMatchObject({ title: 'Be seen' });
    const details = await world.client.workflow
      .getHandle(id)
      .query<{ currentDetails?: string }>('__temporal_workflow_metadata');
    expect(details.currentDetails).toContain('analysis');
    const found: string[] = [];
    for await (const workflow of world.client.workflow.list({ query: "Stage = 'analysis' AND Waiting = 'approval'" })) {
      found.push(workflow.workflowId);
    }
    expect(found).toContain(id);
    const answer = await world.decide(id, 'reject', { text: 'not like this' });
    expect(answer.result).toBe('applied');
    const again = await world.until(
      id,
      'asked again',
      (status) => status.runs.length === 2 && status.waiting?.kind === 'approval',
    );
    expect(again.stages.find((stage) => stage.stage === 'analysis')?.entries).toBe(2);
    expect(again.developerAttempts).toBe(0);
  });
});
