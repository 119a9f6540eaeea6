import { createHash } from 'node:crypto';
import type { Envelope } from '#adapters/kms/envelope.ts';
import { createSigner, openSigner } from '#adapters/kms/sealed-signer.ts';
import type { ResponderStore, StoredResponder } from '#domain/revocation/responder-store.ts';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import { newId } from '#domain/id.ts';
import type { SigningAuthority } from '#domain/issuance/issue.ts';
import { certIdOf, type CertId } from '#domain/revocation/ocsp-request.ts';
import { buildTbsOcspResponder } from '#domain/x509/authority.ts';
import { mlDsaKinds, signatureOf, type CaKeyAlgorithm } from '#domain/x509/key-algorithm.ts';
import { issuerInfo, signCertificate, type IssuerInfo } from '#domain/x509/leaf.ts';
import { lintTbsCertificate } from '#domain/x509/lint.ts';
import { publicKeyBits } from '#domain/x509/public-key.ts';
import { newSerial } from '#domain/x509/serial.ts';
import type { SignatureAlgorithm, Signer } from '#domain/x509/signer.ts';

/** A delegated OCSP responder ready to sign (RFC 6960 §4.2.2.2). */
export interface Responder {
  readonly id: string;
  readonly signer: Signer;
  /** DER */
  readonly certificate: Uint8Array;
  readonly keyHash: Uint8Array;
  readonly issuer: IssuerInfo;
  /** Milliseconds since the epoch; from then on the store is asked for a newer one. */
  readonly rotateAt: number;
  certId(serial: string): CertId;
}

const lifetimeMs = 30 * 86_400_000;
// Two thirds of the life are over: a new one, while the old one's answers are still valid.
const rotateBeforeMs = lifetimeMs / 3;

/** The newest responder of a CA; made or rotated by whoever needs it first, under the store's lock. */
export function responders(ports: {
  readonly store: ResponderStore;
  readonly authority: (caId: string) => Promise<SigningAuthority>;
  readonly envelope: Envelope;
  readonly chance: Chance;
}): (caId: string) => Promise<Responder | undefined> {
  const opened = new Map<string, Promise<Responder>>();
  return async (caId) => {
    const known = await opened.get(caId);
    if (known !== undefined && ports.chance.now() < known.rotateAt) return known;
    if (known === undefined && !(await ports.store.authorityExists(caId))) return undefined;
    const opening = open(ports, caId);
    opened.set(caId, opening);
    opening.catch(() => opened.delete(caId));
    return opening;
  };
}

async function open(ports: Parameters<typeof responders>[0], caId: string): Promise<Responder> {
  const authority = await ports.authority(caId);
  // Near its CA's own end a responder lives no longer than the CA.
  const usable = new Date(Math.min(ports.chance.now() + rotateBeforeMs, authority.issuer.notAfter.getTime() - 1));
  const stored = await ports.store.ensure(caId, usable, (previous) => make(ports, authority, previous));
  const { issuer } = authority;
  const own = issuerInfo(stored.certificate);
  return {
    id: stored.id,
    signer: await openSigner(ports.envelope, stored.sealedKey, keyContext(stored.id)),
    certificate: stored.certificate,
    keyHash: createHash('sha1').update(publicKeyBits(own.spki)).digest(),
    issuer,
    rotateAt: Math.max(stored.notAfter.getTime() - rotateBeforeMs, ports.chance.now() + 60_000),
    certId: (serial) => certIdOf(issuer, serial),
  };
}

async function make(
  ports: Parameters<typeof responders>[0],
  authority: SigningAuthority,
  previous: string | undefined,
): Promise<StoredResponder> {
  const now = Math.floor(ports.chance.now() / 1000) * 1000;
  const id = newId('ocsp', now, ports.chance.random(10));
  const { signer, sealed } = await createSigner(ports.envelope, keyContext(id), keyAlgorithmFor(authority.signer.algorithm));
  const serial = newSerial(ports.chance.random(16));
  const notBefore = new Date(now - 300_000);
  const notAfter = new Date(Math.min(now + lifetimeMs, authority.issuer.notAfter.getTime()));
  const tbs = buildTbsOcspResponder(authority.issuer, authority.signer.algorithm, {
    serial,
    commonName: `OCSP responder ${id.slice(-8)}`,
    spki: signer.publicKeySpki,
    notBefore,
    notAfter,
  });
  const [finding] = lintTbsCertificate(tbs, { kind: 'ocspResponder', issuer: authority.issuer });
  if (finding !== undefined) throw new CaError('internal', `the responder would break rule ${finding.rule}`, { cause: finding });
  const certificate = await signCertificate(authority.signer, tbs);
  return { id, caId: authority.id, serial, certificate, sealedKey: sealed, notBefore, notAfter, rotatedFrom: previous };
}

/** What is said of certificates is no easier to forge than they are: below a CA with ML-DSA the responder has it too. */
function keyAlgorithmFor(algorithm: SignatureAlgorithm): CaKeyAlgorithm {
  return mlDsaKinds.find((kind) => signatureOf[kind] === algorithm) ?? 'ECDSA-P256';
}

function keyContext(id: string): string {
  return `ocsp-key:${id}`;
}
