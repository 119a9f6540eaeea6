import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import type { Step } from '#connectors/targets/target.ts';
import { requestFor, type Daemon } from './daemon.ts';
import type { Issued } from './issued.ts';

/** Where a deployment is to die: as the step begins, or before the file of that number inside it. */
export interface Death {
  readonly step: Step;
  readonly index?: number;
}

/** Deploys in a process of its own that kills itself without warning; returns the signal that ended it, or `null` when it came through. */
export function deployAndDie(
  daemon: Daemon,
  material: Issued,
  death: Death,
  overrides: Readonly<Record<string, unknown>> = {},
): Promise<NodeJS.Signals | null> {
  const { allowedPaths, allowedCommands, stateDir, backupRetention } = daemon.rules;
  const order = join(daemon.home, 'order.json');
  const rules = { allowedPaths, allowedCommands, stateDir, backupRetention };
  writeFileSync(order, JSON.stringify({ request: requestFor(daemon, material, overrides), rules, death }), { mode: 0o600 });
  const program = fileURLToPath(new URL('dying-deployment.ts', import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, order], { stdio: ['ignore', 'ignore', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (_status, signal) => resolve(signal));
  });
}
