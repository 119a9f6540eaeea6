import { defineConfig } from 'vitest/config';
import standard from './vitest.config.ts';

// What takes minutes (processes killed by the dozen, the release before on every state of the schema, a server with each defect), and what few
// changes can break: start and stop, outages, migrations, disasters, each way to deploy.
const { projects: _, ...shared } = standard.test ?? {};
export default defineConfig({
  test: {
    ...shared,
    // Here processes are killed at an instant; who waits for a processor is late for it.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'platform', include: ['test/**/*.long.test.ts'], exclude: ['test/infra/**', 'node_modules/**'] } },
      { extends: true, test: { name: 'infra', include: ['test/infra/**/*.long.test.ts'], isolate: false } },
    ],
  },
});
