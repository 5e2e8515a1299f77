/**
 * What activities are made from. Composed once, in `src/stack.ts`; an activity holds no state of its own and reads no
 * environment.
 */
import path from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import type { Config, ProjectConfig } from '../src/config-types.ts';
import type { Forge } from '../src/forges/port.ts';
import type { Repository } from '../src/git/repository.ts';
import type { Notifier } from '../src/notifiers/port.ts';
import type { Tracker } from '../src/trackers/port.ts';

export interface Deps {
  /** The configuration in force; a reload that fails keeps the one before. */
  config(): Config;
  client: Client;
  hostId: string;
  tracker: Tracker;
  notifier: Notifier;
  /** Opens the project's forge and our cache of its repository; cheap when repeated. */
  openProject(project: ProjectConfig): Promise<{ forge: Forge; repo: Repository }>;
  log(message: string, fields?: Record<string, unknown>): void;
}

/** The project's configuration. Retried without end: a project that vanished from the file may come back. */
export function requireProject(deps: Deps, key: string): ProjectConfig {
  const project = deps.config().projects[key];
  if (project === undefined) {
    throw ApplicationFailure.create({
      message: `project ${key} is not in the configuration any more: put it back, or cancel the item`,
      type: 'UnknownProject',
    });
  }
  return project;
}

export function runDirectory(home: string, itemId: string, runId: string): string {
  return path.join(home, 'runs', itemId, runId);
}
