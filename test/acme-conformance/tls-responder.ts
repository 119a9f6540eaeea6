import tls from 'node:tls';
import { listening } from './listening.ts';

export interface TlsVisit {
  readonly serverName: string;
  readonly protocols: readonly string[];
}

/** Answers tls-alpn-01 (RFC 8737 §3). */
export interface TlsResponder {
  readonly port: number;
  /** Server name → PEM of what is shown there. */
  readonly certificates: Map<string, { readonly cert: string; readonly key: string }>;
  readonly visits: TlsVisit[];
  stop(): Promise<void>;
}

export async function startTlsResponder(listen: string, port: number): Promise<TlsResponder> {
  const certificates: TlsResponder['certificates'] = new Map();
  const visits: TlsVisit[] = [];
  const server = tls.createServer({
    ALPNCallback: ({ servername, protocols }) => {
      visits.push({ serverName: servername, protocols });
      return protocols.includes('acme-tls/1') ? 'acme-tls/1' : undefined;
    },
    SNICallback: (name, done) => {
      const found = certificates.get(name.toLowerCase());
      if (found === undefined) done(new Error('nothing is proven here'));
      else done(null, tls.createSecureContext(found));
    },
  });
  server.on('tlsClientError', () => undefined);
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    socket.resume();
  });
  return {
    port: await listening(server, listen, port),
    certificates,
    visits,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
