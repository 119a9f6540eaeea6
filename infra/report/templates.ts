import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { bundleFunctions } from '../bundle.ts';
import type { Config } from '../config.ts';
import { addPlatform } from '../platform.ts';
import type { Templates } from './cost.ts';

const root = join(import.meta.dirname, '..', '..');

/** The templates of a configuration, synthesized as `cdk synth` does it. */
export async function templatesOf(config: Config): Promise<Templates> {
  const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> };
  const outdir = mkdtempSync(join(tmpdir(), 'certctl-report-'));
  try {
    const app = new App({ context, outdir });
    addPlatform(app, config, await bundleFunctions(root));
    return app.synth().stacks.map((stack) => stack.template as Templates[number]);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}
