import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AgentEvent, AgentFinalResult, AgentSettings } from '../contract.ts';
import { scripted, scriptedAgentPath } from './index.ts';
import { type Scenario, type Step, writeScenario } from './scenario.ts';

let root: string;
let launched: ChildProcess[];
let strays: number[];

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'stagewright-scripted-'));
  launched = [];
  strays = [];
});
afterEach(() => {
  for (const pid of [...launched.map((child) => child.pid), ...strays]) {
    try {
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    } catch {
      // Ended by itself.
    }
  }
  rmSync(root, { recursive: true, force: true });
});

interface Launch {
  session?: string;
  resume?: string;
  item?: string;
  maxBudgetUsd?: number;
}

/** Starts the real executable as a supervisor does: files as descriptors, a process group of its own. */
function start(scenario: Scenario | null, launch: Launch = {}): { child: ChildProcess; log: string } {
  const settings: AgentSettings = { configDir: path.join(root, 'config') };
  if (scenario !== null) {
    settings.scenario = path.join(root, 'scenario.json');
    writeScenario(settings.scenario, scenario);
  }
  const { argv, env } = scripted.plan({
    itemId: launch.item ?? 'ET-12',
    stage: 'development',
    role: 'developer',
    cwd: root,
    runDir: path.join(root, 'run'),
    promptPath: '/dev/null',
    model: 'claude-opus-4-8',
    effort: 'xhigh',
    sessionId: launch.session ?? 'session-1',
    settings,
    ...(launch.resume === undefined ? {} : { resumeSessionId: launch.resume }),
    ...(launch.maxBudgetUsd === undefined ? {} : { maxBudgetUsd: launch.maxBudgetUsd }),
  });
  const log = path.join(root, `events-${launched.length}.jsonl`);
  const [stdout, stderr] = [openSync(log, 'w'), openSync(`${log}.stderr`, 'w')];
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    detached: true,
    stdio: ['ignore', stdout, stderr],
  });
  closeSync(stdout);
  closeSync(stderr);
  launched.push(child);
  return { child, log };
}

interface Ended {
  code: number | null;
  signal: string | null;
  events: AgentEvent[];
  result: AgentFinalResult | null;
  text: string;
  stderr: string;
}

async function end({ child, log }: { child: ChildProcess; log: string }): Promise<Ended> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  const reader = scripted.createReader();
  const text = readFileSync(log, 'utf8');
  const events = text.split('\n').flatMap((line) => reader.read(line));
  const results = events.flatMap((event) => (event.type === 'result' ? [event.result] : []));
  const stderr = readFileSync(`${log}.stderr`, 'utf8');
  return { code: child.exitCode, signal: child.signalCode, events, result: results.at(-1) ?? null, text, stderr };
}

function developer(...steps: Step[]): Scenario {
  return { speed: 0, default: { developer: steps } };
}

async function play(scenario: Scenario | null, launch: Launch = {}): Promise<Ended> {
  return await end(start(scenario, launch));
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 500; round += 1) {
    if (condition()) return;
    await setTimeout(10);
  }
  throw new Error('the condition did not come true within 5 s');
}

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.startsWith('Z') === false;
  } catch {
    return false;
  }
}

const logHas = (log: string, text: string) => (): boolean =>
  existsSync(log) && readFileSync(log, 'utf8').includes(text);

