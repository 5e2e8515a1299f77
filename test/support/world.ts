/**
 * A small world for tests that need everything: a namespace of its own on the real Temporal server, a home directory, a
 * real git repository, a configuration file, and worker processes that can really be killed.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { stringify } from 'yaml';
import { MAIN_QUEUE, WORK_ITEM_WORKFLOW } from '../../src/domain/protocol.ts';
import type {
  DecisionCommand,
  DecisionInput,
  DecisionResult,
  WorkItemInput,
  WorkItemStatus,
} from '../../src/domain/protocol.ts';
import type { Scenario, Script } from '../../src/agents/scripted/scenario.ts';
import { writeScenario } from '../../src/agents/scripted/scenario.ts';
import { compiled } from '../../src/paths.ts';
import { openLocalTracker } from '../../src/trackers/local/index.ts';
import { connectTemporal } from '../../src/temporal/connection.ts';
import { ensureSearchAttributes } from '../../src/temporal/namespace.ts';
import { SEARCH_ATTRIBUTES } from '../../src/domain/protocol.ts';

export interface WorldOptions {
  address: string;
  /** Steps by role or stage; what is missing is taken from `goodScript`. */
  script?: Script;
  items?: Record<string, Script>;
  limits?: Record<string, unknown>;
  project?: Record<string, unknown>;
  config?: Record<string, unknown>;
  /** Files of the sample repository besides the default ones. */
  files?: Record<string, string>;
  /** Use the server's own namespace instead of a fresh one. */
  namespace?: string;
}

export interface World {
  home: string;
  /** The user's repository. */
  source: string;
  /** The local forge's bare repository, once an item was opened. */
  forge: string;
  project: string;
  namespace: string;
  client: Client;
  env: NodeJS.ProcessEnv;
  startWorker(): Promise<WorkerProcess>;
  /** Puts an item on the board and starts it; `script` is what the agents do for this item alone. */
  submit(title: string, options?: { script?: Script; input?: Partial<WorkItemInput> }): Promise<string>;
  status(itemId: string): Promise<WorkItemStatus>;
  /** Waits until the status satisfies the predicate. Throws with the last status on timeout. */
  until(
    itemId: string,
    what: string,
    predicate: (status: WorkItemStatus) => boolean,
    timeoutMs?: number,
  ): Promise<WorkItemStatus>;
  decide(itemId: string, command: DecisionCommand, input?: DecisionInput): Promise<DecisionResult>;
  cli(args: string[]): { status: number; stdout: string; stderr: string };
  git(args: string[], cwd?: string): string;
  /** What the agents of all items do from now on. */
  setScript(script: Script): void;
  /** Bodies of the comments that we wrote on the board, oldest first. */
  comments(itemId: string): Promise<string[]>;
  boardState(itemId: string): Promise<string>;
  /** Directories of an item's agent runs, oldest launch first. */
  runDirs(itemId: string): string[];
  close(): Promise<void>;
}

