import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../platform.ts';

/** A TLS server on a host, and what the host lets its agent do to it. */
export interface HostServer {
  readonly type: string;
  /** What it is asked for by SNI. */
  readonly name: string;
  /** Where a client reaches it. */
  readonly address: string;
  readonly port: number;
  /** A program and its arguments that runs another one where the server runs, as `ip netns exec NAME` does. */
  readonly under: readonly string[];
  readonly certPath: string;
  readonly keyPath: string;
  /** Of a target. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly allowedPaths: readonly string[];
  readonly allowedCommands: readonly (readonly string[])[];
  stop(): Promise<void>;
}

/** A server of Node with a certificate of its own to begin with. */
export async function nodeServer(name: string): Promise<HostServer> {
  const folder = mkdtempSync(join(tmpdir(), 'certctl-server-'));
  const files = join(folder, 'tls');
  mkdirSync(files, { mode: 0o755 });
  const [certPath, keyPath] = [join(files, 'server.crt'), join(files, 'server.key')];
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', '/CN=before'];
  execFileSync('openssl', [...args, '-keyout', keyPath, '-out', certPath], { stdio: 'ignore' });
  const server = spawn(process.execPath, [join(import.meta.dirname, 'tls-server.ts'), certPath, keyPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  server.stdout.setEncoding('utf8').on('data', (chunk: string) => (printed += chunk));
  const port = await until('the server listens', () => {
    const [, found] = /listening (\d+)/.exec(printed) ?? [];
    return found === undefined ? undefined : Number(found);
  });
  const reload = ['/bin/kill', '-HUP', String(server.pid)];
  return {
    type: 'nginx',
    name,
    address: '127.0.0.1',
    port,
    under: [],
    certPath,
    keyPath,
    config: {
      cert_path: certPath,
      key_path: keyPath,
      check_command: ['/bin/true'],
      reload_command: reload,
      verify: { host: '127.0.0.1', port, server_name: name },
    },
    allowedPaths: [files],
    allowedCommands: [['/bin/true'], reload],
    stop: async () => {
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
