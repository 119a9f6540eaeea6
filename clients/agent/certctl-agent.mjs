#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// What `node clients/agent/build.ts` made takes less memory than the sources.
const built = new URL('../../.build/agent/certctl-agent.mjs', import.meta.url);
const main = existsSync(built) ? built : new URL('./main.ts', import.meta.url);

// A Node that knows TypeScript runs the agent in this process; an older one hands over to the one that came with the package, and its signals too.
if (Number(process.versions.node.split('.')[0]) >= 24) await import(main.href);
else {
  const own = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
  const child = spawn(existsSync(own) ? own : process.execPath, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => (process.exitCode = signal === null ? (code ?? 1) : 130));
}
