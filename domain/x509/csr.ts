import { verify } from 'node:crypto';
import { bitStringOctets, children, cursor, DerError, oidText, readDer, smallInteger, Tag, type Element } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { extensionElement, readExtensions, type Extension } from './extension.ts';
import { readGeneralName, type GeneralName } from './general-name.ts';
import { commonNamesOf } from './name.ts';
import { Oid } from './oids.ts';
import { pssDigests, pssHolds } from './pss.ts';
import { assertStrongKey, parsePublicKey, type PublicKeyInfo } from './public-key.ts';

/** A PKCS#10 request whose self-signature verified and whose key is not weak (RFC 2986). Nothing of it is ever copied into a certificate but the key. */
export interface CertificationRequest {
  readonly der: Uint8Array;
  readonly commonNames: readonly string[];
  readonly publicKey: PublicKeyInfo;
  readonly subjectAltNames: readonly GeneralName[];
  readonly mustStaple: boolean;
  readonly isCa: boolean;
  /** OIDs, dotted. */
  readonly extendedKeyUsages: readonly string[];
}

const maxBytes = 16_384;
const digests: Readonly<Record<string, { readonly kind: PublicKeyInfo['kind']; readonly digest: string | null }>> = {
  [Oid.sha256WithRSA]: { kind: 'RSA', digest: 'sha256' },
  [Oid.sha384WithRSA]: { kind: 'RSA', digest: 'sha384' },
  [Oid.sha512WithRSA]: { kind: 'RSA', digest: 'sha512' },
  [Oid.ecdsaSha256]: { kind: 'ECDSA', digest: 'sha256' },
  [Oid.ecdsaSha384]: { kind: 'ECDSA', digest: 'sha384' },
  [Oid.ecdsaSha512]: { kind: 'ECDSA', digest: 'sha512' },
  [Oid.ed25519]: { kind: 'Ed25519', digest: null },
  [Oid.mlDsa44]: { kind: 'ML-DSA-44', digest: null },
  [Oid.mlDsa65]: { kind: 'ML-DSA-65', digest: null },
  [Oid.mlDsa87]: { kind: 'ML-DSA-87', digest: null },
};

/**
 * Reads a CSR and verifies its proof of possession.
 *
 * @param der PKCS#10, DER, at most 16 KiB
 * @throws {CaError} `badCsr`
 */
export function parseCsr(der: Uint8Array): CertificationRequest {
  if (der.length > maxBytes) throw new CaError('badCsr', `a CSR may have at most ${maxBytes} bytes`);
  try {
    return readCsr(der);
  } catch (cause) {
    if (cause instanceof CaError && cause.code === 'badCsr') throw cause;
    if (cause instanceof CaError) throw new CaError('badCsr', cause.message, { cause });
    const why = cause instanceof DerError ? `: ${cause.message}` : '';
    throw new CaError('badCsr', `the CSR is not strict DER of a PKCS#10 request${why}`, { cause });
  }
}

function readCsr(der: Uint8Array): CertificationRequest {
  const outer = cursor(readDer(der), Tag.sequence);
  const info = outer.next(Tag.sequence);
  const algorithm = outer.next(Tag.sequence);
  const signature = bitStringOctets(outer.next(Tag.bitString));
  outer.end();
  const parts = cursor(info);
  // There is one version, 0, and nothing depends on it; libraries write 1 or 2 as if it were a certificate's (Ruby's acme-client, pyOpenSSL's examples).
  if (smallInteger(parts.next(Tag.integer)) > 2) throw new DerError('a CSR of another version');
  const commonNames = commonNamesOf(parts.next(Tag.sequence));
  const publicKey = parsePublicKey(parts.next(Tag.sequence).raw);
  const attributes = parts.maybe(0xa0);
  parts.end();
  const isSigned = proofWith(algorithm, publicKey);
  if (!isSigned(info.raw, signature)) throw new CaError('badCsr', 'the signature of the CSR does not verify');
  assertStrongKey(publicKey);
  const extensions = attributes === undefined ? [] : requestedExtensions(attributes);
  return { der, commonNames, publicKey, ...readRequested(extensions) };
}

/** What verifies with the request's own key; Windows and Java may sign with RSASSA-PSS. @throws {CaError} `badCsr` */
function proofWith(algorithm: Element, { kind, key }: PublicKeyInfo): (data: Uint8Array, signature: Uint8Array) => boolean {
  const pss = pssDigests.get(Buffer.from(algorithm.raw).toString('hex'));
  const known = pss === undefined ? digests[oidText(cursor(algorithm).next(Tag.oid))] : undefined;
  if ((pss === undefined ? known?.kind : 'RSA') !== kind)
    throw new CaError('badCsr', 'the CSR is signed with an algorithm that is not supported');
  return (data, signature) =>
    pss === undefined ? verify(known?.digest ?? null, data, key, signature) : pssHolds(pss, data, key, signature);
}

function requestedExtensions(attributes: Element): readonly Extension[] {
  let found: readonly Extension[] | undefined;
  for (const attribute of children(attributes, 50)) {
    const parts = cursor(attribute, Tag.sequence);
    const type = oidText(parts.next(Tag.oid));
    const values = children(parts.next(Tag.set), 50);
    parts.end();
    if (type !== Oid.extensionRequest) continue;
    const [value] = values;
    if (found !== undefined || values.length !== 1 || value?.tag !== Tag.sequence) throw new DerError('a malformed extensionRequest');
    found = readExtensions(value);
  }
  return found ?? [];
}

function readRequested(
  extensions: readonly Extension[],
): Pick<CertificationRequest, 'subjectAltNames' | 'mustStaple' | 'isCa' | 'extendedKeyUsages'> {
  const one = (id: string): Element | undefined => {
    const extension = extensions.find((candidate) => candidate.id === id);
    return extension && extensionElement(extension);
  };
  const names = one(Oid.subjectAltName);
  const features = one(Oid.tlsFeature);
  const constraints = one(Oid.basicConstraints);
  const usages = one(Oid.extKeyUsage);
  return {
    subjectAltNames: names === undefined ? [] : children(names, 1000).map(readGeneralName),
    // status_request is TLS extension 5 (RFC 7633).
    mustStaple: features !== undefined && children(features, 10).some((feature) => smallInteger(feature) === 5),
    isCa: constraints !== undefined && children(constraints, 3)[0]?.tag === Tag.boolean,
    extendedKeyUsages: usages === undefined ? [] : children(usages, 50).map(oidText),
  };
}
