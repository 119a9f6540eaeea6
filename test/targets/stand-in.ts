import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import type { Subject } from './cases.ts';
import { makeHome, type Daemon, type Home } from './daemon.ts';
import { serverName } from './issued.ts';

/** A TLS server of this process that reads its files when it is told to, and keeps what it has when they are no pair. */
export async function startStandIn(layout: 'two files' | 'one file' = 'two files'): Promise<Subject> {
  const home = makeHome();
  const one = layout === 'one file';
  const cert = join(home.path, one ? 'tls/site.pem' : 'tls/site.crt');
  const key = one ? cert : join(home.path, 'tls/site.key');
  return standIn(home, {
    targetType: 'nginx',
    config: one ? { pem_path: cert } : { cert_path: cert, key_path: key },
    keyFiles: [key],
    certFiles: one ? [] : [cert],
    read: () => ({ cert: readFileSync(cert), key: readFileSync(key) }),
  });
}

/** The same for any target that is told by a command. @param read what the server makes of its files */
export async function standIn(
  home: Home,
  target: Pick<Daemon, 'targetType' | 'config' | 'keyFiles' | 'certFiles' | 'secrets'> & { readonly read: () => tls.SecureContextOptions },
): Promise<Subject> {
  const told = join(home.path, 'told');
  const broken = join(home.path, 'broken');
  let context: tls.SecureContext | undefined;
  const server = tls.createServer({
    SNICallback: (_name, done) => {
      if (existsSync(told)) {
        rmSync(told);
        try {
          context = tls.createSecureContext(target.read());
        } catch {
          // As servers do: the old pair stays.
        }
      }
      done(context === undefined ? new Error('nothing to serve') : null, context);
    },
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const check = ['test', '!', '-e', broken];
  const reload = ['touch', told];
  home.commands.push(check, reload);
  const daemon = {
    ...target,
    home: home.path,
    config: {
      ...target.config,
      check_command: check,
      reload_command: reload,
      verify: { host: '127.0.0.1', port, server_name: serverName, within: 20 },
    },
    rules: home.rules,
    enableTls: async () => undefined,
    breakConfiguration: () => {
      writeFileSync(broken, '');
      return () => rmSync(broken);
    },
    stop: async () => {
      await new Promise((resolve) => server.close(resolve));
      await home.remove();
    },
  };
  return { daemon, failingReload: (failures) => home.failing(reload, failures) };
}
