import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build, type BuildOptions } from 'esbuild';
import { buildExecutable } from './executable.ts';

const root = join(import.meta.dirname, '../..');
/** What Node is started with. */
export const agentFlags = ['--max-semi-space-size=1', '--initial-heap-size=4', '--v8-pool-size=1'] as const;
/** Where the launcher looks for it. */
export const bundleFile = join(root, '.build/agent/certctl-agent.mjs');

const common = {
  absWorkingDir: root,
  entryPoints: ['clients/agent/main.ts'],
  bundle: true,
  platform: 'node',
  target: 'node24',
  mainFields: ['module', 'main'],
  minify: true,
  legalComments: 'none',
  logLevel: 'error',
} as const satisfies BuildOptions;

/**
 * Makes the agent one file that any Node from 24 on runs, with nothing beside it. It takes half of the memory of the sources, for nobody strips types while
 * it runs; the young generation, the heap that it begins with and the number of V8's threads are kept small for the same reason.
 */
export async function buildAgent(file = bundleFile): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  await build({
    ...common,
    outfile: file,
    format: 'esm',
    banner: {
      // Packages that are CommonJS ask for Node's own modules by require.
      js: `#!/usr/bin/env -S node ${agentFlags.join(' ')}\nimport{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);`,
    },
  });
  chmodSync(file, 0o755);
}

/**
 * Makes the agent one program that needs no Node on its host.
 *
 * @param node the Node that it becomes a part of: the host's kind of machine, and the release that runs this
 * @throws {Error} when that Node takes no program
 */
export async function buildAgentExecutable(file: string, node = process.execPath): Promise<void> {
  // The program of an executable is CommonJS.
  const { outputFiles } = await build({ ...common, format: 'cjs', write: false });
  buildExecutable(outputFiles[0]?.text ?? '', agentFlags, node, file);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { executable: { type: 'boolean' }, node: { type: 'string' } },
    allowPositionals: true,
  });
  const [file] = positionals;
  if (values.executable === true) {
    const program = resolve(file ?? join(root, '.build/agent/certctl-agent'));
    await buildAgentExecutable(program, values.node === undefined ? undefined : resolve(values.node));
    console.log(program);
  } else {
    await buildAgent(file === undefined ? undefined : resolve(file));
    console.log(file ?? bundleFile);
  }
}
