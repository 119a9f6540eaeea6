import { defineConfig } from 'vitest/config';

// The real CDK CLI against an emulator of the whole cloud; `npm run test:deploy` installs it first. The steps of a file build on each other.
export default defineConfig({
  test: {
    include: ['test/deploy/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    fileParallelism: false,
    bail: 1,
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
});
