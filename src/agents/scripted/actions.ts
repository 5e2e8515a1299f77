/**
 * The things a step can do, each really done and told as a tool call. Commands get a session of their own, as Claude's
 * Bash tool gives them: a supervisor that only signals the agent's group must be seen to miss them.
 */
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { type Emitter, writeAll } from './emit.ts';
import type { Action } from './scenario.ts';
import type { Session } from './state.ts';

export interface Stage {
  cwd: string;
  session: Session;
  /** What the sources of `copy` are relative to. */
  scenarioDirectory: string;
  emitter: Emitter;
  /** Multiplier of `sleepMs`. */
  speed: number;
  /** Nothing may be printed. */
  mute: boolean;
  /** Replaces the placeholders. */
  fill(text: string): string;
  save(): void;
  /** Process groups of commands at work. */
  groups: Set<number>;
  toolOpen: boolean;
}

const SLICE_MS = 1_000;
const TOOL_OUTPUT_CHARS = 4_000;
const MIB = 1024 * 1024;

/** Does an action that holds one thing. */
export async function perform(action: Action, stage: Stage): Promise<void> {
  if (action.say !== undefined) {
    stage.session.lastSaid = stage.fill([action.say].flat().join('\n'));
    stage.emitter.say(stage.session.lastSaid);
  }
  if (action.stderr !== undefined) writeAll(2, `${stage.fill(action.stderr)}\n`);
  if (action.sleepMs !== undefined) await sleep(action.sleepMs, stage);
  for (const [name, text] of Object.entries(action.write ?? {})) await changeFile('Write', name, text, stage);
  for (const [name, source] of Object.entries(action.copy ?? {})) {
    await changeFile('Write', name, readFileSync(path.resolve(stage.scenarioDirectory, source), 'utf8'), stage);
  }
  for (const [name, text] of Object.entries(action.append ?? {})) await changeFile('Edit', name, text, stage);
  if (action.delete !== undefined) await deleteFiles(action.delete, stage);
  if (action.run !== undefined) await runCommand(action.run, stage);
  if (action.commit !== undefined) await commit(action.commit, stage);
  if (action.openTool !== undefined) {
    const { ms } = action.openTool;
    await asTool('Bash', { command: `wait ${ms} ms` }, stage, async () => {
      await setTimeout(ms);
      return { content: 'done' };
    });
  }
  if (action.fork !== undefined) await fork(action.fork, stage);
  if (action.flood !== undefined) await flood(action.flood, stage);
  if (action.crash === true) {
    // Done before it happens: a resumed session goes on behind it.
    stage.session.done += 1;
    stage.save();
    process.kill(process.pid, 'SIGKILL');
  }
  if (action.hang === true) {
    // The timer keeps the process alive.
    await new Promise(() => setInterval(() => undefined, 2 ** 30));
  }
}

/** Remembers how far it came, so that a resumed session waits for the rest only. */
async function sleep(totalMs: number, stage: Stage): Promise<void> {
  while (stage.session.sleptMs < totalMs && stage.speed > 0) {
    const sliceMs = Math.min(SLICE_MS / stage.speed, totalMs - stage.session.sleptMs);
    await setTimeout(sliceMs * stage.speed);
    stage.session.sleptMs += sliceMs;
    if (stage.session.sleptMs >= totalMs) break;
    stage.emitter.progress();
    stage.save();
  }
  stage.session.sleptMs = 0;
}

/** Opens a tool call, works, closes it. */
async function asTool(
  name: string,
  input: Record<string, unknown>,
  stage: Stage,
  work: () => Promise<{ content: string; isError?: boolean }>,
): Promise<void> {
  stage.session.tools += 1;
  const id = `toolu_${stage.session.id.slice(0, 8)}_${stage.session.tools}`;
  stage.emitter.toolUse(id, name, input);
  stage.toolOpen = true;
  let outcome: { content: string; isError?: boolean };
  try {
    outcome = await work();
  } catch (error) {
    outcome = { content: error instanceof Error ? error.message : String(error), isError: true };
  }
  stage.toolOpen = false;
  stage.emitter.toolResult(id, outcome.content, outcome.isError);
}

