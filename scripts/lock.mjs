/**
 * One set-up at a time in one checkout. The same method as src/temporal/file-lock.ts, in plain JavaScript because it runs
 * before anything is installed or built: the highest-numbered file is the lock, and taking it means creating the next.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs `task` under the lock; `onWait` is told once, with the holder's pid, if somebody else has it. */
export async function withLock(base, task, onWait = () => undefined) {
  fs.mkdirSync(path.dirname(base), { recursive: true });
  let told = false;
  for (;;) {
    const answer = tryLock(base);
    if (typeof answer === 'string') {
      try {
        return await task();
      } finally {
        fs.writeFileSync(answer, '{}');
      }
    }
    if (!told) onWait(answer);
    told = true;
    await sleep(200);
  }
}

/** The lock file that is now ours, or the pid of its living holder (0: still writing its name). */
function tryLock(base) {
  for (;;) {
    const current = newest(base);
    const holder = current === 0 ? null : holderOf(`${base}.${current}`);
    if (holder !== null) return holder;
    const mine = `${base}.${current + 1}`;
    try {
      fs.writeFileSync(mine, JSON.stringify({ pid: process.pid, started: startOf(process.pid) }), { flag: 'wx' });
    } catch (error) {
      if (error.code === 'EEXIST') continue;
      throw error;
    }
    if (newest(base) === current + 1) {
      for (const older of generations(base)) if (older <= current) fs.rmSync(`${base}.${older}`, { force: true });
      return mine;
    }
    fs.rmSync(mine, { force: true });
  }
}

function holderOf(file) {
  let text;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  try {
    const { pid, started } = JSON.parse(text);
    return pid !== undefined && startOf(pid) === started ? pid : null;
  } catch {
    // Half-written: its writer is at it this moment, or was killed at it.
    const ageMs = Date.now() - (fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    return ageMs > 10_000 ? null : 0;
  }
}

/** Start of a living process, so that a recycled pid is not taken for it; where there is no /proc, just that it lives. */
function startOf(pid) {
  if (process.platform === 'linux') {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? 'gone' : fields[19];
    } catch {
      return 'gone';
    }
  }
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch (error) {
    return error.code === 'EPERM' ? 'alive' : 'gone';
  }
}

function newest(base) {
  return Math.max(0, ...generations(base));
}

function generations(base) {
  const prefix = `${path.basename(base)}.`;
  const names = fs.readdirSync(path.dirname(base));
  return names
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(name.slice(prefix.length)))
    .filter(Number.isInteger);
}
