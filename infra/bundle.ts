import { createHash, randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { BuildOptions } from 'esbuild';

export interface Bundles {
  /** Folder with one folder per asset. */
  readonly folder: string;
  /** SHA-256 of everything that went in, hex. */
  readonly digest: string;
  readonly migrations: MigrationManifest;
  readonly built: boolean;
}

export interface MigrationManifest {
  readonly digest: string;
  /** File name of the newest. */
  readonly head: string;
}

const inputs = ['domain', 'contract', 'connectors', 'adapters', 'functions', 'migrations', 'package-lock.json', 'infra/bundle.ts'];
const loopPrefix = 'loop-';

/**
 * Bundles every `functions/<name>/handler.ts` once per content: the same sources build nothing the second time.
 *
 * @param root the repository
 * @throws {Error} esbuild's own, when a handler does not compile
 */
export async function bundleFunctions(root: string): Promise<Bundles> {
  const digest = digestOf(root);
  const folder = join(root, '.build', 'functions', digest.slice(0, 16));
  const migrations = manifestOf(root);
  if (existsSync(join(folder, 'complete'))) return { folder, digest, migrations, built: false };
  const names = functionNames(root);
  const draft = `${folder}.${randomUUID()}`;
  mkdirSync(draft, { recursive: true });
  // Loaded only when there is something to build.
  const { build } = await import('esbuild');
  await build(
    options(
      root,
      draft,
      Object.fromEntries(names.filter((name) => !name.startsWith(loopPrefix)).map((name) => [`${name}/index`, entry(root, name)])),
    ),
  );
  const loops = names.filter((name) => name.startsWith(loopPrefix));
  await build(options(root, draft, Object.fromEntries(loops.map((name) => [`loops/${name}`, entry(root, name)]))));
  cpSync(join(root, 'migrations'), join(draft, 'migrate', 'schema'), { recursive: true });
  // The library reads its own first migration from beside its code.
  cpSync(join(root, 'node_modules/postgres-migrations/dist/migrations'), join(draft, 'migrate', 'migrations'), { recursive: true });
  writeFileSync(join(draft, 'complete'), `${digest}\n`);
  try {
    renameSync(draft, folder);
  } catch (error) {
    // Somebody else built the same content meanwhile.
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(join(folder, 'complete'))) throw error;
  }
  return { folder, digest, migrations, built: true };
}

/** What esbuild makes of a handler: CommonJS, which Lambda starts fastest, with nothing external. */
function options(root: string, outdir: string, entryPoints: Record<string, string>): BuildOptions {
  return {
    absWorkingDir: root,
    entryPoints,
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    mainFields: ['module', 'main'],
    // Identifiers stay as they are: stacks are readable, and nothing pays for restoring names.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'error',
    external: ['pg-native'],
  };
}

export function functionNames(root: string): readonly string[] {
  return readdirSync(join(root, 'functions'))
    .filter((name) => existsSync(join(root, 'functions', name, 'handler.ts')))
    .sort();
}

function entry(root: string, name: string): string {
  return join(root, 'functions', name, 'handler.ts');
}

function digestOf(root: string): string {
  const hash = createHash('sha256');
  for (const input of inputs) {
    const path = join(root, input);
    if (existsSync(path))
      for (const file of files(path)) hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

function files(path: string): readonly string[] {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => files(join(path, name)))
    .filter((file) => !file.endsWith('.test.ts'));
}

function manifestOf(root: string): MigrationManifest {
  const folder = join(root, 'migrations');
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const hash = createHash('sha256');
  for (const name of names)
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(folder, name)));
  return { digest: hash.digest('hex'), head: names.at(-1) ?? '' };
}
