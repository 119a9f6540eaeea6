import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The program of a copy as one plain JavaScript file, built once per content: a copy that strips types for itself would carry the stripper's
 * 25 MB for ever.
 *
 * @param root the repository
 * @throws {Error} when it does not compile
 */
export function copyProgram(root: string): string {
  const sources = join(import.meta.dirname, 'copy');
  const hash = createHash('sha256');
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(join(sources, name)));
  const program = join(root, '.build', `copy-${hash.digest('hex').slice(0, 16)}.mjs`);
  if (existsSync(program)) return program;
  const draft = `${program}.${randomUUID()}`;
  const esbuild = join(root, 'node_modules', '.bin', 'esbuild');
  const args = [
    join(sources, 'main.ts'),
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--target=node24',
    // what verifies signatures is asked for where AWS identities call
    '--external:@smithy/*',
    `--outfile=${draft}`,
    '--log-level=error',
  ];
  const { status, stderr } = spawnSync(esbuild, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the copies' program does not compile: ${stderr.trim()}`);
  renameSync(draft, program);
  return program;
}
