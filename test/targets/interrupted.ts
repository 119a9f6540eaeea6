import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeployOutcome, DeployRequest, Step } from '#connectors/targets/target.ts';
import { requestFor, type Daemon } from './daemon.ts';
import type { Issued } from './issued.ts';

/** Where a deployment is to die: as the step begins, or before the file of that number inside it. */
export interface Death {
  readonly step: Step;
  readonly index?: number;
}

/** What a process of its own is told to do. */
export interface Order {
  /** Absent: conclude what a crash left. */
  readonly request?: DeployRequest;
  readonly rules: Pick<Daemon['rules'], 'allowedPaths' | 'allowedCommands' | 'stateDir' | 'backupRetention'>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly death?: Death;
  /** Account under which it is done; only root can change it. */
  readonly account?: number;
}

export interface Apart {
  readonly signal: NodeJS.Signals | null;
  readonly outcomes: readonly DeployOutcome[];
}

/** Deploys, or resumes without material, in a process of its own that may kill itself without warning. @param fileBlocks blocks of 512 octets to which a file may grow there */
export function apart(
  daemon: Daemon,
  material: Issued | undefined,
  options: Pick<Order, 'death' | 'account'> & { readonly overrides?: Readonly<Record<string, unknown>>; readonly fileBlocks?: number } = {},
): Promise<Apart> {
  const { allowedPaths, allowedCommands, stateDir, backupRetention } = daemon.rules;
  const { overrides, fileBlocks, ...rest } = options;
  const order: Order = {
    ...(material && { request: requestFor(daemon, material, overrides) }),
    rules: { allowedPaths, allowedCommands, stateDir, backupRetention },
    secrets: daemon.secrets ?? {},
    ...rest,
  };
  const orderFile = join(daemon.home, 'order.json');
  writeFileSync(orderFile, JSON.stringify(order), { mode: 0o600 });
  const program = fileURLToPath(new URL('deployment-apart.ts', import.meta.url));
  const limit = fileBlocks === undefined ? '' : `ulimit -f ${fileBlocks}; `;
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', `${limit}exec "$0" "$@"`, process.execPath, program, orderFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    child.on('error', reject);
    child.on('close', (_status, signal) => resolve({ signal, outcomes: text === '' ? [] : (JSON.parse(text) as DeployOutcome[]) }));
  });
}
