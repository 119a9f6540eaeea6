import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { HostServer } from '../lifecycle/host-server.ts';
import type { Daemon } from './daemon.ts';
import { serverName } from './issued.ts';
import { startNginx, type Place } from './nginx-server.ts';

/** Debian's nginx as the server of an agent's host. */
export interface NginxHost extends HostServer {
  /** Folder of certificate and key. */
  readonly files: string;
  readonly breakConfiguration: Daemon['breakConfiguration'];
  /** So many reloads fail from now on, then they work again. */
  failReloads(times: number): void;
}

export async function nginxHost(place?: Place): Promise<NginxHost> {
  const { daemon, failingReload } = await startNginx('two files', place);
  await daemon.enableTls();
  const reload_command = failingReload(0);
  const { host, port } = daemon.config['verify'] as { readonly host: string; readonly port: number };
  const [certPath = ''] = daemon.certFiles;
  const [keyPath = ''] = daemon.keyFiles;
  return {
    type: 'nginx',
    name: serverName,
    address: host,
    port,
    under: place?.under ?? [],
    certPath,
    keyPath,
    config: { ...daemon.config, reload_command },
    allowedPaths: daemon.rules.allowedPaths,
    allowedCommands: daemon.rules.allowedCommands,
    stop: () => daemon.stop(),
    files: dirname(certPath),
    breakConfiguration: () => daemon.breakConfiguration(),
    failReloads: (times) => writeFileSync(join(daemon.home, 'failures'), String(times)),
  };
}
