import { defineConfig } from 'vitest/config';

// Deployment to the real servers of Debian's packages; `npm run test:targets` installs them first.
export default defineConfig({
  test: {
    include: ['test/targets/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    sequence: { shuffle: true },
  },
});
