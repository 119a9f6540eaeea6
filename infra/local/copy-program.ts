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
  // what verifies signatures is asked for where AWS identities call
  compileProgram(root, "the copies' program", join(sources, 'main.ts'), draft, ['--external:@smithy/*']);
  renameSync(draft, program);
  return program;
}

/**
 * Compiles a program into one plain JavaScript file.
 *
 * @param root the repository
 * @param name for an error
 * @param more arguments of esbuild
 * @throws {Error} when it does not compile
 */
export function compileProgram(root: string, name: string, source: string, file: string, more: readonly string[] = []): void {
  const esbuild = join(root, 'node_modules', '.bin', 'esbuild');
  const args = [
    source,
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--target=node24',
    ...more,
    `--outfile=${file}`,
    '--log-level=error',
  ];
  const { status, stderr } = spawnSync(esbuild, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} does not compile: ${stderr.trim()}`);
}
