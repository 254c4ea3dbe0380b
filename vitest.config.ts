import { defineConfig } from 'vitest/config'

// Two projects: `unit` is pure and lies beside the code; `system` starts real ovs-vswitchd and ovsdb-server
// processes, so its files run one after another.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles: ['test/seed.ts'],
          include: ['*/**/*.test.ts'],
          exclude: ['test/system/**', 'node_modules/**', 'dist/**'],
          // No test changes a module's state, so files of a worker share what they import: half of the time.
          isolate: false,
          maxWorkers: '100%',
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'system',
          setupFiles: ['test/seed.ts'],
          include: ['test/system/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
    coverage: {
      include: ['ofproto/**', 'ovsdb/**', 'controller/**', 'apps/**'],
      exclude: ['**/*.test.ts', '**/*.arbitrary.ts', '**/testing*.ts', '**/testing/**', '**/samples.ts'],
    },
  },
})
