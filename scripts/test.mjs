/**
 * `npm test`: set-up, Temporal, all tests, and a last line `N passed, N failed, N skipped`. Exits non-zero when a test
 * failed, an error came from outside any test, or no test ran at all. Arguments go to vitest.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setUp } from './setup.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'stagewright-test-'));
const countsFile = path.join(scratch, 'counts.json');

// Ctrl-C reaches vitest too, which stops its servers; we wait for it and then report.
process.on('SIGINT', () => undefined);

let code = 1;
try {
  await setUp();
  const { getTemporalCli } = await import(pathToFileURL(path.join(root, 'dist', 'src', 'temporal', 'binary.js')).href);
  const cli = await getTemporalCli({ progress: (line) => console.log(line) });
  console.log(`Temporal CLI ${cli.version} (${cli.path})`);
  code = await runVitest(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  if (error.mend) console.error(error.mend);
}
const counts = readCounts();
fs.rmSync(scratch, { recursive: true, force: true });
if (counts.unhandled > 0) console.log(`Errors from outside any test: ${counts.unhandled}, see above.`);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = code !== 0 || counts.failed > 0 || counts.unhandled > 0 || counts.passed === 0 ? code || 1 : 0;

function runVitest(argv) {
  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', `--reporter=${path.join(root, 'scripts', 'count-reporter.mjs')}`];
  const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...argv], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, STAGEWRIGHT_TEST_COUNTS: countsFile },
  });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 1));
  });
}

function readCounts() {
  try {
    return JSON.parse(fs.readFileSync(countsFile, 'utf8'));
  } catch {
    return { passed: 0, failed: 0, skipped: 0, unhandled: 0 };
  }
}
