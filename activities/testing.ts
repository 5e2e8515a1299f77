/**
 * Dependencies of activities for tests: real files, real git where a world is given, a board and a notifier that only
 * remember. Everything that a test does not name throws, so that no activity quietly reaches further than it should.
 */
import type { Client } from '@temporalio/client';
import type { Config, ProjectConfig } from '../src/config-types.ts';
import { DEFAULT_ARTIFACTS, DEFAULT_BOARD_STATES, builtInConfig } from '../src/config/defaults.ts';
import type { Alert } from '../src/notifiers/port.ts';
import type { BoardState } from '../src/domain/types.ts';
import type { Tracker, TrackerItem } from '../src/trackers/port.ts';
import type { Deps } from './deps.ts';

export const PROJECT = 'ET';

export function testProject(changes: Partial<ProjectConfig> = {}): ProjectConfig {
  return {
    key: PROJECT,
    repository: '/nowhere',
    branch: 'main',
    tracker: 'local',
    forge: 'local',
    skipStages: [],
    allowSkip: false,
    commands: { test: ['sh', 'check.sh'] },
    developmentGate: 'local',
    landing: 'squash',
    skipRetest: true,
    markersFile: null,
    artifacts: DEFAULT_ARTIFACTS,
    extraPaths: [],
    boardStates: DEFAULT_BOARD_STATES,
    roles: {},
    developerAttempts: 3,
    deploySecrets: [],
    ...changes,
  };
}

export function testConfig(home: string, changes: Partial<Config> = {}): Config {
  const config = { ...builtInConfig(home), ...changes };
  return changes.projects === undefined ? { ...config, projects: { [PROJECT]: testProject() } } : config;
}

/** What a board that only remembers has been told. */
export interface Remembered {
  comments: { id: string; key: string; body: string }[];
  states: { id: string; state: BoardState }[];
  alerts: Alert[];
  logged: string[];
}

/** `changes` replaces single dependencies; `tracker` single methods of the board. */
export function testDeps(
  config: Config,
  changes: Partial<Omit<Deps, 'config' | 'tracker'>> & { tracker?: Partial<Tracker> } = {},
): Deps & { remembered: Remembered } {
  const remembered: Remembered = { comments: [], states: [], alerts: [], logged: [] };
  function missing(name: string): () => Promise<never> {
    return () => Promise.reject(new Error(`the test has no ${name}`));
  }
  const { tracker, ...others } = changes;
  return {
    remembered,
    config: () => config,
    client: {} as Client,
    hostId: 'test-host',
    openProject: missing('repository'),
    notifier: {
      notify(alert) {
        remembered.alerts.push(alert);
        return Promise.resolve();
      },
    },
    log: (message) => void remembered.logged.push(message),
    ...others,
    tracker: {
      createItem: missing('board'),
      getItem: (id) => Promise.resolve(itemOf(id)),
      listItems: missing('board'),
      addPersonComment: missing('board'),
      listComments: () => Promise.resolve([]),
      setState(id, state) {
        remembered.states.push({ id, state });
        return Promise.resolve();
      },
      addComment(id, { key, body }) {
        remembered.comments.push({ id, key, body });
        return Promise.resolve({ id: key, itemId: id, by: 'bot', body, createdAtMs: 0, edited: false });
      },
      ...tracker,
    },
  };
}

function itemOf(id: string): TrackerItem {
  const [createdAtMs, updatedAtMs] = [0, 0];
  return {
    id,
    project: PROJECT,
    title: `title of ${id}`,
    description: 'words',
    state: 'todo',
    createdBy: 'somebody',
    createdAtMs,
    updatedAtMs,
  };
}
