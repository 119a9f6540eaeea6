import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { bundleInputs } from '#infra/bundle.ts';
import { root } from './platform.ts';

/** Copies what builds and deploys to another folder, as a second checkout would have it; the packages are shared. */
export function copyCheckout(folder: string): void {
  for (const source of [...bundleInputs, 'infra', 'cdk.json', 'package.json', 'tsconfig.json'])
    cpSync(join(root, source), join(folder, source), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
}
