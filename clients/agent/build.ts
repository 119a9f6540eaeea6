import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');
/** What Node is started with. */
export const agentFlags = ['--max-semi-space-size=1', '--v8-pool-size=1'] as const;
/** Where the launcher looks for it. */
export const bundleFile = join(root, '.build/agent/certctl-agent.mjs');

/**
 * Makes the agent one file that any Node from 24 on runs, with nothing beside it. It takes half of the memory of the sources, for nobody strips types while
 * it runs; the young generation and the number of V8's threads are kept small for the same reason.
 */
export async function buildAgent(file = bundleFile): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: ['clients/agent/main.ts'],
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    minify: true,
    legalComments: 'none',
    logLevel: 'error',
    banner: {
      // Packages that are CommonJS ask for Node's own modules by require.
      js: `#!/usr/bin/env -S node ${agentFlags.join(' ')}\nimport{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);`,
    },
  });
  chmodSync(file, 0o755);
}

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  await buildAgent(file === undefined ? undefined : resolve(file));
  console.log(file ?? bundleFile);
}
