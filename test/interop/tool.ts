import { spawn, spawnSync } from 'node:child_process';

/** Whether a client is here; in CI it must be. */
export function has(tool: string): boolean {
  const found = spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
  if (!found && process.env['CI'] !== undefined) throw new Error(`${tool} is missing, and CI must not skip it`);
  return found;
}

export interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

/** Runs a client to its end without blocking the servers of this process. */
export function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = process.cwd(),
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', reject);
    child.on('exit', (status) => resolve({ status, output }));
  });
}

/** Runs a client that must succeed. */
export async function succeed(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { status, output } = await run(command, args, env);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${String(status)}:\n${output}`);
  return output;
}
