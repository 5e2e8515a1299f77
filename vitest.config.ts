import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'workflows/**/*.test.ts', 'activities/**/*.test.ts', 'scripts/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          // Real processes against real clocks: on a starved machine one may come too late. The second failure counts, and
          // the report names every test that needed a second try.
          retry: 1,
          // After the cheap ones: projects with different worker counts may not run side by side.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
