import { defineConfig } from 'vitest/config';

// Foreign clients against the platform; `npm run test:interop` installs them first.
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
