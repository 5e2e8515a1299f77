#!/usr/bin/env node
/**
 * The scripted agent: a real executable that speaks Claude's stream-json and follows a scenario file. No model is
 * involved, and it says so. It imports little: the time from one agent's exit to the next one's start is measured.
 *
 *   agent.js --scenario FILE --config-dir DIR --item ID --stage S --role R (--session-id UUID | --resume UUID)
 *            [--model M] [--max-budget-usd X]        other options of Claude's are accepted and passed over
 *
 * SIGINT: a final result with the cost so far, exit 0. SIGTERM: exit 143 without a result.
 */
import path from 'node:path';
import { perform, type Stage } from './actions.ts';
import { accrue, type Accrued, apiErrorFields, createEmitter, type Emitter, writeAll } from './emit.ts';
import { actionsOf, findSteps, readScenario, type Scenario, type Step } from './scenario.ts';
import { openState, type Session, type StateStore } from './state.ts';

export const SCRIPTED_VERSION = '1.0.0';

interface Options {
  scenario?: string;
  'config-dir'?: string;
  item?: string;
  stage?: string;
  role?: string;
  'session-id'?: string;
  resume?: string;
  model?: string;
  'max-budget-usd'?: string;
}

interface Play {
  step: Step;
  session: Session;
  state: StateStore;
  emitter: Emitter;
  stage: Stage;
  /** Cost and tokens up to here. */
  accrued(): Accrued;
}

async function main(argv: string[]): Promise<number> {
  if (argv.includes('--version')) {
    writeAll(1, `${SCRIPTED_VERSION} (Stagewright scripted agent, no model is involved)\n`);
    return 0;
  }
  const startedAtMs = performance.now();
  const options = readOptions(argv);
  const { item = '', stage = '', role = '', 'config-dir': configDir = '.scripted' } = options;
  const scenario =
    options.scenario === undefined
      ? (await import('./default-scenario.ts')).defaultScenario
      : readScenario(options.scenario);
  const state = openState(configDir);
  const found = findSteps(scenario, item, stage, role);
  if (found === null)
    return refuse(`the scenario has no steps for ${role || 'a role'} in ${stage || 'a stage'} of ${item}`);
  const session = openSession(options, found, state);
  if (typeof session === 'string') return refuse(session);

  const step = found.steps[session.step] ?? {};
  const mute = step.end === 'empty-log' || step.end === 'whitespace';
  const model = step.model ?? scenario.model ?? options.model ?? 'scripted';
  const emitter = createEmitter({ sessionId: session.id, model, version: `${SCRIPTED_VERSION}-scripted` }, mute);
  const values: Record<string, string> = { item, role, session: String(session.number) };
  // Not behind a `$`: that is a template literal in the code that a step writes.
  const fill = (text: string): string =>
    text.replaceAll(/(?<!\$)\{(item|role|session)\}/gu, (_, name: string) => values[name] ?? '');
  const scenarioDirectory = path.dirname(options.scenario ?? '.');
  const save = (): void => state.save(session);
  const actions = actionsOf(step);
  const play: Play = {
    step,
    session,
    state,
    emitter,
    stage: {
      cwd: process.cwd(),
      session,
      scenarioDirectory,
      emitter,
      speed: speedOf(scenario),
      mute,
      fill,
      save,
      groups: new Set(),
      toolOpen: false,
    },
    accrued: () =>
      accrue(
        step,
        actions.length,
        actions.length === 0 ? 1 : session.done / actions.length,
        Math.round(performance.now() - startedAtMs),
      ),
  };
  save();
  if (step.once === true) state.count(session);
  hearSignals(play);
  emitter.init(process.cwd());
  const limitUsd = Number(options['max-budget-usd'] ?? Number.POSITIVE_INFINITY);
  for (const action of actions.slice(session.done)) {
    await perform(action, play.stage);
    session.done += 1;
    save();
    if (play.accrued().costUsd > limitUsd) return finish(play, 'max-budget');
  }
  return finish(play, step.end ?? 'success');
}

/** `--name value` pairs; flags and unknown options are passed over. */
function readOptions(argv: string[]): Options {
  const options: Record<string, string> = {};
  for (const [index, argument] of argv.entries()) {
    const value = argv[index + 1];
    if (argument.startsWith('--') && value !== undefined && !value.startsWith('--')) options[argument.slice(2)] = value;
  }
  return options;
}