async function changeFile(tool: 'Write' | 'Edit', name: string, text: string, stage: Stage): Promise<void> {
  const file = stage.fill(name);
  const content = stage.fill(text);
  const input = tool === 'Write' ? { file_path: file, content } : { file_path: file, new_string: content };
  await asTool(tool, input, stage, async () => {
    const target = path.resolve(stage.cwd, file);
    mkdirSync(path.dirname(target), { recursive: true });
    if (tool === 'Write') writeFileSync(target, content);
    else appendFileSync(target, content);
    return { content: `${file} has been updated.` };
  });
}

async function deleteFiles(names: string[], stage: Stage): Promise<void> {
  const files = names.map((name) => stage.fill(name));
  await asTool('Bash', { command: `rm -rf ${files.join(' ')}` }, stage, async () => {
    for (const file of files) rmSync(path.resolve(stage.cwd, file), { recursive: true, force: true });
    return { content: '' };
  });
}

async function commit(message: string, stage: Stage): Promise<void> {
  const identity = ['-c', 'user.name=Scripted agent', '-c', 'user.email=agent@scripted.invalid'];
  await runCommand(['git', 'add', '-A'], stage);
  await runCommand(['git', ...identity, 'commit', '--quiet', '--no-verify', '-m', message], stage);
}

async function runCommand(argv: string[], stage: Stage): Promise<void> {
  const [command = '', ...args] = argv.map((argument) => stage.fill(argument));
  await asTool('Bash', { command: [command, ...args].join(' ') }, stage, async () => {
    const { spawn } = await import('node:child_process');
    return await new Promise((resolve, reject) => {
      const child = spawn(command === 'node' ? process.execPath : command, args, {
        cwd: stage.cwd,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const group = child.pid;
      if (group !== undefined) stage.groups.add(group);
      let output = '';
      const collect = (chunk: string): void => {
        output = (output + chunk).slice(-TOOL_OUTPUT_CHARS);
      };
      child.stdout.setEncoding('utf8').on('data', collect);
      child.stderr.setEncoding('utf8').on('data', collect);
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (group !== undefined) stage.groups.delete(group);
        const failed = code !== 0;
        resolve({ content: `${failed ? `Exit code ${code ?? signal}\n` : ''}${output}`, isError: failed });
      });
    });
  });
}

async function fork(options: NonNullable<Action['fork']>, stage: Stage): Promise<void> {
  const { spawn } = await import('node:child_process');
  const stubborn =
    options.ignoreSigterm === true ? `process.on('SIGTERM', () => {}); process.on('SIGINT', () => {});` : '';
  const child = spawn(process.execPath, ['-e', `${stubborn} setTimeout(() => {}, ${options.sleepMs})`], {
    cwd: stage.cwd,
    detached: options.setsid === true,
    stdio: 'ignore',
    ...(options.cleanEnv === true ? { env: {} } : {}),
  });
  child.unref();
  if (options.pidFile !== undefined)
    writeFileSync(path.resolve(stage.cwd, stage.fill(options.pidFile)), String(child.pid));
  stage.emitter.say(`started process ${child.pid}`);
}

/** In pieces of 1 MiB, so that signals are heard in between. */
async function flood(options: NonNullable<Action['flood']>, stage: Stage): Promise<void> {
  if (stage.mute) return;
  const line = `${JSON.stringify({ type: 'system', subtype: 'status', status: 'x'.repeat(16_000) })}\n`;
  const piece =
    options.endlessLine === true ? Buffer.alloc(MIB, 'x') : Buffer.from(line.repeat(Math.ceil(MIB / line.length)));
  for (let left = options.mb * MIB; left > 0; left -= piece.length) {
    writeAll(1, left < piece.length && options.endlessLine === true ? piece.subarray(0, left) : piece);
    await setImmediate();
  }
  if (options.endlessLine === true) writeAll(1, '\n');
}
