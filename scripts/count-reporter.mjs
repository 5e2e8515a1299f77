/**
 * A vitest reporter that writes the true counts to the file in STAGEWRIGHT_TEST_COUNTS. A test that never came to its
 * end (its process died) and a file that could not be loaded count as failed: silence is not a pass.
 */
import fs from 'node:fs';

export default class CountReporter {
  onTestRunEnd(modules, unhandledErrors, reason) {
    const counts = { passed: 0, failed: 0, skipped: 0, unhandled: unhandledErrors.length, reason };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === 'passed' || state === 'skipped' ? state : 'failed'] += 1;
      }
      const failedTests = [...module.children.allTests()].some((test) => test.result().state === 'failed');
      // Errors of the file or of its hooks, which no test of it accounts for.
      if (!module.ok() && !failedTests) counts.failed += 1;
    }
    fs.writeFileSync(process.env.STAGEWRIGHT_TEST_COUNTS, JSON.stringify(counts));
  }
}
