/** What holds where a file says nothing: one machine, nothing else installed. */
import type { ArtifactNames, Config, ProjectConfig } from '../config-types.ts';
import { DEFAULT_LIMITS } from '../domain/budgets.ts';

export const DEFAULT_MODEL = 'claude-opus-4-8';
/** The developer thinks longest; a `defaults.effort` or `roles.developer.effort` of the file goes first. */
export const DEFAULT_DEVELOPER_EFFORT = 'xhigh';
/** Checked where the repository has it; `markersFile: null` turns the check off. */
export const DEFAULT_MARKERS_FILE = 'regression-markers.txt';
export const DEFAULT_HTTP_PORT = 8080;

export const DEFAULT_ARTIFACTS: ArtifactNames = {
  directory: 'docs/work-items/<ID>',
  analysis: ['01-brd.md', '02-spec.md', '03-acceptance-criteria.md', '04-test-plan.yaml'],
  questions: '01-questions.md',
  architecture: ['06-architecture.md', '06-adr'],
  conflict: '10-conflict.md',
  review: '12-review.md',
  testReport: '13-test-report.md',
  stagingReport: '14-staging-report.md',
  deployReport: '15-deploy-report.md',
};

export const DEFAULT_BOARD_STATES: ProjectConfig['boardStates'] = {
  todo: 'Todo',
  'in-progress': 'In Progress',
  'in-review': 'In Review',
  'needs-input': 'Needs Input',
  blocked: 'Blocked',
  done: 'Done',
  cancelled: 'Cancelled',
};

/**
 * The configuration of an instance without a file. Its agent is the scripted one, which needs no login; a file that
 * names no agent means Claude.
 */
export function builtInConfig(home: string): Config {
  return {
    source: null,
    home,
    language: 'en',
    http: { host: '127.0.0.1', port: DEFAULT_HTTP_PORT },
    temporal: { uiPort: null },
    sandbox: { kind: 'none' },
    allowUnverifiedOperator: true,
    limits: { ...DEFAULT_LIMITS },
    agents: {},
    defaults: { agent: 'scripted', model: DEFAULT_MODEL },
    roles: { developer: { effort: DEFAULT_DEVELOPER_EFFORT } },
    budgetOverrides: undefined,
    people: [],
    projects: {},
    warnings: [],
  };
}
