import { join } from 'node:path';
import { freePort } from '#infra/local/free-port.ts';
import type { Subject } from './cases.ts';
import { launch, makeHome, until } from './daemon.ts';
import { serverName } from './issued.ts';
import { existsSync } from 'node:fs';

/** Where a server runs and listens. */
export interface Place {
  readonly address: string;
  /** A program and its arguments that runs another one there. */
  readonly under: readonly string[];
}

const here: Place = { address: '127.0.0.1', under: [] };

/** Debian's nginx below a folder of its own. @param layout two files, or one with certificate and key */
export async function startNginx(layout: 'two files' | 'one file' = 'two files', { address, under }: Place = here): Promise<Subject> {
  const home = makeHome();
  const port = await freePort();
  const cert = join(home.path, 'tls/site.crt');
  const key = join(home.path, 'tls/site.key');
  const pem = join(home.path, 'tls/site.pem');
  const one = layout === 'one file';
  const configuration = home.write(
    'nginx.conf',
    `daemon off; pid ${home.path}/nginx.pid; error_log ${home.path}/error.log;${process.getuid?.() === 0 ? ' user root;' : ''}
events {}
http { access_log off; client_body_temp_path ${home.path}/b; proxy_temp_path ${home.path}/p; fastcgi_temp_path ${home.path}/f; uwsgi_temp_path ${home.path}/u; scgi_temp_path ${home.path}/s;
  include ${home.path}/site*.conf; }
`,
  );
  const nginx = ['nginx', '-p', home.path, '-c', configuration];
  const reload = [...nginx, '-s', 'reload'];
  const check = [...nginx, '-t'];
  home.commands.push(reload, check);
  const [command = '', ...args] = [...under, ...nginx];
  const child = launch(command, args);
  await until(() => existsSync(join(home.path, 'nginx.pid')), 'nginx runs', child);
  const daemon = {
    targetType: 'nginx',
    home: home.path,
    config: {
      ...(one ? { pem_path: pem } : { cert_path: cert, key_path: key }),
      check_command: check,
      reload_command: reload,
      verify: { host: address, port, server_name: serverName, within: 5 },
    },
    keyFiles: [one ? pem : key],
    certFiles: one ? [] : [cert],
    rules: home.rules,
    enableTls: async () => {
      const lines = `ssl_certificate ${one ? pem : cert}; ssl_certificate_key ${one ? pem : key};`;
      home.write('site.conf', `server { listen ${address}:${port} ssl; server_name ${serverName}; ${lines} return 204; }\n`);
    },
    breakConfiguration: () => {
      home.write('site-broken.conf', 'no_such_directive on;\n');
      return () => home.write('site-broken.conf', '');
    },
    stop: () => home.remove(child),
  };
  return { daemon, failingReload: (failures) => home.failing(reload, failures) };
}
