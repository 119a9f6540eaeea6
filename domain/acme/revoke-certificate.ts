import { createHash, createPublicKey } from 'node:crypto';
import { CaError } from '../error.ts';
import { decodeBase64url } from '../json/base64url.ts';
import { parseCertificate } from '../x509/certificate.ts';
import type { AccountRequest, KeyRequest } from './authenticate.ts';
import { keyThumbprint } from './jwk.ts';
import { readPayload } from './jws.ts';
import type { AcmePorts } from './ports.ts';
import { presentAccount } from './update-account.ts';
import { reasonCode } from '../revocation/reason.ts';

const allowedReasons = new Set([0, 1, 3, 4, 5, 9]);
const { keyCompromise } = reasonCode;

/**
 * Revokes a certificate for the account that ordered it, an account that controls all its names, or the holder of its key
 * (RFC 8555 §7.6). The certificate is found by the hash of all its bytes, so a self-made one with a known serial is unknown.
 *
 * @throws {CaError} `malformed` (bad, unknown or expired certificate), `notFound`, `unauthorized`, `alreadyRevoked`, `badRevocationReason`,
 *   `autoRenewalRevocationNotSupported`
 */
export async function revokeCertificate(ports: AcmePorts, request: AccountRequest | KeyRequest): Promise<void> {
  const payload = readPayload(request.payload);
  const der = decodeBase64url(payload['certificate'], 'certificate');
  parseCertificate(der);
  const certificate = await ports.revocations.revocable(createHash('sha256').update(der).digest());
  const byKey = 'key' in request;
  const isHere =
    certificate?.profileId === request.profile.id ||
    // A certificate of the shared directory is of another profile, but its account's; by its key it may be revoked wherever its CA is.
    (byKey ? certificate?.caId === request.profile.caId : certificate?.accountId === request.account.id);
  if (certificate === undefined || !isHere) throw new CaError('notFound', 'no such certificate');
  if (!byKey) await presentAccount(ports, request);
  if (byKey) {
    const key = createPublicKey({ key: subjectKey(certificate.certificate), format: 'der', type: 'spki' });
    if (keyThumbprint(key) !== request.key.thumbprint)
      throw new CaError('unauthorized', 'the request is not signed by the key of the certificate');
  } else if (
    certificate.accountId !== request.account.id &&
    !(await ports.revocations.holdsAuthorizations(request.account.id, certificate))
  ) {
    throw new CaError('unauthorized', 'the account neither ordered the certificate nor controls all its names');
  }
  // RFC 8739 §3.1.2: it ends soon, and canceling its order sees to it that no other follows.
  if (certificate.autoRenewed)
    throw new CaError('autoRenewalRevocationNotSupported', 'the certificate renews itself; cancel its order in place of revoking it');
  const reason = readReason(payload['reason']);
  if (certificate.revoked) throw new CaError('alreadyRevoked', 'the certificate is revoked already');
  if (certificate.notAfter.getTime() <= ports.chance.now()) throw new CaError('malformed', 'the certificate has expired');
  const revoked = await ports.revocations.revoke({
    certificate,
    // Who can sign with the certificate's key and wants it revoked shows that the key is in more hands than one, or soon may be.
    reason: byKey ? keyCompromise : reason,
    actor: byKey ? `acme-cert-key:${certificate.serial}` : `acme:${request.account.id}`,
  });
  if (revoked === undefined) throw new CaError('alreadyRevoked', 'the certificate is revoked already');
  if (revoked.jobId !== undefined) await ports.hint(revoked.jobId);
}

function subjectKey(certificate: Uint8Array): Buffer {
  return Buffer.from(parseCertificate(certificate).spki);
}

function readReason(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value !== 'number' || !allowedReasons.has(value)) {
    throw new CaError('badRevocationReason', `the reason must be one of ${[...allowedReasons].join(', ')}`);
  }
  return value;
}
