import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '#infra/local/free-port.ts';
import type { Subject } from './cases.ts';
import { launch, makeHome, reachable, until } from './daemon.ts';
import { serverName } from './issued.ts';

/** Debian's Dovecot below a folder of its own. */
export async function startDovecot(protocol: 'imap' | 'pop3' = 'imap'): Promise<Subject> {
  const home = makeHome();
  const port = await freePort();
  const cert = join(home.path, 'tls/site.crt');
  const key = join(home.path, 'tls/site.key');
  mkdirSync(join(home.path, 'run'));
  const plain = `base_dir = ${home.path}/run
state_dir = ${home.path}/run
log_path = ${home.path}/log
listen = 127.0.0.1
protocols = ${protocol}
mail_location = maildir:${home.path}/mail
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=${home.path}
}
service ${protocol}-login {
  inet_listener ${protocol} {
    port = ${port}
  }
  inet_listener ${protocol}s {
    port = 0
  }
}
`;
  const withTls = `${plain}ssl = yes\nssl_cert = <${cert}\nssl_key = <${key}\n`;
  const configuration = home.write('dovecot.conf', `${plain}ssl = no\n`);
  const child = launch('dovecot', ['-F', '-c', configuration]);
  await until(() => reachable(port), 'Dovecot runs', child);
  const check = ['doveconf', '-c', configuration, '-n'];
  const reload = ['doveadm', '-c', configuration, 'reload'];
  home.commands.push(check, reload);
  const daemon = {
    targetType: 'dovecot',
    home: home.path,
    config: {
      cert_path: cert,
      key_path: key,
      check_command: check,
      reload_command: reload,
      verify: { host: '127.0.0.1', port, server_name: serverName, starttls: protocol, within: 15 },
    },
    keyFiles: [key],
    certFiles: [cert],
    rules: home.rules,
    enableTls: async () => void home.write('dovecot.conf', withTls),
    breakConfiguration: () => {
      home.write('dovecot.conf', `${withTls}no_such_setting = yes\n`);
      return () => home.write('dovecot.conf', withTls);
    },
    stop: () => home.remove(child),
  };
  return { daemon, failingReload: (failures) => home.failing(reload, failures) };
}
