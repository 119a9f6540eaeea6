import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from '#infra/local/free-port.ts';
import type { Subject } from './cases.ts';
import { launch, makeHome, reachable, until, type Daemon, type Home } from './daemon.ts';
import { serverName } from './issued.ts';

/** Debian's Caddy with a Caddyfile that names the pair. */
export async function startCaddy(): Promise<Subject> {
  const home = makeHome();
  const [port, admin] = [await freePort(), await freePort()];
  const cert = join(home.path, 'tls/site.crt');
  const key = join(home.path, 'tls/site.key');
  const plain = `{
  admin localhost:${admin}
  auto_https disable_redirects
  storage file_system ${home.path}/storage
}
`;
  const withTls = `${plain}https://${serverName}:${port} {
  bind 127.0.0.1
  tls ${cert} ${key}
  respond 204
}
`;
  const configuration = home.write('Caddyfile', plain);
  const child = await run(home, ['--config', configuration, '--adapter', 'caddyfile'], admin);
  const check = ['caddy', 'validate', '--config', configuration, '--adapter', 'caddyfile'];
  const reload = ['caddy', 'reload', '--config', configuration, '--adapter', 'caddyfile', '--force'];
  home.commands.push(check, reload);
  const daemon: Daemon = {
    targetType: 'caddy',
    home: home.path,
    config: {
      mode: 'file',
      cert_path: cert,
      key_path: key,
      check_command: check,
      reload_command: reload,
      verify: { host: '127.0.0.1', port, server_name: serverName, within: 10 },
    },
    keyFiles: [key],
    certFiles: [cert],
    rules: home.rules,
    enableTls: async () => void home.write('Caddyfile', withTls),
    breakConfiguration: () => {
      home.write('Caddyfile', `${withTls}no_such_directive {\n`);
      return () => home.write('Caddyfile', withTls);
    },
    stop: () => home.remove(child),
  };
  return { daemon, failingReload: (failures) => home.failing(reload, failures) };
}

/** Debian's Caddy with no certificate in its configuration, to be driven by its admin API. @param via how that is reached */
export async function startCaddyAdmin(via: 'tcp' | 'unix' = 'tcp'): Promise<Daemon & { readonly adminPort: number | undefined }> {
  const home = makeHome();
  const [port, adminPort] = [await freePort(), await freePort()];
  const socket = join(home.path, 'admin.sock');
  const configuration = home.write(
    'caddy.json',
    JSON.stringify({
      admin: { listen: via === 'tcp' ? `localhost:${adminPort}` : `unix/${socket}` },
      storage: { module: 'file_system', root: join(home.path, 'storage') },
      apps: {
        http: {
          servers: {
            site: {
              listen: [`127.0.0.1:${port}`],
              automatic_https: { disable: true },
              tls_connection_policies: [{}],
              routes: [{ handle: [{ handler: 'static_response', status_code: 204 }] }],
            },
          },
        },
      },
    }),
  );
  const child = await run(home, ['--config', configuration], via === 'tcp' ? adminPort : port);
  const admin = via === 'tcp' ? `http://localhost:${adminPort}` : `unix:${socket}`;
  return {
    targetType: 'caddy',
    home: home.path,
    adminPort: via === 'tcp' ? adminPort : undefined,
    config: { mode: 'api', admin, id: 'site', verify: { host: '127.0.0.1', port, server_name: serverName, within: 10 } },
    keyFiles: [],
    certFiles: [],
    rules: { ...home.rules, allowedPaths: [admin] },
    enableTls: async () => undefined,
    breakConfiguration: () => () => undefined,
    stop: () => home.remove(child),
  };
}

async function run(home: Home, args: readonly string[], ready: number): Promise<ChildProcess> {
  const folders = { HOME: home.path, XDG_CONFIG_HOME: home.path, XDG_DATA_HOME: home.path };
  const child = launch('caddy', ['run', ...args], folders);
  await until(() => reachable(ready), 'Caddy runs', child);
  return child;
}
