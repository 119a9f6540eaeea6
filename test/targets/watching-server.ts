import { watch } from 'node:fs';
import type net from 'node:net';
import { basename, dirname } from 'node:path';
import tls from 'node:tls';

/** A TLS server that reads its pair when, and only when, a file is moved to a watched name. */
export interface WatchingServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** @param pair reads certificate and key as the format says; what it throws is ignored, as servers keep what they have */
export async function startWatching(watched: string, pair: () => { readonly cert: string; readonly key: string }): Promise<WatchingServer> {
  let context: tls.SecureContext | undefined;
  const watcher = watch(dirname(watched), (event, name) => {
    // A rename within the folder is what both servers wait for; a write into the live file is not.
    if (event !== 'rename' || name !== basename(watched)) return;
    try {
      context = tls.createSecureContext(pair());
    } catch {
      // The old one stays.
    }
  });
  const server = tls.createServer({ SNICallback: (_name, done) => done(context === undefined ? new Error('nothing yet') : null, context) });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    stop: async () => {
      watcher.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
