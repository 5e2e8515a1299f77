/**
 * What a new user waits for: a fresh clone of what is committed, then `npm run demo` to its end. npm's cache and
 * Temporal's are warm (downloads and the one-off build are not ours to speed up); nothing else is there.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { packageRoot } from '../src/paths.ts';
import { processesUnder } from '../test/support/world.ts';
import { withCleanup } from './cleanup.ts';
import type { Bench } from './report.ts';

const GOAL_S = 60;
const LIMIT_MS = 300_000;

export const cloneToDemo: Bench = {
  name: 'clone-to-demo',
  summary: 'fresh clone of HEAD to a finished demo, caches warm',
  async run(say) {
    const root = mkdtempSync(path.join(os.tmpdir(), 'stagewright-clone-'));
    return await withCleanup(
      async () => clear(root),
      async () => {
        const startedMs = performance.now();
        const clone = path.join(root, 'stagewright');
        execFileSync('git', ['clone', '--quiet', packageRoot, clone], { stdio: 'ignore' });
        const marks = await runDemo(clone, path.join(root, 'data'), say);
        const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: clone, encoding: 'utf8' }).trim();
        const seconds = (performance.now() - startedMs) / 1_000;
        return {
          figures: [
            { what: 'clone → demo finished', value: seconds, unit: 's', goal: GOAL_S },
            { what: '  installing', value: marks.installed, unit: 's' },
            { what: '  building', value: marks.built - marks.installed, unit: 's' },
            { what: '  the demo itself', value: seconds - marks.built, unit: 's' },
          ],
          notes: [`commit ${commit}; npm’s cache and Temporal’s are warm, node_modules and dist are not there`],
        };
      },
    );
  },
};

/** Seconds after the start at which the set-up said that a part was done. */
interface Marks {
  installed: number;
  built: number;
}

async function runDemo(clone: string, data: string, say: (line: string) => void): Promise<Marks> {
  const startedMs = performance.now();
  const marks: Marks = { installed: 0, built: 0 };
  const env: NodeJS.ProcessEnv = { ...process.env, XDG_DATA_HOME: data, NO_COLOR: '1' };
  delete env['STAGEWRIGHT_HOME'];
  const demo = spawn('npm', ['run', 'demo'], { cwd: clone, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const endGroup = async (): Promise<void> => {
    if (demo.exitCode === null && demo.pid !== undefined) process.kill(-demo.pid, 'SIGKILL');
  };
  return await withCleanup(endGroup, async () => {
    let tail = '';
    const limit = setTimeout(() => void endGroup(), LIMIT_MS);
    for (const stream of [demo.stdout, demo.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        const text = chunk.toString('utf8');
        tail = `${tail}${text}`.slice(-2_000);
        const seconds = (performance.now() - startedMs) / 1_000;
        if (/Installing.*done/.test(text)) marks.installed = seconds;
        if (/Building.*done/.test(text)) marks.built = seconds;
        say(text.trim().split('\n').at(-1) ?? '');
      });
    }
    const code = await new Promise<number | null>((resolve, reject) => {
      demo.once('error', reject);
      demo.once('close', resolve);
    });
    clearTimeout(limit);
    if (code !== 0) throw new Error(`the demo ended with ${code}:\n${tail}`);
    return marks;
  });
}

function clear(root: string): void {
  for (const pid of processesUnder(root)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself in between.
    }
  }
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
}
