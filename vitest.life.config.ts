import { defineConfig } from 'vitest/config';

// A quarter of an hour of real time: certificates that live six of them, on the real servers; `npm run test:life` installs those first.
export default defineConfig({
  test: { include: ['test/life/**/*.test.ts'], environment: 'node', pool: 'forks', testTimeout: 30 * 60_000, hookTimeout: 120_000 },
});
