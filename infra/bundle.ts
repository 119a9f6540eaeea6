import { createHash, randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { BuildOptions, Metafile } from 'esbuild';
import { laterFolder, leaveOut, setAside, shakeSchemas } from './bundle-plugins.ts';

export interface Bundles {
  /** Folder with one folder per asset. */
  readonly folder: string;
  /** SHA-256 of everything that went in, hex. */
  readonly digest: string;
  readonly migrations: MigrationManifest;
  readonly built: boolean;
}

/** What is in a function's bundle. */
export interface BundleReport {
  readonly function: string;
  /** Of the file that a start reads. */
  readonly bytes: number;
  /** Packages, and folders of ours, that run before the handler is there; with their bytes. */
  readonly atStart: Readonly<Record<string, number>>;
  /** Those that run only when they are needed. */
  readonly onDemand: Readonly<Record<string, number>>;
}

export interface MigrationManifest {
  readonly digest: string;
  /** File name of the newest. */
  readonly head: string;
}

/** Everything that a build reads, but the packages. */
export const bundleInputs = [
  'domain',
  'contract',
  'connectors',
  'adapters',
  'functions',
  'docs/reference/openapi.json',
  'migrations',
  'package-lock.json',
  'infra/bundle.ts',
  'infra/bundle-plugins.ts',
];
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
  const loops = names.filter((name) => name.startsWith(loopPrefix));
  const others = names.filter((name) => !name.startsWith(loopPrefix));
  const files = [
    ...others.map((name) => [`${name}/index`, entry(root, name)] as const),
    ...loops.map((name) => [`loops/${name}`, entry(root, name)] as const),
  ];
  const aside = new Map<string, string>();
  const first = await build({ ...options(root, draft, Object.fromEntries(files), aside), metafile: true });
  // May set nothing aside itself.
  const laterFiles = [...aside].map(([name, path]) => [`${laterFolder}/${name}`, path] as const);
  const later = await build({ ...options(root, draft, Object.fromEntries(laterFiles)), metafile: true });
  for (const [file] of [...files, ...laterFiles]) moveMap(draft, file);
  const partsAside = bundlesOf(later.metafile);
  const reports = bundlesOf(first.metafile).map((started) => {
    const wanted = started.imports.flatMap(({ path }) => partsAside.filter((part) => `./${part.file}` === path));
    for (const { file } of wanted) cpSync(join(draft, file), join(draft, dirname(started.file), file));
    return reportOf(started, wanted);
  });
  rmSync(join(draft, laterFolder), { recursive: true, force: true });
  writeFileSync(join(draft, 'report.json'), JSON.stringify(reports));
  cpSync(join(root, 'migrations'), join(draft, 'migrate', 'schema'), { recursive: true });
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

/** @returns what is in each function's bundle, by name */
export function bundleReports(bundles: Bundles): readonly BundleReport[] {
  const reports = JSON.parse(readFileSync(join(bundles.folder, 'report.json'), 'utf8')) as BundleReport[];
  return reports.toSorted((a, b) => a.function.localeCompare(b.function));
}

/** What esbuild makes of a handler: CommonJS, which Lambda starts fastest, with nothing external. */
function options(root: string, outdir: string, entryPoints: Record<string, string>, aside?: Map<string, string>): BuildOptions {
  return {
    absWorkingDir: root,
    // A module is called by where it is asked for, not by where a link leads: the same bytes everywhere.
    preserveSymlinks: true,
    entryPoints,
    outdir,
    bundle: true,
    // Not what an editor's settings say: what is built depends on what the digest covers.
    tsconfigRaw: { compilerOptions: { alwaysStrict: true, verbatimModuleSyntax: true } },
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    mainFields: ['module', 'main'],
    minify: true,
    // For whoever reads a stack; it is not deployed.
    sourcemap: 'external',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'error',
    external: ['pg-native'],
    plugins: [leaveOut, shakeSchemas, ...(aside === undefined ? [] : [setAside(aside)])],
    // `require` in its place, of which the local platform has one of its own.
    supported: { 'dynamic-import': false },
  };
}

function moveMap(draft: string, file: string): void {
  const to = join(draft, 'maps', `${file}.js.map`);
  mkdirSync(dirname(to), { recursive: true });
  renameSync(join(draft, `${file}.js.map`), to);
}

type Bundle = Metafile['outputs'][string] & {
  /** Below the folder that is written to. */
  readonly file: string;
  readonly entryPoint: string;
};

function bundlesOf({ outputs }: Metafile): readonly Bundle[] {
  return Object.entries(outputs).flatMap(([path, output]) => {
    const { entryPoint } = output;
    return entryPoint === undefined ? [] : [{ ...output, entryPoint, file: path.split('/').slice(-2).join('/') }];
  });
}

function reportOf(started: Bundle, later: readonly Bundle[]): BundleReport {
  return {
    function: started.entryPoint.split('/')[1] ?? '',
    bytes: started.bytes,
    atStart: partsOf([started]),
    onDemand: partsOf(later),
  };
}

function partsOf(bundles: readonly Bundle[]): Readonly<Record<string, number>> {
  const parts: Record<string, number> = {};
  for (const { inputs } of bundles)
    for (const [path, { bytesInOutput }] of Object.entries(inputs))
      if (bytesInOutput > 0) parts[partOf(path)] = (parts[partOf(path)] ?? 0) + bytesInOutput;
  return parts;
}

/** The package of a module, or our own folder. */
function partOf(path: string): string {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split('/')[0] ?? path;
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
  for (const input of bundleInputs) {
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
  for (const [index, name] of names.entries()) {
    if (!name.startsWith(`${String(index + 1).padStart(6, '0')}_`))
      throw new Error(`migrations/${name}: migrations are numbered 000001, 000002, … without gap or repeat`);
  }
  const hash = createHash('sha256');
  for (const name of names)
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(folder, name)));
  return { digest: hash.digest('hex'), head: names.at(-1) ?? '' };
}
