/** The checks of `doctor`: each looks at one part and says what is wrong and how to mend it. None starts anything. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { agentCli } from '../agents/index.ts';
import { isOnPath } from '../config/commands.ts';
import { peopleFile } from '../people/store.ts';
import type { Config } from '../config-types.ts';
import { UNCONFINED_WARNING } from '../confine/index.ts';
import { messageOf } from '../errors.ts';
import { listSwitchedOff } from '../server/views.ts';
import { listAgentsInUse } from '../server/preflight.ts';

export interface Check {
  name: string;
  status: 'ok' | 'warn' | 'fail';
  detail: string;
  mend?: string;
}

const run = promisify(execFile);
const GIT_MINIMUM = [2, 38] as const;
const NODE_MINIMUM = [20, 19] as const;
const GIB = 1024 ** 3;

export function checkNode(): Check {
  const { node } = process.versions;
  return isAtLeast(node, NODE_MINIMUM)
    ? { name: 'Node', status: 'ok', detail: node }
    : { name: 'Node', status: 'fail', detail: node, mend: 'install Node 20.19 or later (24 is best)' };
}

export function checkPlatform(): Check {
  const name = 'platform';
  if (process.platform === 'linux') return { name, status: 'ok', detail: `linux ${os.release()}` };
  if (process.platform === 'win32') return { name, status: 'fail', detail: 'native Windows', mend: 'use WSL' };
  return {
    name,
    status: 'warn',
    detail: `${process.platform}: processes that leave their group and session cannot be swept up here`,
    mend: 'run agents on Linux where that matters',
  };
}

export async function checkGit(): Promise<Check> {
  const name = 'git';
  const mend = 'install git 2.38 or later';
  try {
    const { stdout } = await run('git', ['--version']);
    const version = /(\d+\.\d+(\.\d+)?)/.exec(stdout)?.[1] ?? '0';
    return isAtLeast(version, GIT_MINIMUM)
      ? { name, status: 'ok', detail: version }
      : { name, status: 'fail', detail: version, mend };
  } catch {
    return { name, status: 'fail', detail: 'there is no git on the PATH', mend };
  }
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [first = 0, second = 0] = version.split('.').map(Number);
  return first > major || (first === major && second >= minor);
}

export async function checkAgents(config: Config): Promise<Check[]> {
  return await Promise.all(
    listAgentsInUse(config).map(async (agent): Promise<Check> => {
      const name = `agent ${agent}`;
      try {
        const cli = agentCli(agent);
        const report = await cli.preflight(config.agents[agent] ?? {});
        if (!report.ok)
          return {
            name,
            status: 'fail',
            detail: report.reason ?? 'its preflight failed',
            ...(report.mend === null ? {} : { mend: report.mend }),
          };
        if (report.warning !== undefined)
          return {
            name,
            status: 'warn',
            detail: report.warning,
            ...(report.mend === null ? {} : { mend: report.mend }),
          };
        return {
          name,
          status: 'ok',
          detail: `${cli.displayName}${report.version === null ? '' : ` ${report.version}`}`,
        };
      } catch (error) {
        return { name, status: 'fail', detail: messageOf(error) };
      }
    }),
  );
}

export function checkProjects(config: Config): Check[] {
  const projects = Object.values(config.projects);
  if (projects.length === 0) {
    return [
      {
        name: 'projects',
        status: 'warn',
        detail: 'none yet',
        mend: 'stagewright submit --repo PATH "title" adds one; or write stagewright.yaml',
      },
    ];
  }
  return projects.map(({ key, repository, branch, commands }) => ({
    name: `project ${key}`,
    status: 'ok',
    detail: `${repository} ${branch}; tests: ${commands.test?.slice(commands.test[0] === 'sh' ? 2 : 0).join(' ') ?? 'none'}`,
  }));
}

export function checkPeople(config: Config): Check[] {
  const approvers = config.people.filter((person) => person.approver && person.tokenHash !== null);
  const name = 'approvers';
  const checks: Check[] =
    approvers.length > 0
      ? [{ name, status: 'ok', detail: approvers.map((person) => person.name).join(', ') }]
      : [
          {
            name,
            status: 'warn',
            detail: 'nobody yet',
            mend: 'the first command of a person here makes one (for the OS user)',
          },
        ];
  const file = peopleFile(config.home);
  if (existsSync(file) && (statSync(file).mode & 0o077) !== 0) {
    checks.push({
      name: 'people.json',
      status: 'warn',
      detail: 'others can read it, and sign with what is in it',
      mend: `chmod 600 ${file}`,
    });
  }
  if (config.allowUnverifiedOperator) {
    checks.push({
      name: 'operator',
      status: 'warn',
      detail: 'a bare `temporal` command counts as "operator (unverified)": whoever reaches that port may approve',
      mend: 'allowUnverifiedOperator: false refuses it',
    });
  }
  return checks;
}

export function checkDisk(home: string): Check {
  const name = 'disk';
  let directory = home;
  while (!existsSync(directory) && path.dirname(directory) !== directory) directory = path.dirname(directory);
  try {
    const { bavail, bsize } = statfsSync(directory);
    const free = bavail * bsize;
    const detail = `${(free / GIB).toFixed(1)} GiB free at ${directory}`;
    if (free < GIB) return { name, status: 'fail', detail, mend: 'free some: runs write up to 1 GiB of log each' };
    return free < 5 * GIB
      ? { name, status: 'warn', detail, mend: 'free some: runs write up to 1 GiB of log each' }
      : { name, status: 'ok', detail };
  } catch (error) {
    return { name, status: 'warn', detail: `cannot be measured: ${messageOf(error)}` };
  }
}

export function checkSwitches(config: Config): Check[] {
  const off = listSwitchedOff(config);
  const sandbox: Check = {
    name: 'sandbox',
    status: 'warn',
    detail: UNCONFINED_WARNING,
    mend: 'use a user of its own, without access to what it must not read',
  };
  return [
    ...(config.sandbox.kind === 'none' ? [sandbox] : []),
    ...(off.length === 0
      ? [{ name: 'switches', status: 'ok', detail: 'all on' } satisfies Check]
      : [{ name: 'switches', status: 'warn', detail: `off: ${off.join('; ')}` } satisfies Check]),
  ];
}

/** How the worker is kept running decides whether its agents outlive it. */
export function checkKeeper(): Check {
  const name = 'supervision';
  if (existsSync('/.dockerenv') || existsSync('/run/.containerenv')) {
    return {
      name,
      status: 'warn',
      detail: 'in a container: a recreated one takes its runs with it (their sessions are resumed)',
      mend: 'upgrade with `stagewright worker --drain`; init: true, a long stop_grace_period',
    };
  }
  const units = findUnits();
  const bad = units.filter(
    ({ text }) => !/^\s*KillMode\s*=\s*process/m.test(text) || !/^\s*OOMPolicy\s*=\s*continue/m.test(text),
  );
  if (bad.length > 0) {
    return {
      name,
      status: 'fail',
      detail: `${bad.map((unit) => unit.file).join(', ')}: a restart of the unit would end its agents`,
      mend: 'set KillMode=process and OOMPolicy=continue in [Service], then systemctl daemon-reload',
    };
  }
  return {
    name,
    status: 'ok',
    detail:
      units.length > 0
        ? units.map((unit) => unit.file).join(', ')
        : 'no unit found; a systemd unit needs KillMode=process and OOMPolicy=continue',
  };
}

