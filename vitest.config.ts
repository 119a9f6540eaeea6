import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{domain,contract,connectors,adapters,functions,infra,test}/**/*.test.ts'],
    exclude: ['test/interop/**', 'test/deploy/**', '**/*.long.test.ts', 'node_modules/**'],
    environment: 'node',
    // Two cores: two files at a time, each in its own process, so that a whole-stack test owns its environment.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 90_000,
    hookTimeout: 120_000,
    sequence: { shuffle: true },
  },
});
