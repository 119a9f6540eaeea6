#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

// Runs the command line with the Node that came with the package: the one on the path may not know TypeScript.
const own = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../../node_modules/.bin/node');
const node = existsSync(own) ? own : process.execPath;
const main = new URL('./main.ts', import.meta.url).pathname;
const { status, signal, error } = spawnSync(node, ['--disable-warning=ExperimentalWarning', main, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
if (error !== undefined) console.error(`certctl-mcp: ${error.message}`);
process.exitCode = signal === null ? (status ?? 1) : 130;