function findUnits(): { file: string; text: string }[] {
  const directory = '/etc/systemd/system';
  try {
    return readdirSync(directory)
      .filter((file) => file.endsWith('.service'))
      .map((file) => ({ file, text: readFileSync(path.join(directory, file), 'utf8') }))
      .filter(({ text }) => /^\s*ExecStart\s*=.*stagewright/m.test(text));
  } catch {
    return [];
  }
}

/** Where an embedded server's binary would come from; nothing is fetched. */
export function checkTemporalBinary(env: NodeJS.ProcessEnv): Check {
  const name = 'Temporal';
  const demanded = env['TEMPORAL_CLI_PATH'];
  if (demanded) {
    return existsSync(demanded)
      ? { name, status: 'ok', detail: `not running; would use TEMPORAL_CLI_PATH (${demanded})` }
      : {
          name,
          status: 'fail',
          detail: `TEMPORAL_CLI_PATH names ${demanded}, which is not there`,
          mend: 'correct it, or unset it to have one found or fetched',
        };
  }
  if (isOnPath('temporal', env))
    return { name, status: 'ok', detail: 'not running; would use `temporal` from the PATH if it is recent enough' };
  const cache = path.join(
    env['STAGEWRIGHT_CACHE'] || env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'),
    'stagewright',
    'temporal',
  );
  const cached = listDirectory(cache).find((entry) => existsSync(path.join(cache, entry, 'temporal')));
  if (cached !== undefined) return { name, status: 'ok', detail: `not running; would use the cached ${cached}` };
  const go = isOnPath('go', env);
  return {
    name,
    status: 'warn',
    detail: `not running; the first start downloads it${go ? ', or builds it with Go (about four minutes)' : ''}`,
    ...(go ? {} : { mend: 'in a closed network: install Go, or set TEMPORAL_CLI_PATH or TEMPORAL_ADDRESS' }),
  };
}

function listDirectory(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
