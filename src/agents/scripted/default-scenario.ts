/**
 * What the scripted agent does where no scenario is given: the least that carries any item through every stage, in any
 * repository. It touches the item's own directory only, so nobody mistakes it for work; the session's number in each file
 * makes a later session's report a new one.
 */
import type { Scenario } from './scenario.ts';

const directory = 'docs/work-items/{item}';
const note = 'Written by the scripted agent: no model was involved (session {session}).';

export const defaultScenario: Scenario = {
  default: {
    analyst: [
      {
        say: 'Writing the analysis.',
        write: {
          [`${directory}/01-brd.md`]: `# {item}\n\n${note}\n`,
          [`${directory}/02-spec.md`]: `# Specification\n\n${note}\n`,
          [`${directory}/03-acceptance-criteria.md`]: `# Acceptance criteria\n\n- The pipeline was carried through.\n`,
          [`${directory}/04-test-plan.yaml`]: `item: {item}\ncases: []\n`,
        },
        result: 'The analysis is complete.',
      },
    ],
    architect: [
      {
        write: { [`${directory}/06-architecture.md`]: `# Architecture\n\n${note}\n` },
        result: 'Nothing changes in the design.',
      },
    ],
    developer: [
      {
        write: { [`${directory}/11-development.md`]: `# Development\n\n${note}\n` },
        result: 'There is nothing to implement.',
      },
    ],
    reviewer: [
      { write: { [`${directory}/12-review.md`]: `---\nverdict: APPROVED\n---\n\n${note}\n` }, result: 'Approved.' },
    ],
    tester: [
      {
        write: { [`${directory}/13-test-report.md`]: `---\nresult: PASS\n---\n\n${note}\n` },
        result: 'The tests pass.',
      },
    ],
    'deploy-staging': [
      {
        write: { [`${directory}/14-staging-report.md`]: `---\nstatus: SUCCESS\n---\n\n${note}\n` },
        result: 'Staging is up.',
      },
    ],
    deploy: [
      {
        write: { [`${directory}/15-deploy-report.md`]: `---\nstatus: SUCCESS\n---\n\n${note}\n` },
        result: 'Deployed.',
      },
    ],
  },
};