export interface WorkerProcess {
  pid: number;
  process: ChildProcess;
  log(): string;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** Tests green only if `value.txt` says `good`; so a scenario decides what is red. */
const SAMPLE: Record<string, string> = {
  'README.md': '# sample\n',
  'value.txt': 'good\n',
  'check.sh': 'grep -q good value.txt\n',
};

/** The shortest road through all stages: every role does what it must, at once. */
export function goodScript(): Script {
  const dir = 'docs/work-items/{item}';
  return {
    analyst: [
      {
        write: {
          [`${dir}/01-brd.md`]: 'why\n',
          [`${dir}/02-spec.md`]: 'what\n',
          [`${dir}/03-acceptance-criteria.md`]: 'when\n',
          [`${dir}/04-test-plan.yaml`]: 'tests: []\n',
        },
        result: 'analysed',
      },
    ],
    architect: [{ write: { [`${dir}/06-architecture.md`]: 'how\n' }, result: 'designed' }],
    developer: [{ write: { 'feature-{item}.txt': 'work of {session}\n' }, result: 'developed' }],
    reviewer: [{ write: { [`${dir}/12-review.md`]: '---\nverdict: APPROVED\n---\n{session}\n' }, result: 'reviewed' }],
    tester: [{ write: { [`${dir}/13-test-report.md`]: '---\nresult: PASS\n---\n{session}\n' }, result: 'tested' }],
    'deploy-staging': [
      { write: { [`${dir}/14-staging-report.md`]: '---\nstatus: SUCCESS\n---\n{session}\n' }, result: 'staged' },
    ],
    deploy: [
      { write: { [`${dir}/15-deploy-report.md`]: '---\nstatus: SUCCESS\n---\n{session}\n' }, result: 'deployed' },
    ],
  };
}

export async function createWorld(options: WorldOptions): Promise<World> {
  const root = mkdtempSync(path.join(os.tmpdir(), 'stagewright-world-'));
  const home = path.join(root, 'home');
  const source = path.join(root, 'source');
  const scenarioFile = path.join(root, 'scenario.json');
  const project = 'T';
  mkdirSync(home, { recursive: true });
  createRepository(source, { ...SAMPLE, ...options.files });
  const config = {
    http: { port: 0 },
    agents: { scripted: { scenario: scenarioFile, configDir: path.join(home, 'agents', 'scripted') } },
    defaults: { agent: 'scripted', model: 'claude-opus-4-8' },
    limits: {
      interrupt: '1s',
      grace: '2s',
      lease: '60s',
      backoffBase: '100ms',
      backoffCap: '2s',
      infraRetryBase: '100ms',
      answerSettle: '0s',
      ...options.limits,
    },
    ...options.config,
    projects: {
      [project]: { repository: source, branch: 'main', commands: { test: ['sh', 'check.sh'] }, ...options.project },
    },
  };
  writeFileSync(path.join(root, 'stagewright.yaml'), stringify(config));
  const namespace = options.namespace ?? `t-${randomUUID().slice(0, 12)}`;
  if (options.namespace === undefined) await prepareNamespace(options.address, namespace);
  const connected = await connectTemporal({ address: options.address, namespace });
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    TEMPORAL_ADDRESS: options.address,
    TEMPORAL_NAMESPACE: namespace,
    STAGEWRIGHT_HOME: home,
    STAGEWRIGHT_CONFIG: path.join(root, 'stagewright.yaml'),
    STAGEWRIGHT_PERSON: 'tester',
  };
  const workers: WorkerProcess[] = [];
  const tracker = openLocalTracker({ home, botName: 'stagewright' });

  let common: Script = options.script ?? {};
  const own: Record<string, Script> = { ...options.items };

  function setScript(script: Script): void {
    common = script;
    const scenario: Scenario = { speed: 1, default: { ...goodScript(), ...common }, items: own };
    writeScenario(scenarioFile, scenario);
  }
  setScript(common);

  const world: World = {
    home,
    source,
    forge: path.join(home, 'forge', `${project}.git`),
    project,
    namespace,
    client: connected.client,
    env,
    setScript,
    async startWorker() {
      const worker = await startWorkerProcess(env, path.join(root, `worker-${workers.length}.log`));
      workers.push(worker);
      return worker;
    },
    async submit(title, options = {}) {
      const { id: itemId } = await tracker.createItem({ project, title, createdBy: 'tester' });
      if (options.script !== undefined) {
        own[itemId] = options.script;
        setScript(common);
      }
      await connected.client.workflow.start(WORK_ITEM_WORKFLOW, {
        workflowId: itemId,
        taskQueue: MAIN_QUEUE,
        args: [{ itemId, project, title, ...options.input }],
      });
      return itemId;
    },
    async status(itemId) {
      return await connected.client.workflow.getHandle(itemId).query<WorkItemStatus>('status');
    },
    async until(itemId, what, predicate, timeoutMs = 60_000) {
      const end = Date.now() + timeoutMs;
      let last: WorkItemStatus | null = null;
      let failure: unknown = null;
      while (Date.now() < end) {
        try {
          last = await connected.connection.withDeadline(Date.now() + 2_000, () => world.status(itemId));
          if (predicate(last)) return last;
        } catch (error) {
          failure = error;
        }
        await sleep(50);
      }
      const logs = workers.map((worker) => worker.log().slice(-2_000)).join('\n---\n');
      throw new Error(
        `${itemId} did not come to: ${what}\n${JSON.stringify(last, null, 1)}\n${String(failure)}\n${logs}`,
      );
    },
    async decide(itemId, command, input = {}) {
      return await connected.client.workflow
        .getHandle(itemId)
        .executeUpdate<DecisionResult, [DecisionInput]>(command, { args: [input] });
    },
    cli(args) {
      return runCli(env, root, args);
    },
    git(args, cwd = source) {
      return git(args, cwd);
    },
    async comments(itemId) {
      return (await tracker.listComments(itemId)).map((comment) => comment.body);
    },
    async boardState(itemId) {
      return (await tracker.getItem(itemId))?.state ?? 'absent';
    },
    runDirs(itemId) {
      const directory = path.join(home, 'runs', itemId);
      if (!existsSync(directory)) return [];
      return readdirSync(directory)
        .map((name) => path.join(directory, name))
        .filter((run) => isAgentRun(run))
        .sort((a, b) => launchedAt(a) - launchedAt(b));
    },
    async close() {
      for (const worker of workers) await worker.kill('SIGKILL');
      await endEverything(home);
      await connected.connection.close();
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return world;
}

/** Gate commands have run directories too. */
function isAgentRun(runDir: string): boolean {
  try {
    return (JSON.parse(readFileSync(path.join(runDir, 'launch.json'), 'utf8')) as { kind?: string }).kind === 'agent';
  } catch {
    return false;
  }
}

function launchedAt(runDir: string): number {
  try {
    const record = JSON.parse(readFileSync(path.join(runDir, 'supervisor.json'), 'utf8')) as { startedAtMs?: number };
    return record.startedAtMs ?? 0;
  } catch {
    return 0;
  }
}

export function createRepository(directory: string, files: Record<string, string>): void {
  mkdirSync(directory, { recursive: true });
  git(['init', '-q', '-b', 'main'], directory);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), content);
  }
  git(['add', '-A'], directory);
  git(['commit', '-q', '-m', 'start'], directory);
}

