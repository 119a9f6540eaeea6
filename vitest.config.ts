import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'node',
    // One worker more than there are cores, for what waits. A file starts what platform it needs; what it loaded serves the next file of its worker.
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 90_000,
    hookTimeout: 120_000,
    sequence: { shuffle: true },
    projects: [
      // One project for all that can share: a worker that gets a file of another project begins anew.
      {
        extends: true,
        test: {
          name: 'platform',
          include: ['{domain,contract,connectors,adapters,clients,functions,infra,test}/**/*.test.ts'],
          isolate: false,
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
