import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { bundleFunctions } from './bundle.ts';
import { readConfig } from './config.ts';
import { addPlatform } from './platform.ts';

try {
  const app = new App();
  const root = join(import.meta.dirname, '..');
  addPlatform(app, readConfig(app.node.tryGetContext('certctl')), await bundleFunctions(root));
  app.synth();
} catch (error) {
  console.error(`certctl: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
