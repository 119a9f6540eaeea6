import { createHash, X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import { parseCertificate, extensionOf, type Certificate } from '#domain/x509/certificate.ts';
import { canonicalIp, reverseName } from '#domain/x509/ip-address.ts';
import { Oid } from '#domain/x509/oids.ts';
import { ProbeError } from '#domain/probe/probe.ts';
import { checkedAddress } from '../dns/checked-address.ts';
import type { NameResolver } from '../dns/resolver.ts';
import { isBehind, type Door } from '../http/http01.ts';

const protocol = 'acme-tls/1';
const connectMs = 5000;
const totalMs = 20_000;

export interface TlsAlpnTarget {
  readonly identifier: { readonly type: 'dns' | 'ip'; readonly value: string };
  readonly keyAuthorization: string;
  readonly allowedCidrs: readonly string[];
  readonly door: Door | undefined;
}

/**
 * Asks the TLS server of an identifier for its challenge certificate and checks it (RFC 8737 §3; RFC 8738 §6 for addresses).
 *
 * @throws {ProbeError} `dns`, `connection`, `tls`, `incorrectResponse`; details name no address
 */
export async function validateTlsAlpn(resolver: NameResolver, target: TlsAlpnTarget): Promise<void> {
  const { identifier, door } = target;
  const opened = isBehind(door, identifier.value) ? door : undefined;
  const address = opened?.address ?? (await checkedAddress(resolver, identifier.value, target.allowedCidrs));
  const servername = identifier.type === 'ip' ? reverseName(identifier.value) : identifier.value;
  const certificate = await peerCertificate({ address, port: opened?.tlsAlpn01Port ?? 443, servername });
  assertChallengeCertificate(certificate, target);
}

function peerCertificate(to: { readonly address: string; readonly port: number; readonly servername: string }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: to.address,
      port: to.port,
      servername: to.servername,
      ALPNProtocols: [protocol],
      // The certificate is the proof itself; nobody vouches for it.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    });
    const fail = (error: ProbeError): void => {
      clearTimeout(total);
      clearTimeout(connecting);
      socket.destroy();
      reject(error);
    };
    let connected = false;
    const total = setTimeout(() => fail(new ProbeError('tls', 'the handshake did not end within 20 seconds')), totalMs);
    const connecting = setTimeout(() => fail(new ProbeError('connection', 'no connection within 5 seconds')), connectMs);
    socket.once('connect', () => {
      connected = true;
      clearTimeout(connecting);
    });
    socket.once('error', (cause) => {
      fail(
        connected
          ? new ProbeError('tls', 'the TLS handshake failed', { cause })
          : new ProbeError('connection', 'the connection failed', { cause }),
      );
    });
    socket.once('close', () => fail(new ProbeError('tls', 'the server closed the connection')));
    socket.once('secureConnect', () => {
      const raw = socket.getPeerX509Certificate()?.raw;
      const negotiated = socket.alpnProtocol;
      if (negotiated !== protocol) fail(new ProbeError('tls', `the server did not negotiate ${protocol}`));
      else if (raw === undefined) fail(new ProbeError('tls', 'the server has no certificate'));
      else {
        clearTimeout(total);
        clearTimeout(connecting);
        resolve(raw);
        socket.destroy();
      }
    });
  });
}

/**
 * Whether a certificate is what RFC 8737 §3 wants: self-signed, one name, and a critical acmeIdentifier with the key authorization's hash.
 *
 * @throws {ProbeError} `incorrectResponse`
 */
export function assertChallengeCertificate(der: Uint8Array, target: Pick<TlsAlpnTarget, 'identifier' | 'keyAuthorization'>): void {
  const wrong = (detail: string, cause?: unknown): ProbeError =>
    new ProbeError('incorrectResponse', `the challenge certificate ${detail}`, { cause });
  let certificate: Certificate;
  try {
    certificate = parseCertificate(der);
  } catch (cause) {
    throw wrong('cannot be read', cause);
  }
  const [name, ...more] = certificate.subjectAltNames;
  const { identifier } = target;
  if (name === undefined || more.length > 0) throw wrong('must have exactly one alternative name');
  const matches =
    identifier.type === 'dns'
      ? name.type === 'dns' && name.value.toLowerCase() === identifier.value
      : name.type === 'ip' && canonicalIp(name.value) === identifier.value;
  if (!matches) throw wrong('is for another name');
  const extension = extensionOf(certificate, Oid.acmeIdentifier);
  if (extension === undefined) throw wrong('has no acmeIdentifier extension');
  if (!extension.critical) throw wrong('has an acmeIdentifier extension that is not critical');
  const digest = createHash('sha256').update(target.keyAuthorization).digest();
  if (!extension.value.equals(Buffer.concat([Buffer.of(0x04, 0x20), digest])))
    throw wrong('does not carry the hash of the key authorization');
  if (!certificate.issuer.equals(certificate.subject) || !isSelfSigned(der)) throw wrong('is not self-signed');
}

function isSelfSigned(der: Uint8Array): boolean {
  try {
    const certificate = new X509Certificate(der);
    return certificate.verify(certificate.publicKey);
  } catch {
    return false;
  }
}
