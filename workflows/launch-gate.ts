/**
 * One per agent login: decides whether a run may be launched now. An update grants at once or refuses, and never waits
 * (ten updates may be in flight); who is refused waits in its claim, so nothing ever needs un-pausing. If this workflow
 * cannot answer, claims wait.
 */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { expire, hold, initialGate, release, report, take, viewGate } from '../src/domain/launch-gate.ts';
import type { GateAlert, GateState } from '../src/domain/launch-gate.ts';
import { QUERY_STATUS, SIGNAL_OUTCOME, SIGNAL_RELEASE, UPDATE_TAKE } from '../src/domain/protocol.ts';
import type {
  LaunchGateInput,
  LaunchGateStatus,
  OutcomeReport,
  TakeInput,
  TakeResult,
} from '../src/domain/protocol.ts';
import { main } from './proxies.ts';

const takeUpdate = defineUpdate<TakeResult, [TakeInput]>(UPDATE_TAKE);
const outcomeSignal = defineSignal<[OutcomeReport]>(SIGNAL_OUTCOME);
const holdSignal = defineSignal<[{ reason?: string }?]>('hold');
const releaseSignal = defineSignal(SIGNAL_RELEASE);
const statusQuery = defineQuery<LaunchGateStatus>(QUERY_STATUS);

/** An execution takes 2,000 updates; a claim that is held asks again every few seconds. */
const MESSAGES_PER_EXECUTION = 1_500;

export async function launchGate(input: LaunchGateInput): Promise<void> {
  let gate = (input.carried as unknown as GateState | undefined) ?? initialGate(input.login, input.settings ?? {});
  const alerts: GateAlert[] = [];
  let messages = 0;

  function record(step: { state: GateState; alerts: GateAlert[] }): void {
    messages += 1;
    gate = step.state;
    alerts.push(...step.alerts);
    const view = viewGate(gate, Date.now());
    setCurrentDetails(`**${view.state}** ${view.reason ?? ''}\n\n${view.grants.length} run(s) granted`);
  }

  setHandler(takeUpdate, (request) => {
    const step = take(gate, request, Date.now());
    record(step);
    return step.result;
  });
  setHandler(outcomeSignal, (outcome) => record(report(gate, outcome, Date.now())));
  setHandler(holdSignal, (request) => record({ state: hold(gate, request?.reason ?? 'by an operator'), alerts: [] }));
  setHandler(releaseSignal, () => record({ state: release(gate, Date.now()), alerts: [] }));
  setHandler(statusQuery, () => viewGate(gate, Date.now()));

  for (;;) {
    const { nextAtMs } = expire(gate, Date.now());
    const full = (): boolean => workflowInfo().continueAsNewSuggested || messages >= MESSAGES_PER_EXECUTION;
    const wake = (): boolean => alerts.length > 0 || full();
    // Time passes by itself in every handler; the timer only makes the wait visible.
    if (nextAtMs === null) await condition(wake);
    else
      await condition(wake, Math.max(nextAtMs - Date.now(), 1), {
        summary: viewGate(gate, Date.now()).reason ?? 'a grant lapses',
      });
    record(expire(gate, Date.now()));
    for (const alert of alerts.splice(0)) {
      await main.raiseAlert.executeWithOptions({ summary: alert.cause }, [
        {
          key: `${input.login}:${alert.cause}:${alert.atMs}`,
          kind: alert.kind,
          subject: input.login,
          reason: alert.reason,
        },
      ]);
    }
    if (full() && alerts.length === 0 && allHandlersFinished()) {
      await continueAsNew<typeof launchGate>({ ...input, carried: { ...gate } });
    }
  }
}
