import { Tag, der, explicit, integer, oid, sequence } from '../asn1/der.ts';

const signedData = '1.2.840.113549.1.7.2';
const data = '1.2.840.113549.1.7.1';

/**
 * Certificates in one block without a signature of its own: SignedData with nobody who signs and nothing that is signed (RFC 5652 §5.1), as what
 * imports a chain at once takes it.
 *
 * @param certificates DER, kept in their order
 */
export function certsOnly(certificates: readonly Uint8Array[]): Buffer {
  const content = sequence(integer(1), der(Tag.set), sequence(oid(data)), explicit(0, ...certificates), der(Tag.set));
  return sequence(oid(signedData), explicit(0, content));
}
