import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { createHash, webcrypto } from 'node:crypto';

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export interface ChallengeCertificateOptions {
  readonly names: readonly { readonly type: 'dns' | 'ip'; readonly value: string }[];
  readonly keyAuthorization: string;
  readonly critical?: boolean;
  readonly omit?: boolean;
  /** Instead of the hash of the key authorization. */
  readonly value?: Uint8Array;
  /** Signed by somebody else. */
  readonly foreign?: boolean;
}

/** The certificate that a client shows for tls-alpn-01 (RFC 8737 §3), or nearly; PEM. */
export async function challengeCertificate(options: ChallengeCertificateOptions): Promise<{ readonly cert: string; readonly key: string }> {
  x509.cryptoProvider.set(webcrypto as never);
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const digest = options.value ?? createHash('sha256').update(options.keyAuthorization).digest();
  const template = {
    serialNumber: '01',
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: ecdsa,
    extensions: [
      ...(options.names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...options.names])]),
      ...(options.omit === true
        ? []
        : [new x509.Extension('1.3.6.1.5.5.7.1.31', options.critical ?? true, Buffer.concat([Buffer.of(0x04, digest.length), digest]))]),
    ],
  };
  const certificate =
    options.foreign === true
      ? await x509.X509CertificateGenerator.create({
          ...template,
          subject: 'CN=challenge',
          issuer: 'CN=challenge',
          publicKey: keys.publicKey,
          signingKey: (await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify'])).privateKey,
        })
      : await x509.X509CertificateGenerator.createSelfSigned({ ...template, name: 'CN=challenge', keys });
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    cert: certificate.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${key.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END PRIVATE KEY-----\n`,
  };
}
