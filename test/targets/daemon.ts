import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from '#connectors/targets/command.ts';
import { deploy } from '#connectors/targets/deploy.ts';
import { observeTarget } from '#connectors/targets/inspect.ts';
import type { DeployOutcome, DeployRequest, HostRules, Step } from '#connectors/targets/target.ts';
import type { Issued } from './issued.ts';

/** A server under test in a folder of its own. */
export interface Daemon {
  readonly targetType: string;
  readonly home: string;
  /** The configuration of the target; `verify` and the commands may be replaced. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Files that hold the key, and those that do not. */
  readonly keyFiles: readonly string[];
  readonly certFiles: readonly string[];
  readonly rules: HostRules;
  /** What the host's secrets are, for a process of its own. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Makes the server name the files that may not exist yet, as its operator would. */
  enableTls(): Promise<void>;
  /** Breaks the server's configuration so that its own check refuses it; returns what undoes that. */
  breakConfiguration(): () => void;
  stop(): Promise<void>;
}

/** What a daemon is made in: its home, the commands that its host allows, and what ends when it stops. */
export interface Home {
  readonly path: string;
  readonly rules: HostRules;
  readonly commands: Command[];
  /** A script below the home. */
  script(name: string, body: string): string;
  write(name: string, text: string): string;
  /** A command of the host that fails the given number of times and then does what the reload would. */
  failing(reload: Command, failures: number): Command;
  /** Ends what was started and removes everything. */
  remove(...children: readonly (ChildProcess | undefined)[]): Promise<void>;
}

export function makeHome(secrets: Readonly<Record<string, string>> = {}): Home {
  const path = mkdtempSync(join(tmpdir(), 'certctl-target-'));
  const stateDir = join(path, 'state');
  mkdirSync(join(path, 'tls'), { mode: 0o755 });
  chmodSync(path, 0o755);
  const commands: Command[] = [];
  const write = (name: string, text: string): string => {
    writeFileSync(join(path, name), text);
    return join(path, name);
  };
  const script = (name: string, body: string): string => {
    const file = write(name, `#!/bin/sh\n${body}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  return {
    path,
    commands,
    rules: {
      allowedPaths: [join(path, 'tls')],
      allowedCommands: commands,
      stateDir,
      backupRetention: 3,
      secret: async (name) => secrets[name],
    },
    write,
    script,
    failing: (reload, failures) => {
      const count = join(path, 'failures');
      const body = `left=$(cat ${count} 2>/dev/null || echo ${failures})
if [ "$left" -gt 0 ]; then echo $((left - 1)) > ${count}; echo 'the reload is made to fail'; exit 1; fi
exec ${reload.join(' ')}`;
      const command = [script('reload.sh', body)];
      commands.push(command);
      return command;
    },
    remove: async (...children) => {
      for (const child of children) if (child !== undefined) await ended(child);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Starts a server in the foreground. */
export function launch(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment } });
}

/** Stops a process by its pid and waits for its end. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const end = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), 5000);
  await end;
  clearTimeout(hard);
}

/** Waits until a condition holds; the last error when it never does. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, child?: ChildProcess): Promise<void> {
  let said = '';
  child?.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-2000)));
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline || (child !== undefined && child.exitCode !== null)) throw new Error(`${what}: not so. ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether something takes connections on a port of this machine. */
export function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

/** A request to deploy to a daemon. */
export function requestFor(daemon: Daemon, material: Issued, overrides: Readonly<Record<string, unknown>> = {}): DeployRequest {
  const { leafPem, chainPem, privateKeyPem } = material;
  return {
    certificateId: 'certificate-1',
    versionId: material.fingerprint.slice(0, 16),
    targetId: 'target-1',
    targetType: daemon.targetType,
    config: { ...daemon.config, ...overrides },
    leafPem,
    chainPem,
    privateKeyPem,
  };
}

/** Deploys and keeps the steps that were begun. */
export async function deployed(
  daemon: Daemon,
  material: Issued,
  overrides: Readonly<Record<string, unknown>> = {},
  rules: Partial<HostRules> = {},
): Promise<DeployOutcome & { readonly steps: readonly Step[] }> {
  const begun: Step[] = [];
  const onStep = (step: Step): unknown => begun.push(step);
  const outcome = await deploy(requestFor(daemon, material, overrides), { ...daemon.rules, onStep, ...rules });
  return { ...outcome, steps: begun };
}

/** What lies at the target now, whoever serves it. */
export async function holds(daemon: Daemon): Promise<string> {
  return serves({ ...daemon, config: { ...daemon.config, verify: 'off' } });
}

/** What the daemon serves now. */
export async function serves(daemon: Daemon): Promise<string> {
  const { observation, detail } = await observeTarget(daemon.targetType, daemon.config, daemon.rules);
  return 'fingerprint' in observation ? observation.fingerprint : (detail ?? observation.source);
}
