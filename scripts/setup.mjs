/**
 * Makes a checkout ready to run: right Node and git, dependencies as the lockfile says, dist/ as the sources say. Says
 * nothing when there is nothing to do. Plain Node, no dependencies: it runs on a fresh clone.
 */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isBuilt } from './build.mjs';
import { withLock } from './lock.mjs';

const NEEDED_NODE = [20, 19];
const NEEDED_GIT = [2, 38];

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Throws an Error whose message says what to do. */
export async function setUp(say = console.log) {
  checkMachine({ platform: process.platform, node: process.versions.node, git: askGit() });
  if (isInstalled(root) && isBuilt(root)) return;
  const wait = (pid) => say(`Waiting for process ${pid}, which is setting this checkout up`);
  await withLock(path.join(root, '.stagewright', 'setup.lock'), () => bringUpToDate(say), wait);
}

async function bringUpToDate(say) {
  if (!isInstalled(root)) await timed(say, 'Installing dependencies (npm ci)', install);
  if (!isBuilt(root)) await timed(say, 'Building', () => build(root));
}

/** Throws if this machine cannot run Stagewright. `git`: version, or null if there is none. */
export function checkMachine({ platform, node, git }) {
  if (platform === 'win32') {
    throw new Error(
      'Stagewright does not run on native Windows. Use WSL: https://learn.microsoft.com/windows/wsl/install',
    );
  }
  if (!isRecent(node, NEEDED_NODE)) {
    throw new Error(`Node ${node} is too old: ${NEEDED_NODE.join('.')} or later is needed (https://nodejs.org).`);
  }
  if (git === null) throw new Error(`git was not found: ${NEEDED_GIT.join('.')} or later is needed.`);
  if (!isRecent(git, NEEDED_GIT)) {
    throw new Error(
      `git ${git} is too old: ${NEEDED_GIT.join('.')} or later is needed (for git merge-tree --write-tree).`,
    );
  }
}

function isRecent(version, [major, minor]) {
  const [hasMajor = 0, hasMinor = 0] = version.split('.').map(Number);
  return hasMajor > major || (hasMajor === major && hasMinor >= minor);
}

function askGit() {
  try {
    return /\d+\.\d+(\.\d+)?/.exec(execFileSync('git', ['--version'], { encoding: 'utf8' }))?.[0] ?? null;
  } catch {
    return null;
  }
}

/**
 * Whether node_modules holds what the lockfile says. npm writes its own record there last, so an interrupted install has
 * none; contents are compared, because a checkout changes times without changing anything.
 */
export function isInstalled(directory) {
  const wanted = readPackages(path.join(directory, 'package-lock.json'));
  const present = readPackages(path.join(directory, 'node_modules', '.package-lock.json'));
  if (wanted === null || present === null) return false;
  for (const [name, entry] of Object.entries(wanted)) {
    if (name === '') continue;
    const found = present[name];
    // Optional packages of other platforms are rightly absent.
    if (found === undefined ? !entry.optional : found.version !== entry.version || found.integrity !== entry.integrity)
      return false;
  }
  return Object.keys(present).every((name) => name in wanted);
}

function readPackages(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages;
  } catch {
    return null;
  }
}

function install() {
  // The npm that runs us, if one does; it need not be the one on the PATH.
  const npm = process.env.npm_execpath;
  const [program, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const argv = [...first, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', (error) => reject(new Error(`npm cannot be started: ${error.message}`)));
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error('npm ci failed: see above.'))));
  });
}

async function timed(say, what, task) {
  say(`${what} …`);
  const startedAtMs = performance.now();
  const seconds = () => Math.round((performance.now() - startedAtMs) / 1_000);
  const tell = setInterval(() => say(`${what}: ${seconds()} s`), 5_000);
  try {
    await task();
  } finally {
    clearInterval(tell);
  }
  say(`${what}: done in ${seconds()} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await setUp();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
