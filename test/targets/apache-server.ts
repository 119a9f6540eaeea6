import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '#infra/local/free-port.ts';
import type { Subject } from './cases.ts';
import { launch, makeHome, until } from './daemon.ts';
import { serverName } from './issued.ts';

/** Debian's Apache with mod_ssl and the event MPM below a folder of its own. @param layout where the issuers lie */
export async function startApache(layout: 'full chain' | 'chain file' | 'one file' = 'full chain'): Promise<Subject> {
  const home = makeHome();
  const port = await freePort();
  const cert = join(home.path, 'tls/site.crt');
  const key = join(home.path, 'tls/site.key');
  const chain = join(home.path, 'tls/chain.crt');
  const pem = join(home.path, 'tls/site.pem');
  mkdirSync(join(home.path, 'run'));
  const modules = ['mpm_event', 'authz_core', 'socache_shmcb', 'ssl'];
  const root = process.getuid?.() === 0 ? 'User www-data\nGroup www-data\n' : '';
  const configuration = home.write(
    'httpd.conf',
    `ServerRoot ${home.path}
ServerName localhost
PidFile ${home.path}/httpd.pid
DefaultRuntimeDir ${home.path}/run
ErrorLog ${home.path}/error.log
${root}${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
StartServers 1
SSLSessionCache shmcb:${home.path}/run/sessions(65536)
Listen 127.0.0.1:${port}
IncludeOptional ${home.path}/site*.conf
`,
  );
  const apache = ['apache2', '-f', configuration];
  const check = [...apache, '-t'];
  const reload = [...apache, '-k', 'graceful'];
  home.commands.push(check, reload);
  const child = launch('apache2', ['-f', configuration, '-D', 'FOREGROUND']);
  await until(() => existsSync(join(home.path, 'httpd.pid')), 'Apache runs', child);
  const files = { 'full chain': [cert, key], 'chain file': [cert, key], 'one file': [pem] }[layout];
  const lines =
    layout === 'one file'
      ? `SSLCertificateFile ${pem}`
      : `SSLCertificateFile ${cert}\nSSLCertificateKeyFile ${key}${layout === 'chain file' ? `\nSSLCertificateChainFile ${chain}` : ''}`;
  const daemon = {
    targetType: 'apache',
    home: home.path,
    config: {
      ...(layout === 'one file'
        ? { pem_path: pem }
        : { cert_path: cert, key_path: key, ...(layout === 'chain file' && { chain_path: chain }) }),
      check_command: check,
      reload_command: reload,
      verify: { host: '127.0.0.1', port, server_name: serverName, within: 10 },
    },
    keyFiles: files.slice(-1),
    certFiles: [...files.slice(0, -1), ...(layout === 'chain file' ? [chain] : [])],
    rules: home.rules,
    enableTls: async () =>
      void home.write('site.conf', `<VirtualHost *:${port}>\nServerName ${serverName}\nSSLEngine on\n${lines}\n</VirtualHost>\n`),
    breakConfiguration: () => {
      home.write('site-broken.conf', 'NoSuchDirective on\n');
      return () => home.write('site-broken.conf', '');
    },
    stop: () => home.remove(child),
  };
  return { daemon, failingReload: (failures) => home.failing(reload, failures) };
}
