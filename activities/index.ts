/** All activities, by the task queue that serves them. Thin: each calls the world through `deps` and maps its answer. */
import { collectAnswers } from './answers.ts';
import { claimSlot } from './claim-slot.ts';
import { closeItem, ensurePullRequest, exportEvidence } from './close-item.ts';
import { checkDecision } from './decisions.ts';
import { deliver, raiseAlert } from './deliver.ts';
import type { Deps } from './deps.ts';
import { evaluateGate } from './evaluate-gate.ts';
import { runGateCommand } from './gate-command.ts';
import { useGitHelper } from '../src/git/helper.ts';
import { landCandidate, prepareCandidate } from './merge-candidate.ts';
import { answerItem, requestMerge, withdrawMerge } from './merge-requests.ts';
import { openItem } from './open-item.ts';
import { planStage } from './plan-stage.ts';
import { runAgent } from './run-agent.ts';
import { saveWork } from './save-work.ts';
import { stopRun } from './stop-run.ts';
import { takeOver } from './take-over.ts';
import type { AgentQueueActivities, GateActivities, HostActivities, MainActivities } from './types.ts';

export interface Activities {
  main: MainActivities;
  agents: AgentQueueActivities;
  host: HostActivities;
  gates: GateActivities;
}

export function createActivities(deps: Deps): Activities {
  useGitHelper();
  return {
    main: {
      openItem: (input) => openItem(deps, input),
      planStage: (input) => planStage(deps, input),
      evaluateGate: (input) => evaluateGate(deps, input),
      collectAnswers: (input) => collectAnswers(deps, input),
      checkDecision: (input) => checkDecision(deps, input),
      takeOver: (input) => takeOver(deps, input),
      ensurePullRequest: (input) => ensurePullRequest(deps, input),
      deliver: (input) => deliver(deps, input),
      raiseAlert: (input) => raiseAlert(deps, input),
      requestMerge: (input) => requestMerge(deps, input),
      withdrawMerge: (input) => withdrawMerge(deps, input),
      closeItem: (input) => closeItem(deps, input),
      exportEvidence: (input) => exportEvidence(deps, input),
      prepareCandidate: (input) => prepareCandidate(deps, input),
      landCandidate: (input) => landCandidate(deps, input),
      answerItem: (input) => answerItem(deps, input),
    },
    agents: { claimSlot: (input) => claimSlot(deps, input) },
    host: {
      runAgent: (input) => runAgent(deps, input),
      saveWork: (input) => saveWork(deps, input),
      stopRun: (input) => stopRun(deps, input),
      evaluateGate: (input) => evaluateGate(deps, input),
    },
    gates: { runGateCommand: (input) => runGateCommand(deps, input) },
  };
}
