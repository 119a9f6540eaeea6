import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { bundleFunctions } from '#infra/bundle.ts';
import { readConfig } from '#infra/config.ts';
import { addPlatform } from '#infra/platform.ts';
import { root } from '../platform.ts';

export interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
  readonly DependsOn?: string[];
  readonly DeletionPolicy?: string;
}

/** The templates of a configuration, as CloudFormation gets them. */
export interface Synthesized {
  /** By logical id, of all stacks. */
  readonly resources: Readonly<Record<string, Resource>>;
  readonly templates: Readonly<Record<'data' | 'keys' | 'edge' | 'services' | 'watch', Template>>;
  readonly ofType: (type: string) => readonly Resource[];
  readonly types: () => ReadonlySet<string>;
  /** Names of the stacks that are whole before one begins. */
  readonly before: (stack: string) => readonly string[];
  /** What synthesis says about a stack, without being an error. */
  readonly remarks: (stack: string) => readonly string[];
}

const context = (JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> }).context;

/** A function's logical id and resource by its name in the tree. */
export function functionOf({ resources }: Synthesized, name: string): readonly [string, Resource] {
  const found = Object.entries(resources).find(
    ([, resource]) => resource.Type === 'AWS::Lambda::Function' && variablesOf(resource)['CERTCTL_FUNCTION'] === name,
  );
  if (found === undefined) throw new Error(`there is no function ${name}`);
  return found;
}

/** The environment of a function. */
export function variablesOf(fn: Resource): Readonly<Record<string, unknown>> {
  return (fn.Properties['Environment'] as { Variables: Record<string, unknown> } | undefined)?.Variables ?? {};
}

const made = new Map<string, Promise<Synthesized>>();

/** What a configuration makes, once a process: it is read, never changed. */
export function synthesize(config: object): Promise<Synthesized> {
  const key = JSON.stringify(config);
  const found = made.get(key) ?? synthesized(config);
  made.set(key, found);
  return found;
}

async function synthesized(config: object): Promise<Synthesized> {
  const outdir = mkdtempSync(join(tmpdir(), 'certctl-cdk-'));
  try {
    // CI validates by `cdk synth`.
    const app = new App({ context: { ...context, '@aws-cdk/core:validateAgainstDefaultRules': false }, outdir });
    const stacks = addPlatform(app, readConfig(config), await bundleFunctions(root));
    const assembly = app.synth();
    const templates = Object.fromEntries(
      Object.entries(stacks).map(([name, stack]) => [name, Template.fromStack(stack)]),
    ) as Synthesized['templates'];
    const resources = Object.assign(
      {},
      ...Object.values(templates).map((template) => template.toJSON()['Resources'] as object),
    ) as Synthesized['resources'];
    return {
      resources,
      templates,
      ofType: (type) => Object.values(resources).filter((resource) => resource.Type === type),
      types: () => new Set(Object.values(resources).map((resource) => resource.Type)),
      before: (stack) => assembly.getStackByName(stack).dependencies.map((dependency) => dependency.id),
      remarks: (stack) => assembly.getStackByName(stack).messages.map((message) => message.entry.data as string),
    };
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}
