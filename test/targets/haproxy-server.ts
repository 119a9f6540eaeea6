import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '#infra/local/free-port.ts';
import type { Subject } from './cases.ts';
import { launch, makeHome, until } from './daemon.ts';
import { serverName } from './issued.ts';

/** Debian's HAProxy, master and worker; SIGUSR2 to the master reloads. @param crt whether the configuration names the file or its folder */
export async function startHaproxy(crt: 'file' | 'folder' = 'file'): Promise<Subject> {
  const home = makeHome();
  const port = await freePort();
  const pem = join(home.path, 'tls/site.pem');
  const configuration = join(home.path, 'haproxy.cfg');
  const pidFile = join(home.path, 'pid');
  const plain = `global
  master-worker
  pidfile ${pidFile}
  stats socket ${home.path}/stats
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
`;
  const withoutTls = `${plain}frontend plain\n  bind unix@${home.path}/plain\n`;
  home.write('haproxy.cfg', withoutTls);
  const child = launch('haproxy', ['-W', '-f', configuration, '-p', pidFile]);
  // The master forgets nothing that it is told once it has a worker.
  await until(() => existsSync(join(home.path, 'stats')), 'HAProxy runs', child);
  const check = ['haproxy', '-c', '-f', configuration];
  const reload = [home.script('haproxy-reload.sh', `kill -USR2 ${child.pid ?? 0}`)];
  home.commands.push(check, reload);
  const withTls = `${plain}frontend site\n  bind 127.0.0.1:${port} ssl crt ${crt === 'file' ? pem : join(home.path, 'tls')}\n`;
  const daemon = {
    targetType: 'haproxy',
    home: home.path,
    config: {
      pem_path: pem,
      check_command: check,
      reload_command: reload,
      verify: { host: '127.0.0.1', port, server_name: serverName, within: 10 },
    },
    keyFiles: [pem],
    certFiles: [],
    rules: home.rules,
    enableTls: async () => void home.write('haproxy.cfg', withTls),
    breakConfiguration: () => {
      home.write('haproxy.cfg', `${withTls}  no-such-keyword\n`);
      return () => home.write('haproxy.cfg', withTls);
    },
    stop: () => home.remove(child),
  };
  return { daemon, failingReload: (failures) => home.failing(reload, failures) };
}
