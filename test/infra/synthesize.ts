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
}

const context = (JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> }).context;

export async function synthesize(config: object): Promise<Synthesized> {
  const outdir = mkdtempSync(join(tmpdir(), 'certctl-cdk-'));
  try {
    const stacks = addPlatform(new App({ context, outdir }), readConfig(config), await bundleFunctions(root));
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
    };
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}
