import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listChanges } from './changes.ts';
import { borrowIndex, dropIndex, itemPaths } from './layout.ts';
import { BRANCH, commitFiles, createWorld, ITEM } from './testing.ts';
import type { World } from './testing.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
  await world.prepare();
});
afterEach(() => world.remove());

async function log(commit: string): Promise<string[]> {
  return (await world.run(world.forge.remoteUrl, 'log', '--format=%s', commit)).split('\n');
}

describe('an agent’s planted .git', () => {
  it('runs nothing of its own when we save and prepare', async () => {
    const { tree } = world;
    const witness = path.join(world.root, 'witness');
    const command = `touch ${witness}`;
    for (const hook of ['pre-commit', 'post-checkout', 'post-index-change', 'reference-transaction', 'pre-push']) {
      await world.write(tree, `.git/hooks/${hook}`, `#!/bin/sh\n${command}-${hook}\n`);
      await execa('chmod', ['+x', path.join(tree, `.git/hooks/${hook}`)]);
    }
    await commitFiles(
      tree,
      { '.gitattributes': '*.txt filter=evil diff=evil merge=evil\n', 'own.txt': 'own\n' },
      'own commit',
    );
    await execa('rm', [
      '-f',
      ...['pre-commit', 'post-index-change', 'reference-transaction'].map((hook) => `${witness}-${hook}`),
    ]);
    for (const [key, value] of [
      ['core.fsmonitor', `${command}-fsmonitor; false`],
      ['core.hooksPath', '.git/hooks'],
      ['filter.evil.clean', `${command}-clean; cat`],
      ['filter.evil.smudge', `${command}-smudge; cat`],
      ['diff.evil.textconv', `${command}-textconv; cat`],
      ['merge.evil.driver', `${command}-driver; false`],
      ['core.alternateRefsCommand', `${command}-alternate`],
      ['uploadpack.packObjectsHook', `${command}-packObjects`],
      ['core.sshCommand', `${command}-ssh`],
    ]) {
      await world.run(tree, 'config', key ?? '', value ?? '');
    }
    // The bait works: git that trusts this directory runs it.
    await world.write(tree, 'src/a.txt', 'changed\n');
    await world.run(tree, 'status').catch(() => '');
    await world.run(tree, 'add', '--all').catch(() => '');
    expect((await execa('sh', ['-c', `ls ${witness}-*`])).stdout).toContain('witness-clean');
    await execa('sh', ['-c', `rm -f ${witness}-*`]);

    const saved = await world.save();
    expect(saved).toMatchObject({ result: 'saved', changed: ['.gitattributes', 'own.txt', 'src/a.txt'] });
    await world.prepare(saved.head);
    expect((await execa('sh', ['-c', `ls ${world.root}`])).stdout).not.toContain('witness');
    expect(await readFile(path.join(tree, '.git/config'), 'utf8')).not.toContain('evil');
    expect(existsSync(path.join(tree, '.git/hooks'))).toBe(false);
  });

  it('that is corrupt counts as no commits, and the files are saved all the same', async () => {
    const head = await commitFiles(world.tree, { 'x.txt': 'x' }, 'x');
    const object = path.join(world.tree, '.git/objects', head.slice(0, 2), head.slice(2));
    await execa('sh', ['-c', `chmod +w ${object} && echo broken > ${object}`]);
    const saved = await world.save();
    expect(await log(saved.head)).toEqual(['ET-1: development by the developer', 'first']);
    expect(saved.changed).toEqual(['x.txt']);
  });

  it('that points at other object stores is not read', async () => {
    const secret = path.join(world.root, 'secret');
    await world.run(world.root, 'clone', '-q', world.source, secret);
    const hidden = await commitFiles(secret, { 'secret.txt': 's' }, 'secret');
    await world.write(world.tree, '.git/objects/info/alternates', `${path.join(secret, '.git/objects')}\n`);
    await world.write(world.tree, '.git/HEAD', `${hidden}\n`);
    expect(await world.save()).toMatchObject({ result: 'nothing', changed: [] });
  });

  it('replaced by a link or a file is removed, not followed', async () => {
    const outside = path.join(world.root, 'outside');
    await world.write(outside, 'keep', 'keep');
    await execa('sh', ['-c', `rm -rf ${world.tree}/.git && ln -s ${outside} ${world.tree}/.git`]);
    await world.prepare();
    expect(await readFile(path.join(outside, 'keep'), 'utf8')).toBe('keep');
    expect(await world.run(world.tree, 'symbolic-ref', '--short', 'HEAD')).toBe(BRANCH);
  });
});

it('does not wait for ever on a pipe where git expects a file', async () => {
  await execa('mkdir', ['-p', path.join(world.tree, 'trap')]);
  await execa('mkfifo', [path.join(world.tree, 'trap/.gitignore')]);
  await world.write(world.tree, 'trap/x.txt', 'x');
  const paths = itemPaths(world.home, ITEM);
  const index = await borrowIndex(paths, world.start);
  const changes = await listChanges(paths, index, { listTimeoutMs: 500 });
  await dropIndex(paths, index);
  expect(changes).toEqual({ accepted: ['trap/x.txt'], refused: [] });
});
