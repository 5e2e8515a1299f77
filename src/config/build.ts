/**
 * From a file that passed the schema to the configuration the program uses: defaults filled in, durations in
 * milliseconds. A bad number for a budget or limit of runs and merging falls back here, with a warning that says so.
 */
import os from 'node:os';
import path from 'node:path';
import type { AgentSettings } from '../agents/contract.ts';
import type { Config, Limits, ProjectConfig, RoleSettings } from '../config-types.ts';
import { MAX_BUDGET_MS, resolveRunBudget } from '../domain/budgets.ts';
import { ROLES } from '../domain/types.ts';
import { formatDuration } from '../domain/usage.ts';
import type { BoardState, Role } from '../domain/types.ts';
import {
  builtInConfig,
  DEFAULT_ARTIFACTS,
  DEFAULT_BOARD_STATES,
  DEFAULT_DEVELOPER_EFFORT,
  DEFAULT_MARKERS_FILE,
  DEFAULT_MODEL,
} from './defaults.ts';
import { FALLIBLE_COUNTS, FALLIBLE_DURATIONS } from './schema.ts';
import type { AgentInput, FileInput, LimitsInput, ProjectInput, RoleInput, RolesInput } from './schema.ts';
import { DURATION_FORM, parseDurationMs, parseSizeBytes, SIZE_FORM } from './units.ts';

/** Keeps a warning, with the place of the value it is about. */
export type Warn = (path: (string | number)[], message: string) => void;

/** `base` is the directory that relative paths of the file start from. */
export interface BuildContext {
  base: string;
  warn: Warn;
}

/** The configuration of a file, without projects and people's tokens. */
export function buildConfig(input: FileInput, home: string, context: BuildContext): Config {
  const config = builtInConfig(home);
  config.limits = buildLimits(input.limits, config.limits, context);
  const defaults = buildRole(input.defaults, ['defaults'], context);
  return {
    ...config,
    language: input.language ?? config.language,
    http: { host: input.http?.host ?? config.http.host, port: input.http?.port ?? config.http.port },
    temporal: { uiPort: input.temporal?.uiPort ?? null },
    allowUnverifiedOperator: input.allowUnverifiedOperator ?? config.allowUnverifiedOperator,
    agents: Object.fromEntries(
      Object.entries(input.agents ?? {}).map(([name, agent]) => [name, buildAgent(agent, context.base)]),
    ),
    defaults: { ...defaults, agent: defaults.agent ?? 'claude', model: defaults.model ?? DEFAULT_MODEL },
    roles: withDeveloperEffort(buildRoles(input.roles, ['roles'], context), defaults.effort),
    budgetOverrides: checkOverrides(input.budgetOverrides, config.limits, context),
    people: (input.people ?? []).map((person) => ({
      name: person.name,
      tokenHash: person.tokenHash ?? null,
      approver: person.approver ?? true,
    })),
  };
}

function withDeveloperEffort(roles: Config['roles'], defaultEffort: string | undefined): Config['roles'] {
  if (defaultEffort !== undefined || roles.developer?.effort !== undefined) return roles;
  return { ...roles, developer: { ...roles.developer, effort: DEFAULT_DEVELOPER_EFFORT } };
}