/** A new session of the next step, or the one to resume; a text where Claude would refuse. */
function openSession(options: Options, found: { key: string; steps: Step[] }, state: StateStore): Session | string {
  if (options.resume !== undefined) {
    const session = state.load(options.resume);
    if (session === null) return `No conversation found with session ID: ${options.resume}`;
    // Finished already, and its end was lost with its host: the same step once more, counted once.
    return session.completed ? { ...session, done: 0, sleptMs: 0 } : session;
  }
  const id = options['session-id'] ?? 'scripted-session';
  if (state.exists(id)) return `Error: Session ID ${id} is already in use.`;
  const item = options.item ?? '';
  const played = state.counted(item, found.key).length;
  const step = Math.min(played, found.steps.length - 1);
  return {
    id,
    item,
    key: found.key,
    number: played + 1,
    step,
    done: 0,
    sleptMs: 0,
    tools: 0,
    lastSaid: '',
    completed: false,
  };
}

function speedOf(scenario: Scenario): number {
  const speed = Number(process.env['STAGEWRIGHT_SCRIPTED_SPEED'] ?? scenario.speed ?? 1);
  return Number.isFinite(speed) && speed >= 0 ? speed : 1;
}

function hearSignals(play: Play): void {
  const endCommands = (): void => {
    for (const group of play.stage.groups) {
      try {
        process.kill(-group, 'SIGKILL');
      } catch {
        // It ended in the meantime.
      }
    }
  };
  process.on('SIGINT', () => {
    if (play.step.ignoreSigint === true) return;
    endCommands();
    const reason = play.stage.toolOpen ? 'aborted_tools' : 'aborted_streaming';
    play.emitter.result(
      { subtype: 'error_during_execution', is_error: true, terminal_reason: reason, errors: ['interrupted'] },
      play.accrued(),
    );
    process.exit(0);
  });
  process.on('SIGTERM', () => {
    if (play.step.ignoreSigterm === true) return;
    endCommands();
    process.exit(143);
  });
}

/** Prints the end of the session and returns the exit code. Counted first: a printed end must never be played again. */
function finish(play: Play, end: NonNullable<Step['end']>): number {
  const { step, session, emitter } = play;
  session.completed = true;
  play.state.save(session);
  play.state.count(session);
  const accrued = play.accrued();
  if (step.apiError !== undefined && end !== 'max-budget') {
    emitter.apiError(step.apiError);
    const fields = { subtype: 'success', is_error: true, terminal_reason: 'api_error', result: step.apiError.text };
    emitter.result({ ...fields, ...apiErrorFields(step.apiError) }, accrued);
    return step.exit ?? 1;
  }
  const text = play.stage.fill(step.result ?? (session.lastSaid || 'Done.'));
  switch (end) {
    case 'success':
      emitter.result({ subtype: 'success', is_error: false, result: text }, accrued);
      return step.exit ?? 0;
    case 'empty':
      emitter.result({ subtype: 'success', is_error: false, result: '' }, accrued);
      return step.exit ?? 0;
    case 'denied': {
      const denials = [{ tool_name: 'Write', tool_use_id: 'toolu_denied', tool_input: {} }];
      emitter.result({ subtype: 'success', is_error: false, result: text, permission_denials: denials }, accrued);
      return step.exit ?? 0;
    }
    case 'error':
      emitter.result(
        { subtype: 'error_during_execution', is_error: true, terminal_reason: null, errors: [text] },
        accrued,
      );
      return step.exit ?? 1;
    case 'max-turns': {
      const errors = ['Reached maximum number of turns (40)'];
      emitter.result({ subtype: 'error_max_turns', is_error: true, terminal_reason: 'max_turns', errors }, accrued);
      return step.exit ?? 1;
    }
    case 'max-budget': {
      const errors = ['Reached maximum budget'];
      const fields = { subtype: 'error_max_budget_usd', is_error: true, terminal_reason: 'budget_exhausted', errors };
      emitter.result(fields, accrued);
      return step.exit ?? 1;
    }
    case 'cut-result':
      emitter.cutResult(accrued);
      return step.exit ?? 0;
    case 'whitespace':
      writeAll(1, '\n  \n\n');
      return step.exit ?? 0;
    case 'no-result':
    case 'empty-log':
      return step.exit ?? 0;
    default:
      return end satisfies never;
  }
}

/** Before any event, as Claude refuses: one line on stderr, exit 1. */
function refuse(reason: string): number {
  writeAll(2, `${reason}\n`);
  return 1;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    writeAll(2, `scripted agent: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
