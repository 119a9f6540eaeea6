import { join } from 'node:path';
import { runCommand, type CommandResult } from '../command.ts';
import { TargetFailure } from '../failure.ts';
import { writeNewFile } from '../file-set.ts';
import type { HostRules } from '../target.ts';
import { withWorkFolder } from '../work-folder.ts';

/** Where and as whom; the host key is pinned, never learnt. */
export interface SshAccess {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Type and base64, as in a `.pub` file. */
  readonly host_key: string;
  /** Name of the host's secret that holds the private key of the user. */
  readonly identity: string;
}

/** A remote host that runs scripts, one connection each. */
export interface RemoteShell {
  /**
   * Runs a script of POSIX shell on the other side, whatever the user's own shell is.
   *
   * @throws {TargetFailure} `connector` when the connection fails
   */
  run(script: string, maxStdoutBytes?: number): Promise<CommandResult>;
}

/** Works with a remote shell while the identity lies in a folder that nobody else may enter; it is gone afterwards. */
export async function withRemoteShell<T>(access: SshAccess, rules: HostRules, work: (shell: RemoteShell) => Promise<T>): Promise<T> {
  const identity = await rules.secret(access.identity);
  if (identity === undefined) throw new TargetFailure('validate', `the host has no secret ${access.identity}`);
  return withWorkFolder(rules, async (folder) => {
    await writeNewFile(join(folder, 'identity'), Buffer.from(identity.endsWith('\n') ? identity : `${identity}\n`), { mode: 0o600 });
    const name = access.port === 22 ? access.host : `[${access.host}]:${access.port}`;
    await writeNewFile(join(folder, 'known_hosts'), Buffer.from(`${name} ${access.host_key}\n`), { mode: 0o600 });
    return work({ run: (script, maxStdoutBytes) => runRemote(access, folder, script, maxStdoutBytes) });
  });
}

// How ssh ends when there was no session.
const sshFailed = 255;

async function runRemote(
  { host, port, user, host_key }: SshAccess,
  folder: string,
  script: string,
  maxStdoutBytes = 16_384,
): Promise<CommandResult> {
  const [keyType = ''] = host_key.split(' ');
  const settings = {
    BatchMode: 'yes',
    StrictHostKeyChecking: 'yes',
    UserKnownHostsFile: join(folder, 'known_hosts'),
    GlobalKnownHostsFile: '/dev/null',
    HostKeyAlgorithms: keyType === 'ssh-rsa' ? 'rsa-sha2-512,rsa-sha2-256' : keyType,
    IdentitiesOnly: 'yes',
    IdentityFile: join(folder, 'identity'),
    PreferredAuthentications: 'publickey',
    ConnectTimeout: '10',
    ServerAliveInterval: '5',
    ServerAliveCountMax: '3',
    ForwardAgent: 'no',
    UpdateHostKeys: 'no',
    LogLevel: 'ERROR',
  };
  const chosen = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const command = ['ssh', '-F', 'none', '-T', '-p', String(port), '-l', user, ...chosen, '--', host, 'exec sh -s'];
  // By its input: what is in a key must be in nobody's list of arguments.
  const result = await runCommand(command, { input: Buffer.from(script), maxStdoutBytes });
  if (result.timedOut) throw new TargetFailure('connector', `${host} does not answer over SSH in time`);
  if (result.status === sshFailed || result.output.startsWith('ssh cannot be started'))
    throw new TargetFailure('connector', reasonOf(host, result.output));
  return result;
}

function reasonOf(host: string, output: string): string {
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|no matching host key type/.test(output))
    return `${host} shows another host key than the one that is pinned`;
  if (output.includes('Permission denied')) return `${host} does not admit this identity`;
  return `no SSH session with ${host}: ${output.trim().slice(-300)}`;
}
