import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bundleInputs } from '../bundle.ts';

export interface Resource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
}

/** One stack's template as the CDK wrote it. */
export interface Template {
  readonly stack: string;
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown; readonly Export?: { readonly Name: unknown } }>>;
}

export interface Assembly {
  readonly folder: string;
  readonly templates: readonly Template[];
  /** Folder of each asset by the key that it would have in S3. */
  readonly assets: ReadonlyMap<string, string>;
  /** False when everything was found as it was left. */
  readonly synthesized: boolean;
}

const sources = ['cdk.json', 'infra', ...bundleInputs.filter((input) => !input.startsWith('infra/'))];

/**
 * The synthesized CDK app, made in a child process that exits, once per content of the sources.
 *
 * @param root the repository
 * @param config JSON of the object under `certctl` in the CDK context; undefined: the defaults
 * @throws {Error} what the CDK app said
 */
export async function synthesize(root: string, config?: string): Promise<Assembly> {
  const digest = digestOf(root, config ?? '');
  const folder = join(root, '.build', 'assembly', digest.slice(0, 16));
  if (existsSync(join(folder, 'complete'))) return { ...load(folder), synthesized: false };
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  await runApp(root, draft, config);
  writeFileSync(join(draft, 'complete'), `${digest}\n`);
  try {
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(join(folder, 'complete'))) throw error;
  }
  return { ...load(folder), synthesized: true };
}

function load(folder: string): Omit<Assembly, 'synthesized'> {
  const templates = readdirSync(folder)
    .filter((name) => name.endsWith('.template.json'))
    .sort()
    .map((name) => ({
      stack: name.replace('.template.json', ''),
      ...(JSON.parse(readFileSync(join(folder, name), 'utf8')) as Omit<Template, 'stack'>),
    }));
  const assets = readdirSync(folder)
    .filter((name) => name.endsWith('.assets.json'))
    .flatMap((name) => {
      const { files } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
        files: Record<string, { source: { path: string; packaging: string } }>;
      };
      return Object.entries(files).map(([hash, { source }]) => [`${hash}.zip`, join(folder, source.path)] as const);
    });
  return { folder, templates, assets: new Map(assets) };
}

function runApp(root: string, outdir: string, config: string | undefined): Promise<void> {
  const context = (JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: object }).context;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'infra', 'app.ts')], {
      cwd: root,
      env: {
        ...process.env,
        CDK_OUTDIR: outdir,
        CDK_CONTEXT_JSON: JSON.stringify({
          ...context,
          // Rules of CloudFormation, for what goes there: a third of the time of a first start.
          '@aws-cdk/core:validateAgainstDefaultRules': false,
          ...(config !== undefined && { certctl: config }),
        }),
        JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION: '1',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`the CDK app cannot be synthesized: ${said.trim().split('\n').at(-1) ?? ''}`)),
    );
  });
}

function digestOf(root: string, config: string): string {
  const hash = createHash('sha256').update(process.version).update('\0').update(config).update('\0');
  const add = (path: string): void => {
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name));
    // What plays the template does not change it.
    else if (!path.endsWith('.test.ts') && !relative(root, path).startsWith(join('infra', 'local')))
      hash.update(relative(root, path)).update('\0').update(readFileSync(path)).update('\0');
  };
  for (const source of sources) if (existsSync(join(root, source))) add(join(root, source));
  return hash.digest('hex');
}
