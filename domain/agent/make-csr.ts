import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { bitString, der, explicit, integer, nothing, octetString, oid, sequence, setOf, Tag } from '../asn1/der.ts';
import { writeGeneralName, type GeneralName } from '../x509/general-name.ts';
import { Oid } from '../x509/oids.ts';

// status_request (RFC 7633 §4.2.3.1)
const statusRequest = 5;

/**
 * A CSR for names, signed by a key (RFC 2986): the common name, if any, in the subject, all names in the subjectAltName that it requests.
 *
 * @param key RSA, EC on P-256 or P-384, or Ed25519
 * @returns DER
 */
export function makeCsr(
  key: KeyObject,
  order: { readonly commonName: string | undefined; readonly names: readonly GeneralName[]; readonly mustStaple: boolean },
): Buffer {
  const { commonName } = order;
  // The subject's attribute has room for 64 characters (RFC 5280, ub-common-name); the names are in the extension all the same.
  const subject =
    commonName === undefined || commonName.length > 64
      ? sequence()
      : sequence(setOf(sequence(oid(Oid.commonName), der(Tag.utf8String, Buffer.from(commonName, 'utf8')))));
  const extensions = [
    sequence(oid(Oid.subjectAltName), octetString(sequence(...order.names.map(writeGeneralName)))),
    ...(order.mustStaple ? [sequence(oid(Oid.tlsFeature), octetString(sequence(integer(statusRequest))))] : []),
  ];
  const attributes = explicit(0, sequence(oid(Oid.extensionRequest), setOf(sequence(...extensions))));
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const info = sequence(integer(0), subject, spki, attributes);
  const { algorithm, digest } = signatureOf(key);
  return sequence(info, algorithm, bitString(sign(digest, info, key)));
}

function signatureOf(key: KeyObject): { readonly algorithm: Buffer; readonly digest: string | null } {
  if (key.asymmetricKeyType === 'rsa') return { algorithm: sequence(oid(Oid.sha256WithRSA), nothing), digest: 'sha256' };
  if (key.asymmetricKeyType === 'ed25519') return { algorithm: sequence(oid(Oid.ed25519)), digest: null };
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
    ? { algorithm: sequence(oid(Oid.ecdsaSha384)), digest: 'sha384' }
    : { algorithm: sequence(oid(Oid.ecdsaSha256)), digest: 'sha256' };
}
