import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: ['./tools/dev/src/node-floor.ts'],
    reporters: process.env['POSTERN_TEST_REPORT'] ? ['default', 'json'] : ['default'],
    ...(process.env['POSTERN_TEST_REPORT']
      ? { outputFile: { json: process.env['POSTERN_TEST_REPORT'] } }
      : {}),
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{apps,libs,tools}/*/src/**/*.test.ts'],
          globalSetup: ['./tools/dev/src/node-floor.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['{apps,libs,tools}/*/test/**/*.test.ts'],
          globalSetup: ['./tools/dev/src/node-floor.ts', './libs/testkit/src/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          globalSetup: ['./tools/dev/src/node-floor.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          fileParallelism: false,
        },
      },
    ],
  },
});
