import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WorkItemStatus } from '../../src/domain/protocol.ts';
import { sharedTemporal } from '../support/temporal.ts';
import { createWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

describe('the command line against a real instance', () => {
  let world: World;

  beforeAll(async () => {
    world = await createWorld({ address: sharedTemporal().address, config: { allowUnverifiedOperator: false } });
    await world.startWorker();
  });
  afterAll(() => world.close());

  it('submits, shows, approves with the token of the person at this terminal, and follows to done', async () => {
    const submitted = world.cli(['submit', '--project', 'T', 'From the command line', '--json']);
    expect(submitted.stderr).toBe('');
    expect(submitted.status).toBe(0);
    const { itemId } = JSON.parse(submitted.stdout) as { itemId: string };
    expect(itemId).toBe('T-1');
    await world.until(itemId, 'approval', (status) => status.waiting?.kind === 'approval');
    const shown = JSON.parse(world.cli(['show', itemId, '--json']).stdout) as WorkItemStatus;
    expect(shown).toMatchObject({ itemId, stage: 'analysis', state: 'waiting' });
    // A bare update is switched off here; a forged signature is refused; neither moves the item.
    expect(await world.decide(itemId, 'approve', {})).toMatchObject({ result: 'refused', by: 'operator (unverified)' });
    expect((await world.status(itemId)).stage).toBe('analysis');
    const approved = world.cli(['approve', itemId]);
    expect(approved).toMatchObject({ status: 0, stderr: '' });
    const done = await world.until(itemId, 'done', (status) => status.stage === 'done');
    expect(done.approvals).toMatchObject([{ stage: 'analysis', by: 'tester' }]);
    const listed = world.cli(['status']);
    expect(listed.status).toBe(0);
    const logs = world.cli(['logs', itemId]);
    expect(logs.stdout).toContain('deployed');
  });

  it('a person who is no approver decides nothing', async () => {
    const id = await world.submit('not yours');
    await world.until(id, 'approval', (status) => status.waiting?.kind === 'approval');
    const file = path.join(world.home, 'people.json');
    const people = readFileSync(file, 'utf8');
    writeFileSync(
      file,
      people.replaceAll('"approver": true', '"approver": false').replaceAll('"approver":true', '"approver":false'),
    );
    await sleep(1_200);
    const refused = world.cli(['approve', id]);
    expect(refused.status).toBe(5);
    expect(refused.stderr).toContain('not a configured approver');
    writeFileSync(file, people);
    // A changed file is read again within a second.
    await sleep(1_200);
    const cancelled = world.cli(['cancel', id, 'not needed']);
    expect(cancelled).toMatchObject({ status: 0, stderr: '' });
    await world.until(id, 'cancelled', (status) => status.stage === 'cancelled');
    expect(world.cli(['approve', id]).status).toBe(5);
  });

  it('says what is wrong and how to mend it', () => {
    const unknown = world.cli(['show', 'T-99']);
    expect(unknown.status).toBe(6);
    expect(unknown.stderr).toContain('T-99');
    expect(world.cli(['aprove', 'T-1']).stderr).toMatch(/approve/);
    expect(world.cli(['aprove', 'T-1']).status).toBe(2);
    expect(world.cli(['approve']).status).toBe(2);
    const project = world.cli(['submit', '--project', 'NOPE', 'title']);
    expect(project.status).not.toBe(0);
    expect(project.stderr).toContain('NOPE');
  });
});
