import { symlink, truncate } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commitFiles, createWorld } from './testing.ts';
import type { World } from './testing.ts';

const KEY =
  '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAA\n-----END OPENSSH PRIVATE KEY-----\n';

let world: World;
beforeEach(async () => {
  world = await createWorld();
  await world.prepare();
});
afterEach(() => world.remove());

async function log(commit: string): Promise<string[]> {
  return (await world.run(world.forge.remoteUrl, 'log', '--format=%s', commit)).split('\n');
}

async function show(commit: string, file: string): Promise<string> {
  return world.run(world.forge.remoteUrl, 'show', `${commit}:${file}`);
}

describe('what is never committed', () => {
  it('is refused with its reason and left in place', async () => {
    const { tree } = world;
    await world.write(tree, 'big.bin', '');
    await truncate(path.join(tree, 'big.bin'), 11 * 1024 * 1024);
    await world.write(tree, 'deploy_key', KEY);
    await world.write(tree, 'id_rsa', 'anything');
    await world.write(tree, '.env', 'API_TOKEN=abc\n');
    await world.write(tree, '.env.example', 'API_TOKEN=abc\n');
    await world.write(tree, 'src/keys.ts', "const pem = '-----BEGIN PRIVATE KEY-----';\n");
    await symlink('/proc/self/environ', path.join(tree, 'environ'));
    await symlink('../../../etc/passwd', path.join(tree, 'src/up'));
    await symlink('.git/config', path.join(tree, 'config'));
    await world.run(tree, 'init', '-q', 'nested');
    await commitFiles(path.join(tree, 'nested'), { n: 'n' }, 'n');
    await execa('rm', [path.join(tree, 'README.md')]);
    await execa('mkfifo', [path.join(tree, 'README.md')]);
    const saved = await world.save();
    expect(saved.changed).toEqual(['.env.example', 'src/keys.ts']);
    expect(Object.fromEntries(saved.refused.map(({ path: name, why }) => [name, why]))).toEqual({
      'big.bin': 'over 10 MiB',
      deploy_key: 'holds a private key',
      id_rsa: 'looks like a key',
      '.env': 'looks like secrets of an environment',
      environ: 'a link out of the tree',
      'src/up': 'a link out of the tree',
      config: 'a link into .git',
      'nested/': 'a nested repository',
      'README.md': 'not a regular file',
    });
    expect(existsSync(path.join(tree, 'big.bin'))).toBe(true);
    expect(await show(saved.head, 'README.md')).toBe('hello');
  });

  it('is not smuggled in by the agent’s own commits', async () => {
    await commitFiles(world.tree, { deploy_key: KEY, 'ok.txt': 'ok' }, 'add key');
    await world.run(world.tree, 'rm', '-q', 'deploy_key');
    await world.run(world.tree, 'commit', '-q', '-m', 'remove key');
    const saved = await world.save();
    expect(await log(saved.head)).toEqual(['ET-1: development by the developer', 'first']);
    const objects = await world.run(
      world.forge.remoteUrl,
      'cat-file',
      '--batch-all-objects',
      '--batch-check=%(objectname)',
    );
    const key = await world.run(world.tree, 'rev-parse', 'HEAD~1:deploy_key');
    expect(objects).not.toContain(key);
  });

  it('is no repository within the tree either, whose own settings never run', async () => {
    const nested = path.join(world.tree, 'nested');
    await world.run(world.tree, 'init', '-q', 'nested');
    await commitFiles(nested, { n: 'n' }, 'n');
    await world.run(world.tree, 'add', 'nested');
    await world.run(world.tree, 'commit', '-q', '-m', 'a gitlink');
    await world.run(nested, 'config', 'core.fsmonitor', `touch ${world.root}/witness; false`);
    await world.write(nested, 'n', 'changed');
    expect(await world.save()).toMatchObject({
      result: 'nothing',
      refused: [{ path: 'nested/', why: 'a nested repository' }],
    });
    await world.prepare();
    expect(existsSync(nested)).toBe(false);
    expect(existsSync(path.join(world.root, 'witness'))).toBe(false);
  });

  it('is more than 5,000 new files, while changes to known files are saved', async () => {
    await Promise.all(
      Array.from({ length: 5_001 }, (_, at) => world.write(world.tree, `vendor/${at}.txt`, String(at))),
    );
    await world.write(world.tree, 'src/a.txt', 'changed\n');
    const saved = await world.save();
    expect(saved.changed).toEqual(['src/a.txt']);
    expect(saved.refused).toEqual([{ path: 'vendor/', why: '5001 of 5001 new files in one run (more than 5000)' }]);
  });
});
