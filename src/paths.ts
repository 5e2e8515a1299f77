/**
 * Where this package's own files are, whether it runs from `dist/` or, in tests, from source. Compiled entry points
 * (supervisor, scripted agent, CLI, workflow bundle) are always taken from `dist/`: child processes run plain Node.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

function findPackageRoot(): string {
  let directory = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(directory, 'package.json'))) directory = path.dirname(directory);
  return directory;
}

export const packageRoot: string = findPackageRoot();

/** Path of a compiled module, e.g. `compiled('src/agents/supervisor.js')`. */
export function compiled(module: string): string {
  return path.join(packageRoot, 'dist', module);
}
