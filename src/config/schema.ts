/**
 * What `stagewright.yaml` may hold. Strict everywhere: an unknown key is a typing error that would otherwise be obeyed
 * in silence as its default. Budgets and limits that may fall back (SPEC: runs and merge gate) are `fallible`: any
 * value passes here and is judged in build.ts.
 */
import { z } from 'zod';
import { AGENT_NAMES } from '../agents/index.ts';
import { MAX_BUDGET_MS } from '../domain/budgets.ts';
import { AGENT_STAGES } from '../domain/types.ts';
import type { Role } from '../domain/types.ts';
import { DURATION_FORM, parseDurationMs } from './units.ts';

/** A number that falls back with a warning instead of refusing the start. */
const fallible = z.unknown().optional();

/** A duration that must be right; output in milliseconds. */
const duration = z
  .custom<string | number>(isDuration, { error: `expected ${DURATION_FORM}` })
  .transform((value) => parseDurationMs(value) ?? 0)
  .optional();

function isDuration(value: unknown): boolean {
  const parsed = parseDurationMs(value);
  return parsed !== null && parsed <= MAX_BUDGET_MS;
}

const count = (minimum: number): z.ZodOptional<z.ZodInt> =>
  z
    .int()
    .min(minimum, { error: `expected a whole number of at least ${minimum}` })
    .optional();

/** argv; a string is run by `sh -c`. */
const command = z
  .custom<string | string[]>(isCommand, {
    error: 'expected a command: a string (run by sh -c) or a list of strings (run as it is)',
  })
  .transform((value) => (typeof value === 'string' ? ['sh', '-c', value] : value))
  .optional();

function isCommand(value: unknown): boolean {
  if (typeof value === 'string') return value.trim() !== '';
  return Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === 'string') && value[0] !== '';
}

/** Fallible numbers of SPEC 3 and 7. */
export const FALLIBLE_DURATIONS = [
  'runBudget',
  'developerBudget',
  'reviewerBudget',
  'interrupt',
  'grace',
  'silence',
  'lease',
  'relaunchFloor',
  'retestTimeout',
  'coverageTimeout',
  'infraRetryBase',
] as const;
export const FALLIBLE_COUNTS = ['relaunches', 'infraRetries', 'developerAttempts'] as const;

export const limitsSchema = z.strictObject({
  concurrentRuns: count(1),
  gateSlots: count(1),
  backoffBase: duration,
  backoffCap: duration,
  transientRetries: count(0),
  permanentTries: count(1),
  breakerThreshold: count(1),
  breakerPause: duration,
  preflightCache: duration,
  versionProbe: duration,
  gateTimeout: duration,
  reminderFirst: duration,
  reminderEvery: duration,
  answerSettle: duration,
  runBudget: fallible,
  developerBudget: fallible,
  reviewerBudget: fallible,
  interrupt: fallible,
  grace: fallible,
  silence: fallible,
  lease: fallible,
  outputLimit: fallible,
  relaunches: fallible,
  relaunchFloor: fallible,
  retestTimeout: fallible,
  coverageTimeout: fallible,
  infraRetries: fallible,
  infraRetryBase: fallible,
  developerAttempts: fallible,
});
export type LimitsInput = z.output<typeof limitsSchema>;

export const roleSchema = z.strictObject({
  agent: z.enum(AGENT_NAMES).optional(),
  model: z.string().optional(),
  effort: z.string().optional(),
  budget: fallible,
  silence: fallible,
  maxBudgetUsd: fallible,
  permanentTries: count(1),
  transientRetries: count(0),
});
export type RoleInput = z.output<typeof roleSchema>;

const oneRole = roleSchema.optional();
const rolesSchema = z.strictObject({
  analyst: oneRole,
  architect: oneRole,
  developer: oneRole,
  reviewer: oneRole,
  tester: oneRole,
  deployer: oneRole,
} satisfies Record<Role, typeof oneRole>);
export type RolesInput = z.output<typeof rolesSchema>;

