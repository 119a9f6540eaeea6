import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '#infra/local/free-port.ts';
import { succeed } from '../interop/tool.ts';
import type { Subject } from './cases.ts';
import { launch, makeHome, reachable, until } from './daemon.ts';
import { serverName } from './issued.ts';

/** Debian's Postfix with a queue and a configuration of its own; its master must be root's. @param layout the older pair of settings, or `smtpd_tls_chain_files` */
export async function startPostfix(layout: 'two files' | 'one file' = 'two files'): Promise<Subject> {
  const home = makeHome();
  const port = await freePort();
  const cert = join(home.path, 'tls/site.crt');
  const key = join(home.path, 'tls/site.key');
  const pem = join(home.path, 'tls/site.pem');
  for (const folder of ['etc', 'spool', 'data']) mkdirSync(join(home.path, folder));
  const etc = join(home.path, 'etc');
  const plain = `compatibility_level = 3.6
queue_directory = ${home.path}/spool
data_directory = ${home.path}/data
maillog_file = /dev/stdout
myhostname = ${serverName}
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.0/8
smtpd_tls_session_cache_timeout = 0s
`;
  const tls = layout === 'one file' ? `smtpd_tls_chain_files = ${pem}\n` : `smtpd_tls_cert_file = ${cert}\nsmtpd_tls_key_file = ${key}\n`;
  const withTls = `${plain}${tls}smtpd_tls_security_level = may\n`;
  home.write('etc/main.cf', plain);
  home.write(
    'etc/master.cf',
    `127.0.0.1:${port} inet n - n - - smtpd
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`,
  );
  const postfix = ['postfix', '-c', etc];
  await succeed('chown', ['postfix', join(home.path, 'data')]);
  const child = launch('postfix', [...postfix.slice(1), 'start-fg']);
  await until(() => reachable(port), 'Postfix runs', child);
  const check = [...postfix, 'check'];
  const reload = [...postfix, 'reload'];
  home.commands.push(check, reload);
  const one = layout === 'one file';
  const daemon = {
    targetType: 'postfix',
    home: home.path,
    config: {
      ...(one ? { pem_path: pem } : { cert_path: cert, key_path: key }),
      check_command: check,
      reload_command: reload,
      verify: { host: '127.0.0.1', port, server_name: serverName, starttls: 'smtp', within: 15 },
    },
    keyFiles: [one ? pem : key],
    certFiles: one ? [] : [cert],
    rules: home.rules,
    enableTls: async () => void home.write('etc/main.cf', withTls),
    breakConfiguration: () => {
      home.write('etc/main.cf', `${withTls}no equals sign\n`);
      return () => home.write('etc/main.cf', withTls);
    },
    // The master takes its children along.
    stop: () => home.remove(child),
  };
  return { daemon, failingReload: (failures) => home.failing(reload, failures) };
}
