import { bitString, der, explicit, generalizedTime, implicit, octetString, oid, sequence, Tag } from '../asn1/der.ts';
import { writeExtension } from '../x509/extension.ts';
import { Oid } from '../x509/oids.ts';
import { algorithmIdentifier, type Signer } from '../x509/signer.ts';
import type { CertId, OcspFailure } from './ocsp-request.ts';

/** RFC 6960 §2.2 */
export type OcspStatus =
  | { readonly status: 'good' }
  | { readonly status: 'unknown' }
  | { readonly status: 'revoked'; readonly revokedAt: Date; readonly reason: number };

export interface OcspAnswer {
  readonly producedAt: Date;
  readonly singles: readonly {
    readonly certId: CertId;
    readonly status: OcspStatus;
    readonly thisUpdate: Date;
    readonly nextUpdate: Date;
  }[];
  readonly nonce?: Uint8Array;
}

const status = (value: number): Uint8Array => sequence(der(Tag.enumerated, Buffer.of(value)));

/** Responses without an answer (RFC 6960 §4.2.1); never signed. */
export const ocspError: Readonly<Record<OcspFailure, Uint8Array>> = {
  malformedRequest: status(1),
  internalError: status(2),
  tryLater: status(3),
  sigRequired: status(5),
  unauthorized: status(6),
};

const successful = der(Tag.enumerated, Buffer.of(0));

/**
 * A signed BasicOCSPResponse by a delegated responder, which is named by its key (RFC 5019 §2.2.1) and sends its certificate along.
 *
 * @param responder certificate: DER; keyHash: SHA-1 of its public key's octets
 * @returns OCSPResponse, DER
 */
export async function buildOcspResponse(
  responder: { readonly signer: Signer; readonly certificate: Uint8Array; readonly keyHash: Uint8Array },
  answer: OcspAnswer,
): Promise<Uint8Array> {
  const data = sequence(
    explicit(2, octetString(responder.keyHash)),
    generalizedTime(answer.producedAt),
    sequence(...answer.singles.map(writeSingle)),
    ...(answer.nonce === undefined ? [] : [explicit(1, sequence(writeExtension(Oid.ocspNonce, false, octetString(answer.nonce))))]),
  );
  const basic = sequence(
    data,
    algorithmIdentifier[responder.signer.algorithm],
    bitString(await responder.signer.sign(data)),
    explicit(0, sequence(responder.certificate)),
  );
  return sequence(successful, explicit(0, sequence(oid(Oid.ocspBasic), octetString(basic))));
}

function writeSingle(single: OcspAnswer['singles'][number]): Buffer {
  return sequence(
    single.certId.der,
    writeStatus(single.status),
    generalizedTime(single.thisUpdate),
    explicit(0, generalizedTime(single.nextUpdate)),
  );
}

function writeStatus(value: OcspStatus): Buffer {
  switch (value.status) {
    case 'good':
      return implicit(0, Buffer.alloc(0));
    case 'unknown':
      return implicit(2, Buffer.alloc(0));
    case 'revoked':
      return der(
        0xa1,
        generalizedTime(value.revokedAt),
        // CRLReason unspecified should be left out (RFC 5280 §5.3.1).
        ...(value.reason === 0 ? [] : [explicit(0, der(Tag.enumerated, Buffer.of(value.reason)))]),
      );
  }
}
