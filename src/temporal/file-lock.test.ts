import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compiled } from '../paths.ts';
import { isLock, tryFileLock, waitForFileLock } from './file-lock.ts';

let directory: string;
let base: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'lock-'));
  base = path.join(directory, 'thing.lock');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function runChild(body: string): ReturnType<typeof spawn> {
  const module = JSON.stringify(compiled('src/temporal/file-lock.js'));
  const code = `import { tryFileLock, waitForFileLock } from ${module}; import fs from 'node:fs'; const base = ${JSON.stringify(base)};\n${body}`;
  return spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
}

test('one holder at a time, and the next after its release', () => {
  const first = tryFileLock(base);
  if (!isLock(first)) throw new Error('a new lock was refused');
  expect(tryFileLock(base)).toEqual({ pid: process.pid });
  first.release();
  first.release();
  const second = tryFileLock(base);
  expect(isLock(second)).toBe(true);
  // The first holder's late second release must not free what the second holds.
  first.release();
  expect(isLock(tryFileLock(base))).toBe(false);
});

test('a holder killed with SIGKILL is passed over at once', async () => {
  const holder = runChild(`tryFileLock(base); console.log('held'); setInterval(() => {}, 1000);`);
  await once(holder.stdout!, 'data');
  expect(tryFileLock(base)).toEqual({ pid: holder.pid });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(isLock(tryFileLock(base))).toBe(true);
});

test('of many who find the holder dead only one at a time gets in', async () => {
  const dead = runChild('tryFileLock(base);');
  await once(dead, 'exit');
  const counter = path.join(directory, 'counter');
  writeFileSync(counter, '0');
  // A lost update shows two holders at once: the read and the write are 5 ms apart.
  const contender = `for (let i = 0; i < 5; i += 1) {
    const lock = await waitForFileLock(base);
    const seen = Number(fs.readFileSync('${counter}', 'utf8'));
    await new Promise((done) => setTimeout(done, 5));
    fs.writeFileSync('${counter}', String(seen + 1));
    lock.release();
  }`;
  const children = Array.from({ length: 6 }, () => runChild(contender));
  await Promise.all(children.map((child) => once(child, 'exit')));
  expect(readFileSync(counter, 'utf8')).toBe('30');
}, 60_000);

test('waiting ends with the holder when the time is up, and says whom it waits for', async () => {
  tryFileLock(base);
  const waitedFor: unknown[] = [];
  const answer = await waitForFileLock(base, { timeoutMs: 150, onWait: (holder) => waitedFor.push(holder) });
  expect(answer).toEqual({ pid: process.pid });
  expect(waitedFor).toEqual([{ pid: process.pid }]);
});

test('a lock file that is being written counts as held', () => {
  writeFileSync(`${base}.1`, '');
  expect(tryFileLock(base)).toEqual({ pid: null });
});

test('a holder of another machine or container is judged by its heartbeat', async () => {
  const foreign = { pid: 1, startTicks: 1, bootId: 'another machine', pidNamespace: 'pid:[1]' };
  writeFileSync(`${base}.1`, JSON.stringify(foreign));
  expect(tryFileLock(base)).toEqual({ pid: 1 });
  const { utimesSync } = await import('node:fs');
  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(`${base}.1`, longAgo, longAgo);
  expect(isLock(tryFileLock(base))).toBe(true);
});
