import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { bundleFunctions } from '../bundle.ts';
import type { Config } from '../config.ts';
import { addPlatform } from '../platform.ts';
import type { Templates } from './cost.ts';

const root = join(import.meta.dirname, '..', '..');

const made = new Map<string, Promise<Templates>>();

/** The templates of a configuration, synthesized as `cdk synth` does it, once a process. */
export function templatesOf(config: Config): Promise<Templates> {
  const key = JSON.stringify(config);
  const found = made.get(key) ?? synthesized(config);
  made.set(key, found);
  return found;
}

async function synthesized(config: Config): Promise<Templates> {
  const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> };
  const outdir = mkdtempSync(join(tmpdir(), 'certctl-report-'));
  try {
    // What `cdk synth` puts out is validated there; a report asks what it says.
    const app = new App({ context: { ...context, '@aws-cdk/core:validateAgainstDefaultRules': false }, outdir });
    addPlatform(app, config, await bundleFunctions(root));
    return app.synth().stacks.map((stack) => stack.template as Templates[number]);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}
