/**
 * Compiles to dist/ and bundles the workflows. `isBuilt` compares a digest of the sources' names, sizes and times with
 * the one of the last build that came through, so a deleted or backdated file counts as a change and a failed build as
 * none. `--clean` starts from an empty dist/ (for packing: no leftovers of deleted sources).
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const SOURCES = [
  'src',
  'workflows',
  'activities',
  'test',
  'bench',
  'vitest.config.ts',
  'tsconfig.json',
  'package.json',
  'package-lock.json',
  'scripts/build.mjs',
];
const COMPILED = /\.(ts|json|mjs)$/;

export function isBuilt(root) {
  try {
    return fs.readFileSync(stampOf(root), 'utf8') === digestSources(root);
  } catch {
    return false;
  }
}

/** Throws an Error with the compiler's words if it does not compile. */
export async function build(root) {
  const digest = digestSources(root);
  fs.rmSync(stampOf(root), { force: true });
  const tsc = spawnSync(process.execPath, [path.join(root, 'node_modules', '.bin', 'tsc'), '-p', '.'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (tsc.error) throw tsc.error;
  if (tsc.status !== 0) throw new Error(`The sources do not compile:\n${tsc.stdout}${tsc.stderr}`);
  const { buildWorkflowBundle } = await import(
    pathToFileURL(path.join(root, 'dist', 'src', 'temporal', 'bundle.js')).href
  );
  await buildWorkflowBundle();
  const main = path.join(root, 'dist', 'src', 'cli', 'main.js');
  if (fs.existsSync(main)) fs.chmodSync(main, 0o755);
  fs.writeFileSync(stampOf(root), digest);
}

function stampOf(root) {
  return path.join(root, 'dist', '.built');
}

function digestSources(root) {
  const hash = createHash('sha256').update(`${process.version.split('.')[0]}\n`);
  for (const source of SOURCES) for (const line of describe(root, source)) hash.update(line);
  return hash.digest('hex');
}

function* describe(root, relative) {
  const stat = fs.statSync(path.join(root, relative), { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    if (COMPILED.test(relative)) yield `${relative} ${stat.size} ${stat.mtimeMs}\n`;
    return;
  }
  for (const name of fs.readdirSync(path.join(root, relative)).sort()) yield* describe(root, path.join(relative, name));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  if (process.argv.includes('--clean')) fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  try {
    await build(root);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
