/**
 * Reads the file and the projects that `submit --repo` added, judges all of it, and refuses with every problem at once.
 * A bad added project is a warning and passed over: it came from a command, and must not keep the others from starting.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Config, ProjectConfig } from '../config-types.ts';
import { errnoOf, messageOf, StagewrightError } from '../errors.ts';
import { mergePeople, readPeople } from '../people/store.ts';
import { buildConfig, buildProject } from './build.ts';
import type { BuildContext } from './build.ts';
import { builtInConfig } from './defaults.ts';
import { resolveHome } from './home.ts';
import { ConfigError, explainIssues, isRecord, readYaml, typeName } from './problems.ts';
import type { ConfigPath, ConfigProblem, YamlSource } from './problems.ts';
import { validateProject } from './project-check.ts';
import { fileSchema, projectSchema } from './schema.ts';

export const CONFIG_FILE = 'stagewright.yaml';
/** A project's key is the prefix of its items' ids. */
export const PROJECT_KEY = /^[A-Z][A-Z0-9]{0,11}$/;

export interface LoadOptions {
  /** `--config`. */
  file?: string | undefined;
  env: NodeJS.ProcessEnv;
  /** Overrides STAGEWRIGHT_HOME. */
  home?: string | undefined;
  cwd: string;
  /** False leaves out the look at repositories and commands (a few git lookups per project). Default true. */
  check?: boolean;
}

/**
 * The configuration: `--config`, STAGEWRIGHT_CONFIG, `stagewright.yaml` in `cwd`, or the built-in defaults; with the
 * projects and people kept in the home directory. Throws ConfigError with all problems of structure.
 */
export function loadConfig(options: LoadOptions): Config {
  const home =
    options.home === undefined ? resolveHome(options.env, options.cwd) : path.resolve(options.cwd, options.home);
  const file = findConfigFile(options);
  const config = file === null ? builtInConfig(home) : readConfigFile(file, home, options);
  applyEnvironment(config, options.env);
  const added = readAddedProjects(config, options);
  const people = readPeople(home);
  return {
    ...config,
    people: mergePeople(config.people, people.people),
    projects: { ...added.projects, ...config.projects },
    warnings: [...config.warnings, ...added.warnings, ...people.warnings],
  };
}

/** The file that would be read, or null; throws where a named one is not there. */
export function findConfigFile(options: Pick<LoadOptions, 'file' | 'env' | 'cwd'>): string | null {
  const [named, by] = options.file
    ? [options.file, '--config']
    : [options.env['STAGEWRIGHT_CONFIG'], 'STAGEWRIGHT_CONFIG'];
  if (named) {
    const file = path.resolve(options.cwd, named);
    if (existsSync(file)) return file;
    throw new StagewrightError('config_missing', `there is no file ${named} (${by})`, {
      exit: 'config',
      mend: `correct ${by}, or leave it out to use ./${CONFIG_FILE} or the built-in defaults`,
    });
  }
  const file = path.join(options.cwd, CONFIG_FILE);
  return existsSync(file) ? file : null;
}

function readConfigFile(file: string, home: string, options: LoadOptions): Config {
  const source = readYaml(labelOf(file, options.cwd), readText(file));
  if (source.problems.length > 0) throw new ConfigError(source.problems);
  const value = source.value ?? {};
  const parsed = fileSchema.safeParse(value);
  const problems = parsed.success
    ? []
    : explainIssues(parsed.error.issues, { source, schema: fileSchema, base: [], value });
  const warnings: string[] = [];
  const context = contextFor(file, source, warnings);
  const config = parsed.success ? buildConfig(parsed.data, home, context) : builtInConfig(home);
  for (const [key, raw] of Object.entries(projectsOf(value))) {
    const read = readProject({ key, raw, where: ['projects', key], source, context, config, options });
    problems.push(...read.problems);
    if (read.project !== null) config.projects[key] = read.project;
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...config, source: file, warnings };
}

function projectsOf(value: unknown): Record<string, unknown> {
  const projects = isRecord(value) ? value['projects'] : undefined;
  return isRecord(projects) && !Array.isArray(projects) ? projects : {};
}

