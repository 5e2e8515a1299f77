/** A real git repository in a temporary directory, for tests of configuration and commands. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export interface TestDirectory {
  path: string;
  remove(): void;
}

export function makeTestDirectory(): TestDirectory {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'stagewright-test-'));
  return { path: directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Creates and commits; the branch is `main`. */
export function makeRepository(directory: string, files: Record<string, string>): string {
  mkdirSync(directory, { recursive: true });
  const git = (...args: string[]): void => {
    execFileSync('git', ['-C', directory, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
      stdio: 'ignore',
    });
  };
  git('init', '-q', '-b', 'main');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), text);
  }
  git('add', '-A');
  git('commit', '-q', '-m', 'first', '--allow-empty');
  return directory;
}