describe('a session', () => {
  test('really changes files, really runs commands, and tells it in the common vocabulary', async () => {
    const step: Step = {
      do: [
        { say: 'At work on {item}.' },
        { write: { 'docs/{item}.md': 'item {item}, template ${item}\n' } },
        { append: { 'docs/{item}.md': 'more\n' } },
        { run: ['sh', '-c', 'cat docs/{item}.md; exit 3'] },
      ],
      costUsd: 0.5,
      tokens: { input: 10, output: 20, cached: 30 },
      result: 'Done by the {role}.',
    };
    const { code, events, result } = await play(developer(step));
    expect(code).toBe(0);
    expect(readFileSync(path.join(root, 'docs/ET-12.md'), 'utf8')).toBe('item ET-12, template ${item}\nmore\n');
    expect(events[0]).toMatchObject({ type: 'session', sessionId: 'session-1', model: 'claude-opus-4-8' });
    expect(events).toContainEqual({ type: 'activity', text: 'At work on ET-12.' });
    const closes = events.flatMap((event) => (event.type === 'activity' && event.toolClose ? [event] : []));
    const opens = events.flatMap((event) => (event.type === 'activity' && event.toolOpen ? [event.toolOpen] : []));
    expect(opens).toEqual(closes.map((event) => event.toolClose));
    expect(new Set(opens).size).toBe(3);
    expect(closes.at(-1)?.text).toBe('✗ Exit code 3 item ET-12, template ${item} more');
    expect(result).toMatchObject({
      ok: true,
      text: 'Done by the developer.',
      sessionId: 'session-1',
      cumulativeUsage: true,
    });
    expect(result?.usage).toMatchObject({
      inputTokens: 10,
      outputTokens: 20,
      cachedTokens: 30,
      costUsd: 0.5,
      turns: 4,
    });
  });

  test('the nth finished session plays step n, the last one repeats, items count apart', async () => {
    const scenario = developer({ result: 'one' }, { result: 'two' });
    const said = async (session: string, item = 'ET-12') => (await play(scenario, { session, item })).result?.text;
    expect(await said('a')).toBe('one');
    expect(await said('b')).toBe('two');
    expect(await said('c')).toBe('two');
    expect(await said('d', 'ET-13')).toBe('one');
  });

  test("an item's own script, then the default; the stage before the role; nothing found is refused", async () => {
    const scenario: Scenario = {
      items: { 'ET-1': { developer: [{ result: 'own' }] } },
      default: { developer: [{ result: 'role' }], development: [{ result: 'stage' }] },
    };
    expect((await play(scenario, { session: 'a', item: 'ET-1' })).result?.text).toBe('own');
    expect((await play(scenario, { session: 'b', item: 'ET-2' })).result?.text).toBe('stage');
    const refused = await play({ default: {} }, { session: 'c' });
    expect(refused).toMatchObject({ code: 1, text: '' });
    expect(refused.stderr).toContain('no steps for developer');
  });

  test('without a scenario it carries any item on', async () => {
    const { code, result } = await play(null);
    expect(code).toBe(0);
    expect(result?.ok).toBe(true);
    expect(readFileSync(path.join(root, 'docs/work-items/ET-12/11-development.md'), 'utf8')).toContain('no model');
  });

  test('a long wait shows signs of life', async () => {
    // 1.2 s in slices of a second: one sign before the wait is over.
    const { text } = await play({ speed: 0.05, default: { developer: [{ sleepMs: 24_000 }] } });
    expect(text.split('\n').filter((line) => line.includes('"status":"working"')).length).toBe(1);
  });

  test('it says that no model is involved', async () => {
    expect(scripted.displayName).toContain('no model');
    const report = await scripted.preflight({});
    expect(report).toMatchObject({ ok: true, version: '1.0.0' });
  });

  test('its own commits are commits', async () => {
    const { events } = await play(
      developer({
        do: [
          { run: ['git', 'init', '-q'] },
          { write: { 'a.txt': 'a' } },
          { commit: 'add a' },
          { run: ['git', 'log', '--oneline'] },
        ],
      }),
    );
    const last = events.filter((event) => event.type === 'activity' && event.toolClose !== undefined).at(-1);
    expect(last).toMatchObject({ text: expect.stringContaining('add a') });
  });
});

describe('preflight', () => {
  test('a scenario that is not there, and one that is no JSON', async () => {
    const scenario = path.join(root, 'scenario.json');
    expect(await scripted.preflight({ scenario })).toMatchObject({
      ok: false,
      reason: expect.stringContaining('ENOENT'),
    });
    writeFileSync(scenario, '{');
    expect(await scripted.preflight({ scenario })).toMatchObject({
      ok: false,
      reason: expect.stringContaining('no JSON'),
    });
  });
});