function readProject(request: {
  key: string;
  raw: unknown;
  where: ConfigPath;
  source: YamlSource;
  context: BuildContext;
  config: Config;
  options: LoadOptions;
}): { project: ProjectConfig | null; problems: ConfigProblem[] } {
  const { key, raw, where, source, context, config, options } = request;
  const problems: ConfigProblem[] = [];
  if (!PROJECT_KEY.test(key)) {
    problems.push({
      place: source.locate(where, 'key'),
      path: where.join('.'),
      message: 'a project key is the prefix of its item ids: capital letters and digits, at most 12, a letter first',
      mend: `for example ${
        key
          .toUpperCase()
          .replace(/[^A-Z0-9]/g, '')
          .replace(/^\d+/, '')
          .slice(0, 12) || 'ET'
      }`,
    });
  }
  const parsed = projectSchema.safeParse(raw);
  if (!parsed.success) {
    problems.push(...explainIssues(parsed.error.issues, { source, schema: projectSchema, base: where, value: raw }));
    return { project: null, problems };
  }
  const project = buildProject(key, parsed.data, config.limits, where.map(String), context);
  if (options.check ?? true) {
    for (const finding of validateProject(project, options.env)) {
      const full = [...where, ...finding.path];
      problems.push({ place: source.locate(full), path: full.join('.'), message: finding.message, mend: finding.mend });
    }
  }
  if (project.commands.test === undefined && project.developmentGate === 'none') {
    context.warn(where, 'has no test command: what it merges is not tested');
  }
  return { project, problems };
}

/** Where projects that were added by a command are kept, one file each. */
export function addedProjectsDirectory(home: string): string {
  return path.join(home, 'projects');
}

function readAddedProjects(
  config: Config,
  options: LoadOptions,
): { projects: Record<string, ProjectConfig>; warnings: string[] } {
  const directory = addedProjectsDirectory(config.home);
  const projects: Record<string, ProjectConfig> = {};
  const warnings: string[] = [];
  for (const name of listYamlFiles(directory)) {
    const key = path.basename(name, '.yaml');
    const file = path.join(directory, name);
    if (Object.hasOwn(config.projects, key)) {
      warnings.push(`${file}: ${key} is also in ${config.source ?? CONFIG_FILE}, which counts`);
      continue;
    }
    try {
      const source = readYaml(file, readText(file));
      const context = contextFor(file, source, warnings);
      const read = readProject({ key, raw: source.value, where: [], source, context, config, options });
      const problems = [...source.problems, ...(source.problems.length > 0 ? [] : read.problems)];
      if (problems.length === 0 && read.project !== null) projects[key] = read.project;
      else warnings.push(...problems.map((problem) => `project ${key} is passed over: ${describe(problem)}`));
    } catch (error) {
      warnings.push(`project ${key} is passed over: ${file} cannot be read: ${errnoOf(error) ?? messageOf(error)}`);
    }
  }
  return { projects, warnings };
}

function listYamlFiles(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.yaml'))
      .toSorted();
  } catch {
    return [];
  }
}

function describe(problem: ConfigProblem): string {
  const where = problem.path === '' ? problem.place : `${problem.place} ${problem.path}`;
  return `${where}: ${problem.message}${problem.mend === null ? '' : ` (${problem.mend})`}`;
}

function contextFor(file: string, source: YamlSource, warnings: string[]): BuildContext {
  return {
    base: path.dirname(file),
    warn: (where, message) => warnings.push(`${source.locate(where)} ${where.join('.')}: ${message}`),
  };
}

function labelOf(file: string, cwd: string): string {
  const relative = path.relative(cwd, file);
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new StagewrightError('config_unreadable', `${file} cannot be read: ${errnoOf(error) ?? typeName(error)}`, {
      exit: 'config',
      mend: 'check that it is a file and that this user may read it',
      cause: error,
    });
  }
}

/** Addresses come from the environment too, because a container sets them there. */
function applyEnvironment(config: Config, env: NodeJS.ProcessEnv): void {
  const host = env['STAGEWRIGHT_HTTP_HOST'];
  if (host) config.http.host = host;
  const port = env['STAGEWRIGHT_HTTP_PORT'];
  if (!port) return;
  const number = Number(port);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new StagewrightError('config_invalid', `STAGEWRIGHT_HTTP_PORT: expected a port, 0 to 65535, got "${port}"`, {
      exit: 'config',
      mend: 'correct it, or unset it for 8080',
    });
  }
  config.http.port = number;
}
