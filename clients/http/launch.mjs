import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Runs a program with the Node that came with the package: the one on the path may not know TypeScript.
 *
 * @param {string} name as its users call it
 * @param {URL} main the program's file
 */
export function launch(name, main) {
  const own = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
  const node = existsSync(own) ? own : process.execPath;
  const cache = new URL('./compile-cache.mjs', import.meta.url).href;
  const args = ['--disable-warning=ExperimentalWarning', '--import', cache, fileURLToPath(main), ...process.argv.slice(2)];
  const { status, signal, error } = spawnSync(node, args, { stdio: 'inherit' });
  if (error !== undefined) console.error(`${name}: ${error.message}`);
  process.exitCode = signal === null ? (status ?? 1) : 130;
}