const agentSchema = z.strictObject({
  binary: z.string().optional(),
  configDir: z.string().optional(),
  credentialsPath: z.string().optional(),
  strictExpiry: z.boolean().optional(),
  credentialsCheck: z.boolean().optional(),
  expirySkew: duration,
  versionProbe: duration,
  login: z
    .string()
    .regex(/^[\w.@-]+$/, { error: 'expected a name of letters, digits, . _ @ -' })
    .optional(),
  extraArgs: z.array(z.string()).optional(),
  passEnv: z.array(z.string()).optional(),
  scenario: z.string().optional(),
});
export type AgentInput = z.output<typeof agentSchema>;

const personSchema = z.strictObject({
  name: z.string().min(1, { error: 'a person needs a name' }),
  tokenHash: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, { error: 'expected sha256: and 64 hexadecimal digits (the hash, never the token)' })
    .optional(),
  approver: z.boolean().optional(),
});

/** Everything but the projects, which are judged one by one so that one bad project hides no other problem. */
export const fileSchema = z.strictObject({
  language: z.enum(['en', 'ru']).optional(),
  http: z
    .strictObject({
      host: z.string().optional(),
      port: z.int().min(0).max(65_535, { error: 'expected a port, 0 to 65535' }).optional(),
    })
    .optional(),
  temporal: z.strictObject({ uiPort: z.int().min(1).max(65_535).nullable().optional() }).optional(),
  sandbox: z.enum(['none']).optional(),
  allowUnverifiedOperator: z.boolean().optional(),
  limits: limitsSchema.optional(),
  agents: z.partialRecord(z.enum(AGENT_NAMES), agentSchema).optional(),
  defaults: roleSchema.optional(),
  roles: rolesSchema.optional(),
  budgetOverrides: fallible,
  people: z.array(personSchema).optional(),
  projects: z.record(z.string(), z.unknown()).optional(),
});
export type FileInput = z.output<typeof fileSchema>;

const boardStatesSchema = z.strictObject({
  todo: z.string().optional(),
  'in-progress': z.string().optional(),
  'in-review': z.string().optional(),
  'needs-input': z.string().optional(),
  blocked: z.string().optional(),
  done: z.string().optional(),
  cancelled: z.string().optional(),
});

export const projectSchema = z.strictObject({
  repository: z.string().min(1, { error: 'expected a path or URL' }),
  branch: z.string().min(1, { error: 'expected a branch name' }).optional(),
  tracker: z.enum(['local']).optional(),
  forge: z.enum(['local']).optional(),
  skipStages: z.array(z.enum(AGENT_STAGES)).optional(),
  allowSkip: z.boolean().optional(),
  commands: z
    .strictObject({ setup: command, test: command, retest: command, deployStaging: command, deploy: command })
    .optional(),
  developmentGate: z.enum(['local', 'none']).optional(),
  landing: z.enum(['squash', 'keep']).optional(),
  skipRetest: z.boolean().optional(),
  markersFile: z.string().nullable().optional(),
  artifacts: z
    .strictObject({
      directory: z.string().includes('<ID>', { error: "must contain <ID>, the item's own id" }).optional(),
      analysis: z.array(z.string()).min(1).optional(),
      questions: z.string().optional(),
      architecture: z.array(z.string()).min(1).optional(),
      conflict: z.string().optional(),
      review: z.string().optional(),
      testReport: z.string().optional(),
      stagingReport: z.string().optional(),
      deployReport: z.string().optional(),
    })
    .optional(),
  extraPaths: z.array(z.string()).optional(),
  boardStates: boardStatesSchema.optional(),
  triggerStates: z.array(z.string()).optional(),
  roles: rolesSchema.optional(),
  developerAttempts: fallible,
  deploySecrets: z.array(z.string()).optional(),
});
export type ProjectInput = z.output<typeof projectSchema>;
