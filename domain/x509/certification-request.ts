import { bitString, explicit, integer, sequence } from '../asn1/der.ts';
import { algorithmIdentifier, type Signer } from './signer.ts';

/** A CSR without attributes: what is asked for is the signer's to decide (RFC 2986 §4). @param subject Name, DER @returns DER */
export async function makeCertificationRequest(subject: Uint8Array, signer: Signer): Promise<Buffer> {
  const info = sequence(integer(0), subject, signer.publicKeySpki, explicit(0));
  return sequence(info, algorithmIdentifier[signer.algorithm], bitString(await signer.sign(info)));
}