function buildLimits(input: LimitsInput | undefined, defaults: Limits, context: BuildContext): Limits {
  const limits = { ...defaults };
  if (input === undefined) return limits;
  limits.concurrentRuns = input.concurrentRuns ?? limits.concurrentRuns;
  limits.gateSlots = input.gateSlots ?? limits.gateSlots;
  limits.backoffBaseMs = input.backoffBase ?? limits.backoffBaseMs;
  limits.backoffCapMs = input.backoffCap ?? limits.backoffCapMs;
  limits.transientRetries = input.transientRetries ?? limits.transientRetries;
  limits.permanentTries = input.permanentTries ?? limits.permanentTries;
  limits.breakerThreshold = input.breakerThreshold ?? limits.breakerThreshold;
  limits.breakerPauseMs = input.breakerPause ?? limits.breakerPauseMs;
  limits.preflightCacheMs = input.preflightCache ?? limits.preflightCacheMs;
  limits.versionProbeMs = input.versionProbe ?? limits.versionProbeMs;
  limits.gateTimeoutMs = input.gateTimeout ?? limits.gateTimeoutMs;
  limits.reminderFirstMs = input.reminderFirst ?? limits.reminderFirstMs;
  limits.reminderEveryMs = input.reminderEvery ?? limits.reminderEveryMs;
  limits.answerSettleMs = input.answerSettle ?? limits.answerSettleMs;
  for (const name of FALLIBLE_DURATIONS) {
    const key = `${name}Ms` as const;
    limits[key] = pickDuration(input[name], limits[key], ['limits', name], context, ZERO_IS_OFF.has(name));
  }
  for (const name of FALLIBLE_COUNTS) {
    limits[name] = pickCount(
      input[name],
      limits[name],
      ['limits', name],
      context,
      name === 'developerAttempts' ? 1 : 0,
    );
  }
  if (input.outputLimit !== undefined) {
    const bytes = parseSizeBytes(input.outputLimit);
    if (bytes !== null && bytes > 0) limits.outputLimitBytes = bytes;
    else
      context.warn(
        ['limits', 'outputLimit'],
        `expected ${SIZE_FORM}; the default of ${limits.outputLimitBytes} bytes is used`,
      );
  }
  return limits;
}

/** 0 means: no SIGINT first, no silence watch, no grace, no floor. */
const ZERO_IS_OFF: ReadonlySet<string> = new Set(['interrupt', 'grace', 'silence', 'relaunchFloor', 'infraRetryBase']);

function pickDuration(raw: unknown, fallback: number, where: string[], context: BuildContext, zero: boolean): number {
  if (raw === undefined) return fallback;
  const parsed = parseDurationMs(raw);
  if (parsed !== null && (zero || parsed > 0) && parsed <= MAX_BUDGET_MS) return parsed;
  context.warn(where, `expected ${DURATION_FORM}; the default of ${formatDuration(fallback)} is used`);
  return fallback;
}

function pickCount(raw: unknown, fallback: number, where: string[], context: BuildContext, minimum: number): number {
  if (raw === undefined) return fallback;
  if (typeof raw === 'number' && Number.isSafeInteger(raw) && raw >= minimum) return raw;
  context.warn(where, `expected a whole number of at least ${minimum}; the default of ${fallback} is used`);
  return fallback;
}

/** A role's settings; a bad budget is left out, so that the next rung of the ladder counts. */
export function buildRole(input: RoleInput | undefined, where: string[], context: BuildContext): RoleSettings {
  const settings: RoleSettings = {};
  if (input === undefined) return settings;
  if (input.agent !== undefined) settings.agent = input.agent;
  if (input.model !== undefined) settings.model = input.model;
  if (input.effort !== undefined) settings.effort = input.effort;
  if (input.permanentTries !== undefined) settings.permanentTries = input.permanentTries;
  if (input.transientRetries !== undefined) settings.transientRetries = input.transientRetries;
  const budgetMs = optionalDuration(input.budget, [...where, 'budget'], context, 1);
  if (budgetMs !== undefined) settings.budgetMs = budgetMs;
  const silenceMs = optionalDuration(input.silence, [...where, 'silence'], context, 0);
  if (silenceMs !== undefined) settings.silenceMs = silenceMs;
  if (typeof input.maxBudgetUsd === 'number' && input.maxBudgetUsd > 0 && Number.isFinite(input.maxBudgetUsd)) {
    settings.maxBudgetUsd = input.maxBudgetUsd;
  } else if (input.maxBudgetUsd !== undefined) {
    context.warn(
      [...where, 'maxBudgetUsd'],
      'expected a positive number of US dollars; there is no limit in money now',
    );
  }
  return settings;
}

function optionalDuration(raw: unknown, where: string[], context: BuildContext, minimumMs: number): number | undefined {
  if (raw === undefined) return undefined;
  const parsed = parseDurationMs(raw);
  if (parsed !== null && parsed >= minimumMs && parsed <= MAX_BUDGET_MS) return parsed;
  context.warn(where, `expected ${DURATION_FORM}; the next setting in line is used`);
  return undefined;
}

