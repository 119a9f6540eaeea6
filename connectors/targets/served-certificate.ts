import { createHash } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { nameOf, type Endpoint } from './endpoint.ts';
import { TargetFailure } from './failure.ts';
import { startTls } from './starttls.ts';

/** What a server shows in one fresh handshake. */
export interface Served {
  /** Lower-case hex of SHA-256 over the leaf's DER. */
  readonly fingerprint: string;
  /** DER. */
  readonly leaf: Uint8Array;
  /** Of the certificates after the leaf. */
  readonly chain: readonly string[];
}

// Some servers let strangers wait before they greet (postscreen: six seconds).
const attemptMs = 10_000;

// A server with an RSA and an ECDSA pair shows the one that the client's algorithms ask for.
const signatureAlgorithms: Readonly<Record<string, string>> = {
  rsa: 'rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512',
  ec: 'ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512',
  ed25519: 'ed25519',
};

/**
 * One new TLS connection, without a session of an earlier one, and the certificates that came with it. Trust is not judged: what is asked is
 * which certificate is served. @param keyType `rsa`, `ec` or `ed25519`, to be shown the certificate of such a key
 * @throws {TargetFailure} `verify`
 */
export function servedCertificate(endpoint: Endpoint, keyType?: string): Promise<Served> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: endpoint.host, port: endpoint.port });
    const end = (failure: TargetFailure | undefined, served?: Served): void => {
      clearTimeout(timer);
      socket.destroy();
      if (served !== undefined) resolve(served);
      else reject(failure ?? new TargetFailure('verify', 'no answer'));
    };
    const timer = setTimeout(() => end(new TargetFailure('verify', `no TLS handshake within ${attemptMs / 1000} seconds`)), attemptMs);
    const refused = (error: NodeJS.ErrnoException): void =>
      end(
        new TargetFailure('verify', `no TLS handshake with ${endpoint.host}:${endpoint.port}: ${error.code ?? error.name}`, {
          cause: error,
        }),
      );
    socket.once('error', refused);
    socket.once('connect', () => {
      const ready = endpoint.starttls === undefined ? Promise.resolve() : startTls(socket, endpoint.starttls);
      ready.then(
        () => handshake(socket, endpoint, keyType, end, refused),
        (error: unknown) => end(error as TargetFailure),
      );
    });
  });
}

function handshake(
  socket: net.Socket,
  endpoint: Endpoint,
  keyType: string | undefined,
  end: (failure: undefined, served: Served) => void,
  refused: (error: NodeJS.ErrnoException) => void,
): void {
  const name = nameOf(endpoint);
  const sigalgs = signatureAlgorithms[keyType ?? ''];
  const secure = tls.connect({
    socket,
    ...(name !== undefined && { servername: name }),
    ...(sigalgs !== undefined && { sigalgs }),
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    // No store: the chain is what the server sent, not what could be added to it.
    ca: [],
  });
  secure.once('error', refused);
  secure.once('secureConnect', () => {
    const [leaf, ...rest] = sentCertificates(secure);
    secure.destroy();
    if (leaf === undefined) refused(new Error('no certificate'));
    else end(undefined, { fingerprint: leaf.fingerprint, leaf: leaf.raw, chain: rest.map(({ fingerprint }) => fingerprint) });
  });
}

function sentCertificates(secure: tls.TLSSocket): { readonly fingerprint: string; readonly raw: Buffer }[] {
  const sent: { fingerprint: string; raw: Buffer }[] = [];
  // Empty where the server sent none, whatever the type says; a self-signed certificate is its own issuer, for ever.
  let certificate: Partial<tls.DetailedPeerCertificate> | undefined = secure.getPeerCertificate(true);
  while (certificate?.raw !== undefined) {
    const { raw } = certificate;
    const fingerprint = createHash('sha256').update(raw).digest('hex');
    if (sent.some((one) => one.fingerprint === fingerprint)) break;
    sent.push({ fingerprint, raw });
    certificate = certificate.issuerCertificate;
  }
  return sent;
}
