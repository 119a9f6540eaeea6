import { defineConfig } from 'vitest/config';
import standard from './vitest.config.ts';

// What takes minutes: processes killed by the dozen, the release before on every state of the schema, a server with each defect.
const { projects: _, ...shared } = standard.test ?? {};
export default defineConfig({ test: { ...shared, include: ['test/**/*.long.test.ts'], exclude: ['node_modules/**'] } });
