/**
 * Fails if the lockfile lacks packages: a registry that has not yet published every platform's build of a release makes
 * `npm install` write such a lockfile, and then `npm ci` fails for everybody else.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { status, stdout, stderr, error } = spawnSync('npm', ['ci', '--dry-run', '--ignore-scripts', '--no-audit'], {
  cwd: root,
  encoding: 'utf8',
});
const output = `${stdout}${stderr}`;
if (error || status !== 0 || /\bMissing:/.test(output)) {
  console.error(error?.message ?? output);
  console.error('package-lock.json does not fit package.json, or lacks packages.');
  process.exit(1);
}
