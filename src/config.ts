/**
 * The door to configuration: `stagewright.yaml`, the environment, and what is kept in the home directory. Everything
 * else takes the finished `Config` of config-types.ts.
 */
export { addProject, deriveKey } from './config/add-project.ts';
export type { AddedProject, NewProject } from './config/add-project.ts';
export { resolveHome } from './config/home.ts';
export { addedProjectsDirectory, CONFIG_FILE, findConfigFile, loadConfig } from './config/load.ts';
export type { LoadOptions } from './config/load.ts';
export { ConfigError, formatProblem } from './config/problems.ts';
export type { ConfigProblem } from './config/problems.ts';
export { validateProject } from './config/project-check.ts';
export type { ProjectFinding } from './config/project-check.ts';
export { parseDurationMs, parseSizeBytes } from './config/units.ts';