export function git(args: string[], cwd: string): string {
  return execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

function runCli(
  env: NodeJS.ProcessEnv,
  cwd: string,
  args: string[],
): { status: number; stdout: string; stderr: string } {
  try {
    const stdout = execFileSync(process.execPath, [compiled('src/cli/main.js'), ...args], {
      env,
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
    return { status: 0, stdout, stderr: '' };
  } catch (error) {
    const failed = error as { status?: number; stdout?: string; stderr?: string };
    return { status: failed.status ?? -1, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' };
  }
}

async function startWorkerProcess(env: NodeJS.ProcessEnv, logFile: string): Promise<WorkerProcess> {
  const fd = openSync(logFile, 'a');
  const child = spawn(process.execPath, [compiled('src/cli/main.js'), 'worker'], {
    env,
    stdio: ['ignore', fd, fd],
    cwd: path.dirname(logFile),
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const log = (): string => readFileSync(logFile, 'utf8');
  const end = Date.now() + 20_000;
  while (!/worker of/.test(log())) {
    if (child.exitCode !== null || Date.now() > end) throw new Error(`the worker did not come up:\n${log()}`);
    await sleep(20);
  }
  return {
    pid: child.pid ?? 0,
    process: child,
    log,
    async kill(signal = 'SIGKILL') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await exited;
    },
  };
}

/** Ends every supervisor and agent that still belongs to this home, by their command lines and working directories. */
async function endEverything(home: string): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    const found = processesUnder(home);
    if (found.length === 0) return;
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself in between.
      }
    }
    await sleep(50);
  }
}

/** Pids of living processes whose command line or working directory is below a directory. */
export function processesUnder(directory: string): number[] {
  const pids: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const state = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)?.[0];
      if (state === 'Z' || state === 'X') continue;
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
      if (line.includes(directory) || environment.includes(`PWD=${directory}`)) pids.push(Number(name));
    } catch {
      // Gone, or not ours.
    }
  }
  return pids;
}

/** Registers a namespace and waits until the server's caches know it and its search attributes. */
async function prepareNamespace(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: msToTs('2 days'),
    });
    const end = Date.now() + 15_000;
    for (;;) {
      try {
        await ensureSearchAttributes(connection, namespace, SEARCH_ATTRIBUTES);
        await connection.workflowService.describeTaskQueue({ namespace, taskQueue: { name: 'probe' } });
        return;
      } catch (error) {
        if (Date.now() > end) throw error;
        await sleep(100);
      }
    }
  } finally {
    await connection.close();
  }
}

/** A connection that can be asked whether the server answers at all. */
export async function isServing(address: string): Promise<boolean> {
  const connection = Connection.lazy({ address });
  try {
    await connection.withDeadline(Date.now() + 1_000, () => connection.ensureConnected());
    return true;
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}
