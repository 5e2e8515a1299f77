/** `doctor`: looks at every part, says what is wrong and how to mend it; exit code 1 if anything fails. */
import type { Command } from 'commander';
import { ConfigError, resolveHome } from '../../config.ts';
import type { Config } from '../../config-types.ts';
import { EXIT_CODES, messageOf, StagewrightError } from '../../errors.ts';
import type { Context } from '../context.ts';
import {
  checkAgents,
  checkDisk,
  checkGit,
  checkKeeper,
  checkNode,
  checkPeople,
  checkPlatform,
  checkProjects,
  checkSwitches,
  checkTemporalBinary,
} from '../doctor-checks.ts';
import type { Check } from '../doctor-checks.ts';
import { checkTemporal } from '../doctor-temporal.ts';
import type { Colors } from '../output.ts';

export function addDoctor(program: Command, context: Context): void {
  program
    .command('doctor')
    .description('look at every part and say what is wrong and how to mend it')
    .action(async () => {
      const checks = await examine(context);
      const failed = checks.filter((check) => check.status === 'fail').length;
      const warned = checks.filter((check) => check.status === 'warn').length;
      context.output.result({ ok: failed === 0, failed, warned, checks }, () => [
        ...checks.flatMap((check) => renderCheck(check, context.output.colors)),
        '',
        failed === 0 ? `nothing is broken${warned === 0 ? '' : ` (${warned} to know about)`}` : `${failed} to mend`,
      ]);
      if (failed > 0) context.exitCode = EXIT_CODES.failure;
    });
}

async function examine(context: Context): Promise<Check[]> {
  const { env, cwd } = context;
  const basics = [checkNode(), checkPlatform(), await checkGit()];
  const read = readConfig(context);
  if (read.config === null)
    return [...basics, ...read.checks, checkTemporalBinary(env), checkDisk(resolveHome(env, cwd)), checkKeeper()];
  const { config } = read;
  return [
    ...basics,
    ...read.checks,
    ...checkProjects(config),
    ...(await checkTemporal(config, env, () => context.openClient())),
    ...(await checkAgents(config)),
    ...checkPeople(config),
    checkDisk(config.home),
    ...checkSwitches(config),
    checkKeeper(),
  ];
}

function readConfig(context: Context): { config: Config | null; checks: Check[] } {
  const name = 'configuration';
  try {
    const config = context.loadConfig();
    return {
      config,
      checks: [
        { name, status: 'ok', detail: config.source ?? 'built-in defaults (there is no stagewright.yaml here)' },
        ...config.warnings.map((detail): Check => ({ name, status: 'warn', detail })),
      ],
    };
  } catch (error) {
    if (error instanceof ConfigError) {
      const checks = error.problems.map(
        ({ place, path, message, mend }): Check => ({
          name,
          status: 'fail',
          detail: `${place} ${path}: ${message}`,
          ...(mend === null ? {} : { mend }),
        }),
      );
      return { config: null, checks };
    }
    const mend = error instanceof StagewrightError && error.mend !== null ? { mend: error.mend } : {};
    return { config: null, checks: [{ name, status: 'fail', detail: messageOf(error), ...mend }] };
  }
}

function renderCheck({ name, status, detail, mend }: Check, colors: Colors): string[] {
  const paint = { ok: colors.green, warn: colors.yellow, fail: colors.red }[status];
  const line = `${paint(status.padEnd(4))}  ${name}: ${detail}`;
  return mend === undefined || status === 'ok' ? [line] : [line, colors.dim(`      mend: ${mend}`)];
}
