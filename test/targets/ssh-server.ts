import { mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#infra/local/free-port.ts';
import { succeed } from '../interop/tool.ts';
import type { Subject } from './cases.ts';
import { ended, launch, reachable, until, type Daemon } from './daemon.ts';
import { startNginx } from './nginx-server.ts';

/** A host reached by Debian's sshd as the current user, with an nginx on it. */
export interface SshHost extends Subject {
  /** Type and base64 of a key that the host does not have. */
  readonly strangersKey: string;
}

export async function startSshHost(): Promise<SshHost> {
  const { daemon: nginx, failingReload } = await startNginx();
  const port = await freePort();
  const at = (name: string): string => join(nginx.home, name);
  for (const name of ['host', 'user', 'stranger']) await succeed('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
  const publicKey = (name: string): string =>
    readFileSync(at(`${name}.pub`), 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ');
  // sshd's own requirement when it is root's.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const options = {
    Port: String(port),
    ListenAddress: '127.0.0.1',
    HostKey: at('host'),
    AuthorizedKeysFile: at('user.pub'),
    StrictModes: 'no',
    UsePAM: 'no',
    // The quickest; the tests connect some hundred times.
    KexAlgorithms: 'curve25519-sha256',
    PidFile: 'none',
    PasswordAuthentication: 'no',
    PermitRootLogin: 'prohibit-password',
  };
  const chosen = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const sshd = launch('/usr/sbin/sshd', ['-D', '-e', '-f', '/dev/null', ...chosen]);
  await until(() => reachable(port), 'sshd runs', sshd);
  const user = userInfo().username;
  const { check_command, reload_command, ...rest } = nginx.config as { check_command: string[]; reload_command: string[] };
  const allow = (command: readonly string[]): readonly string[] => {
    (nginx.rules.allowedCommands as (readonly string[])[]).push(['ssh', `${user}@127.0.0.1`, ...command]);
    return command;
  };
  const daemon: Daemon = {
    ...nginx,
    targetType: 'ssh',
    config: {
      ...rest,
      host: '127.0.0.1',
      port,
      user,
      host_key: publicKey('host'),
      identity: 'identity',
      check_command: allow(check_command),
      reload_command: allow(reload_command),
    },
    secrets: { identity: readFileSync(at('user'), 'utf8'), stranger: readFileSync(at('stranger'), 'utf8') },
    rules: {
      ...nginx.rules,
      allowedPaths: [`ssh://${user}@127.0.0.1:${port}${at('tls')}`],
      secret: async (name) => daemon.secrets?.[name],
    },
    stop: async () => {
      await ended(sshd);
      await nginx.stop();
    },
  };
  return { daemon, failingReload: (failures) => allow(failingReload(failures)), strangersKey: publicKey('stranger') };
}
