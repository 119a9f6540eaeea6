import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'node',
    // Each file in its own process, so that a whole-stack test owns its environment; one more than there are cores, for what waits.
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 90_000,
    hookTimeout: 120_000,
    sequence: { shuffle: true },
    projects: [
      // Beside their sources, and without a platform: what one of them loaded serves the next.
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{domain,contract,connectors,adapters,clients,functions,infra}/**/*.test.ts'],
          exclude: ['**/*.long.test.ts', 'node_modules/**'],
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'platform',
          include: ['test/**/*.test.ts'],
          exclude: [
            'test/infra/**',
            'test/interop/**',
            'test/deploy/**',
            'test/targets/**',
            'test/life/**',
            '**/*.long.test.ts',
            'node_modules/**',
          ],
        },
      },
      // The CDK takes seconds to load, and what is synthesized once serves every test of the same configuration.
      { extends: true, test: { name: 'infra', include: ['test/infra/**/*.test.ts'], exclude: ['**/*.long.test.ts'], isolate: false } },
    ],
  },
});