function buildRoles(
  input: RolesInput | undefined,
  where: string[],
  context: BuildContext,
): Partial<Record<Role, RoleSettings>> {
  const roles: Partial<Record<Role, RoleSettings>> = {};
  for (const role of ROLES) {
    if (input?.[role] !== undefined) roles[role] = buildRole(input[role], [...where, role], context);
  }
  return roles;
}

/** The override map stays raw for the budget ladder; here it only gets its warnings, the ladder's own words. */
function checkOverrides(raw: unknown, limits: Limits, context: BuildContext): unknown {
  if (raw === undefined || raw === null) return undefined;
  const warnings = ROLES.flatMap((role) => resolveRunBudget({ role, overrides: raw, limits }).warnings);
  for (const warning of new Set(warnings)) context.warn(['budgetOverrides'], warning);
  for (const role of typeof raw === 'object' && !Array.isArray(raw) ? Object.keys(raw) : []) {
    if ((ROLES as readonly string[]).includes(role)) continue;
    context.warn(['budgetOverrides', role], `there is no such role; roles are ${ROLES.join(', ')}`);
  }
  return raw;
}

function buildAgent(input: AgentInput, base: string): AgentSettings {
  const { expirySkew, versionProbe, binary, configDir, credentialsPath, scenario, ...plain } = input;
  const settings: AgentSettings = dropUndefined(plain);
  if (expirySkew !== undefined) settings.expirySkewMs = expirySkew;
  if (versionProbe !== undefined) settings.versionProbeMs = versionProbe;
  if (binary !== undefined) settings.binary = /[/~]/.test(binary) ? resolvePath(binary, base) : binary;
  if (configDir !== undefined) settings.configDir = resolvePath(configDir, base);
  if (credentialsPath !== undefined) settings.credentialsPath = resolvePath(credentialsPath, base);
  if (scenario !== undefined) settings.scenario = resolvePath(scenario, base);
  return settings;
}

/** A project with its defaults; relative repositories start at the file's directory. */
export function buildProject(
  key: string,
  input: ProjectInput,
  limits: Limits,
  where: string[],
  context: BuildContext,
): ProjectConfig {
  const boardStates = { ...DEFAULT_BOARD_STATES, ...dropUndefined(input.boardStates ?? {}) } as Record<
    BoardState,
    string
  >;
  // A command that is taken and never run would look like a deploy that happened.
  for (const name of ['deployStaging', 'deploy'] as const) {
    if (input.commands?.[name] === undefined) continue;
    context.warn([...where, 'commands', name], 'is not run by this version: the deployer agent does that stage');
  }
  return {
    key,
    repository: isRemote(input.repository) ? input.repository : resolvePath(input.repository, context.base),
    branch: input.branch ?? 'main',
    tracker: input.tracker ?? 'local',
    forge: input.forge ?? 'local',
    skipStages: input.skipStages ?? [],
    allowSkip: input.allowSkip ?? false,
    commands: dropUndefined(input.commands ?? {}),
    developmentGate: input.developmentGate ?? 'local',
    landing: input.landing ?? 'squash',
    skipRetest: input.skipRetest ?? true,
    markersFile: input.markersFile === undefined ? DEFAULT_MARKERS_FILE : input.markersFile,
    artifacts: { ...DEFAULT_ARTIFACTS, ...dropUndefined(input.artifacts ?? {}) },
    extraPaths: input.extraPaths ?? [],
    boardStates,
    triggerStates: input.triggerStates ?? [boardStates.todo],
    roles: buildRoles(input.roles, [...where, 'roles'], context),
    developerAttempts: pickCount(
      input.developerAttempts,
      limits.developerAttempts,
      [...where, 'developerAttempts'],
      context,
      1,
    ),
    deploySecrets: input.deploySecrets ?? [],
  };
}

/** A URL or `host:path`, as opposed to a directory of this machine. */
export function isRemote(repository: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(repository) || /^[^/\s]+@[^/\s]+:/.test(repository);
}

function resolvePath(value: string, base: string): string {
  const expanded = value === '~' || value.startsWith('~/') ? path.join(os.homedir(), value.slice(1)) : value;
  return path.resolve(base, expanded);
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
function dropUndefined<T extends object>(value: T): Defined<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the filter is what makes it true
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as Defined<T>;
}