describe('signals', () => {
  test('SIGINT: a final result with the cost so far, exit 0, and the command at work is dead', async () => {
    const step: Step = { do: [{ say: 'a' }, { run: ['sh', '-c', 'echo $$ > pid; sleep 600'] }], costUsd: 1 };
    const run = start(developer(step));
    const pidFile = path.join(root, 'pid');
    await until(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8').endsWith('\n'));
    const command = Number(readFileSync(pidFile, 'utf8'));
    run.child.kill('SIGINT');
    const { code, result } = await end(run);
    expect(code).toBe(0);
    expect(result).toMatchObject({ ok: false, terminalReason: 'aborted_tools', usage: { costUsd: 0.5 } });
    expect(result && scripted.classifyResult(result, null)).toMatchObject({ class: 'permanent', code: 'aborted' });
    await until(() => !isAlive(command));
  });

  test('SIGTERM: exit 143 and no result', async () => {
    const run = start(developer({ hang: true }));
    await until(logHas(run.log, 'init'));
    run.child.kill('SIGTERM');
    const { code, result } = await end(run);
    expect(code).toBe(143);
    expect(result).toBeNull();
  });

  test('both can be ignored; SIGKILL cannot', async () => {
    const run = start(developer({ say: 'deaf', hang: true, ignoreSigterm: true, ignoreSigint: true }));
    await until(logHas(run.log, 'deaf'));
    run.child.kill('SIGINT');
    run.child.kill('SIGTERM');
    await setTimeout(150);
    expect(run.child.exitCode).toBeNull();
    run.child.kill('SIGKILL');
    expect((await end(run)).signal).toBe('SIGKILL');
  });
});

describe('sessions over kills', () => {
  const scenario: Scenario = {
    speed: 1,
    default: {
      developer: [
        {
          do: [{ append: { 'log.txt': 'first\n' } }, { sleepMs: 600_000 }, { append: { 'log.txt': 'last\n' } }],
          costUsd: 0.9,
        },
        { result: 'second' },
      ],
    },
  };

  test('a killed session does not count; a fresh one plays the step again', async () => {
    const run = start(scenario);
    await until(logHas(run.log, 'tool_result'));
    run.child.kill('SIGKILL');
    await end(run);
    const again = await play({ ...scenario, speed: 0 }, { session: 'session-2' });
    expect(again.result?.text).toBe('Done.');
    expect(readFileSync(path.join(root, 'log.txt'), 'utf8')).toBe('first\nfirst\nlast\n');
    expect((await play(scenario, { session: 'session-3' })).result?.text).toBe('second');
  });

  test('a resumed session goes on where it stopped and reports the cost of the whole session', async () => {
    const run = start(scenario);
    await until(logHas(run.log, 'tool_result'));
    run.child.kill('SIGKILL');
    await end(run);
    const resumed = await play({ ...scenario, speed: 0 }, { resume: 'session-1' });
    expect(readFileSync(path.join(root, 'log.txt'), 'utf8')).toBe('first\nlast\n');
    expect(resumed.result).toMatchObject({ ok: true, sessionId: 'session-1', usage: { costUsd: 0.9 } });
    // Resumed once more, after its end was lost: nothing is counted twice.
    await play({ ...scenario, speed: 0 }, { resume: 'session-1' });
    expect((await play(scenario, { session: 'session-2' })).result?.text).toBe('second');
  });

  test('`once` counts a session that was killed', async () => {
    const steps = developer({ once: true, hang: true }, { result: 'second' });
    const run = start(steps);
    await until(logHas(run.log, 'init'));
    run.child.kill('SIGKILL');
    await end(run);
    expect((await play(steps, { session: 'session-2' })).result?.text).toBe('second');
  });

  test('an unknown session and a session id in use are refused in Claude’s words', async () => {
    const unknown = await play(developer({}), { resume: 'nobody' });
    expect(unknown.code).toBe(1);
    expect(scripted.isResumeRefused?.(unknown.stderr)).toBe(true);
    await play(developer({}));
    const used = await play(developer({}));
    expect(used).toMatchObject({ code: 1, result: null, stderr: expect.stringContaining('already in use') });
  });

  test('a crash dies by a signal, and a resume goes on behind it', async () => {
    const steps = developer({ do: [{ crash: true }], result: 'survived' });
    expect(await play(steps)).toMatchObject({ signal: 'SIGKILL', result: null });
    expect((await play(steps, { resume: 'session-1' })).result?.text).toBe('survived');
  });
});

describe('ends', () => {
  test.each<[string, Step, number, object | null]>([
    ['error', { end: 'error', result: 'broken' }, 1, { ok: false, text: 'broken' }],
    ['empty result', { end: 'empty' }, 0, { ok: true, text: '' }],
    ['no result', { say: 'x', end: 'no-result' }, 0, null],
    ['cut result', { end: 'cut-result' }, 0, null],
    ['denied tools', { end: 'denied' }, 0, { ok: true, deniedTools: ['Write'] }],
    ['turn limit', { end: 'max-turns' }, 1, { ok: false, terminalReason: 'max_turns' }],
    ['money limit', { end: 'max-budget' }, 1, { ok: false, terminalReason: 'budget_exhausted' }],
    ['a lie about success', { exit: 7 }, 7, { ok: true }],
  ])('%s', async (_name, step, exit, expected) => {
    const { code, result } = await play(developer(step));
    expect(code).toBe(exit);
    if (expected === null) expect(result).toBeNull();
    else expect(result).toMatchObject(expected);
  });

  test('an empty log and a blank one, with a word on stderr', async () => {
    const empty = await play(developer({ say: 'unheard', stderr: 'ECONNRESET', end: 'empty-log' }), { session: 'a' });
    expect(empty).toMatchObject({ code: 0, text: '', stderr: 'ECONNRESET\n' });
    const blank = await play(developer({ end: 'whitespace' }), { session: 'b' });
    expect(blank.code).toBe(0);
    expect(blank.text.length).toBeGreaterThan(0);
    expect(blank.text.trim()).toBe('');
  });

  test('a money limit of the run ends it as Claude does', async () => {
    const { code, result } = await play(developer({ say: ['a', 'b'], costUsd: 2 }), { maxBudgetUsd: 0.5 });
    expect(code).toBe(1);
    expect(result && scripted.classifyResult(result, null)).toMatchObject({ class: 'permanent', code: 'max_budget' });
  });

  test.each<[NonNullable<Step['apiError']>, string, string]>([
    [{ text: 'Not logged in · Please run /login', assistantError: 'authentication_failed' }, 'auth', 'not_logged_in'],
    [
      { text: 'API Error: Request rejected (429) · slow down', status: 429, type: 'rate_limit_error' },
      'transient',
      'rate_limited',
    ],
    [
      { text: 'API Error: Repeated 529 Overloaded errors.', status: 529, type: 'overloaded_error' },
      'transient',
      'overloaded',
    ],
    [
      { text: "There's an issue with the selected model (x).", status: 404, assistantError: 'model_not_found' },
      'config',
      'model_not_found',
    ],
  ])('API error $text', async (apiError, kind, code) => {
    const ended = await play(developer({ apiError }));
    expect(ended.code).toBe(1);
    expect(ended.result && scripted.classifyResult(ended.result, null)).toMatchObject({ class: kind, code });
  });

  test('a plan limit names its reset, in an event of its own', async () => {
    const resetsAt = Math.floor(Date.now() / 1000) + 3600;
    const apiError = { text: "You've hit your 5-hour limit", status: 429, error: 'usage_limit_reached', resetsAt };
    const { events, result } = await play(developer({ apiError }));
    expect(events).toContainEqual({ type: 'limit', status: 'rejected', resetAtMs: resetsAt * 1000, kind: 'five_hour' });
    const failure = result && scripted.classifyResult(result, { resetAtMs: resetsAt * 1000 });
    expect(failure).toMatchObject({ class: 'limit', resetAtMs: resetsAt * 1000 });
  });
});

describe('misbehaviour', () => {
  test('a grandchild in a session of its own outlives the agent', async () => {
    const { code } = await play(developer({ fork: { setsid: true, sleepMs: 60_000, pidFile: 'stray.pid' } }));
    const pid = Number(readFileSync(path.join(root, 'stray.pid'), 'utf8'));
    strays.push(pid);
    expect(code).toBe(0);
    expect(isAlive(pid)).toBe(true);
    // Its own leader: a signal to the agent's group does not reach it.
    expect(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[2]).toBe(String(pid));
  });

  test('a flood of lines and one endless line have their size, and the result comes after them', async () => {
    const lines = await play(developer({ flood: { mb: 3 } }), { session: 'a' });
    expect(lines.text.length).toBeGreaterThan(3 * 1024 * 1024);
    expect(lines.text.split('\n').length).toBeGreaterThan(100);
    expect(lines.result?.ok).toBe(true);
    const endless = start(developer({ flood: { mb: 3, endlessLine: true } }), { session: 'b' });
    const { result } = await end(endless);
    expect(statSync(endless.log).size).toBeGreaterThan(3 * 1024 * 1024);
    expect(
      readFileSync(endless.log, 'utf8')
        .split('\n')
        .some((line) => line.length === 3 * 1024 * 1024),
    ).toBe(true);
    expect(result?.ok).toBe(true);
  });

  test('a flood hears signals', async () => {
    const run = start(developer({ flood: { mb: 100_000 } }));
    await until(() => existsSync(run.log) && statSync(run.log).size > 1024 * 1024);
    run.child.kill('SIGTERM');
    if (run.child.exitCode === null) await once(run.child, 'exit');
    expect(run.child.exitCode).toBe(143);
  });

  test('an open tool call is silent', async () => {
    const run = start(developer({ openTool: { ms: 300 } }));
    await until(logHas(run.log, 'tool_use'));
    const size = statSync(run.log).size;
    await setTimeout(100);
    expect(statSync(run.log).size).toBe(size);
    expect((await end(run)).result?.ok).toBe(true);
  });

  test('a reader that is gone ends it', async () => {
    const scenario = path.join(root, 'scenario.json');
    writeScenario(scenario, developer({ flood: { mb: 1000 } }));
    const args = [
      scriptedAgentPath,
      '--scenario',
      scenario,
      '--config-dir',
      root,
      '--item',
      'A-1',
      '--role',
      'developer',
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    launched.push(child);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    await once(child, 'exit');
    expect(child.exitCode).toBe(1);
  });
});
