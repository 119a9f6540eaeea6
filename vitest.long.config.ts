import { defineConfig } from 'vitest/config';
import standard from './vitest.config.ts';

// What takes minutes: processes killed by the dozen, the release before on every state of the schema, a server with each defect.
export default defineConfig({ test: { ...standard.test, include: ['test/**/*.long.test.ts'], exclude: ['node_modules/**'] } });
