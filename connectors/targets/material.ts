import { createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { TargetFailure } from './failure.ts';

/** A leaf, its chain and its key that belong together. */
export interface Material {
  /** One PEM block with a newline at its end. */
  readonly leafPem: string;
  /** PEM blocks, nearest issuer first; may be empty. */
  readonly chainPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
  /** Lower-case hex of SHA-256 over the leaf's DER. */
  readonly fingerprint: string;
  /** Of each certificate of the chain. */
  readonly chainFingerprints: readonly string[];
  readonly keyType: string;
}

const maxPemLength = 262_144;
const maxChain = 10;

/**
 * Reads what is to be deployed and refuses what could not be served: another key's certificate, a chain out of order (RFC 5246 §7.4.2), a
 * certificate that has ended. `now` is absent while the clock is not to be trusted.
 *
 * @throws {TargetFailure} `validate`, `key_mismatch`
 */
export function readMaterial(leafPem: string, chainPem: string, privateKeyPem: string, now: Date | undefined): Material {
  if (leafPem.length + chainPem.length + privateKeyPem.length > maxPemLength)
    throw new TargetFailure('validate', 'the material is too large');
  const [leaf, ...more] = certificatesOf(leafPem, 'the leaf');
  if (leaf === undefined || more.length > 0) throw new TargetFailure('validate', 'the leaf is not exactly one certificate');
  const chain = certificatesOf(chainPem, 'the chain');
  if (chain.length > maxChain) throw new TargetFailure('validate', `the chain has more than ${maxChain} certificates`);
  const key = privateKeyOf(privateKeyPem);
  if (!createPublicKey(key).equals(leaf.publicKey))
    throw new TargetFailure('key_mismatch', 'the private key does not belong to the certificate');
  let subject = leaf;
  for (const issuer of chain) {
    if (!subject.checkIssued(issuer) || !subject.verify(issuer.publicKey))
      throw new TargetFailure('validate', 'the chain is not in order: a certificate is not signed by the one after it');
    subject = issuer;
  }
  if (now !== undefined && leaf.validToDate.getTime() <= now.getTime()) throw new TargetFailure('validate', 'the certificate has expired');
  return {
    leafPem: leaf.toString(),
    chainPem: chain.map(String).join(''),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    fingerprint: fingerprintOf(leaf),
    chainFingerprints: chain.map(fingerprintOf),
    keyType: key.asymmetricKeyType ?? '',
  };
}

/** Lower-case hex of SHA-256 over the DER. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

/** The fingerprint of the first certificate of a PEM text; `undefined` when there is none that can be read. */
export function firstFingerprint(pem: string): string | undefined {
  try {
    const [first] = certificatesOf(pem, 'the file');
    return first && fingerprintOf(first);
  } catch {
    return undefined;
  }
}

function certificatesOf(pem: string, what: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => {
    try {
      const certificate = new X509Certificate(block);
      // The key is only decoded, and only then refused, when it is asked for.
      if (certificate.publicKey.type !== 'public') throw new Error('no public key');
      return certificate;
    } catch (cause) {
      throw new TargetFailure('validate', `${what} holds something that is no certificate`, { cause });
    }
  });
}

function privateKeyOf(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The cause may quote what it could not read.
    throw new TargetFailure('key_mismatch', 'the private key cannot be read');
  }
}
