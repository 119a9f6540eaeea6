import type net from 'node:net';
import tls from 'node:tls';
import type { Issued } from './issued.ts';

/** Something of this process that serves over TLS what it is given at each handshake, as a load balancer does. */
export async function startServing(material: () => Omit<Issued, 'fingerprint'>): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = tls.createServer({
    SNICallback: (_name, done) => {
      const { leafPem, chainPem, privateKeyPem } = material();
      done(null, tls.createSecureContext({ cert: leafPem + chainPem, key: privateKeyPem }));
    },
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as net.AddressInfo).port, stop: () => new Promise((resolve) => server.close(() => resolve())) };
}
