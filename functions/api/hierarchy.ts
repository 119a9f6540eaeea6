import { createHash } from 'node:crypto';
import type * as z from 'zod';
import type { createIntermediate } from '#contract/intermediates.ts';
import type { Envelope } from '#adapters/kms/envelope.ts';
import { createSigner, openSigner, resealSigner } from '#adapters/kms/sealed-signer.ts';
import type { SignerKeyStore } from '#adapters/postgres/signer-keys.ts';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import type { AuthorityAdministration, AuthorityRecord, NewAuthority } from '#domain/issuance/authority-administration.ts';
import { prepareSubordinate } from '#domain/issuance/issue-authority.ts';
import type { SigningAuthority } from '#domain/issuance/issue.ts';
import { issuingState } from '#domain/issuance/issuing-path.ts';
import { refusing } from '#domain/issuance/path-refusal.ts';
import { checkRoot } from '#domain/issuance/root-certificate.ts';
import { subordinateTerms, type SubordinateRequest } from '#domain/issuance/subordinate.ts';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { makeCertificationRequest } from '#domain/x509/certification-request.ts';
import { parseCsr } from '#domain/x509/csr.ts';
import type { CaKeyAlgorithm } from '#domain/x509/key-algorithm.ts';
import { signCertificate } from '#domain/x509/leaf.ts';
import { writeAuthorityName, type AuthorityName } from '#domain/x509/name.ts';
import { readPathCertificate } from '#domain/x509/path/certificate.ts';
import { assertSigned } from '#domain/x509/path/signature.ts';
import { parseSubtree, subtreeText } from '#domain/x509/path/subtree-text.ts';
import { certificatesOfPem, fromPem } from '#domain/x509/pem.ts';
import { newSerial } from '#domain/x509/serial.ts';
import { caKeyContext } from '../shared/ca-key-context.ts';

export interface HierarchyPorts {
  readonly store: AuthorityAdministration;
  readonly keys: SignerKeyStore;
  readonly envelope: Envelope;
  readonly authority: (caId: string) => Promise<SigningAuthority>;
  readonly chance: Chance;
  readonly newId: (prefix: string) => string;
  readonly pkiBaseUrl: string;
}

export interface Made {
  readonly record: AuthorityRecord;
  readonly warnings: readonly string[];
}

type Body = z.output<(typeof createIntermediate)['body']>;

const fiveYearsDays = 1825;
const daySeconds = 86_400;

/** Registers a root that was made elsewhere, with the key that was registered for it. @throws {CaError} */
export async function createRoot(ports: HierarchyPorts, issuerId: string, body: Body, actor: string): Promise<Made> {
  if (body.root_cert_pem === undefined || body.key_driver_id === undefined)
    throw new CaError('malformed', 'a root needs root_cert_pem and key_driver_id, a CA below another parent_ca_id');
  const found = await ports.keys.free(body.key_driver_id);
  if (found === undefined) throw new CaError('malformed', 'no such signer key, or it belongs to a CA');
  const certificate = fromPem('CERTIFICATE', body.root_cert_pem);
  const root = checkRoot(certificate, found.key.spki, ports.chance.now());
  const id = ports.newId('ica');
  const sealedKey =
    found.sealed === undefined
      ? Buffer.alloc(0)
      : await resealSigner(ports.envelope, found.sealed, caKeyContext(found.key.id), caKeyContext(id));
  const record = await ports.store.create(
    {
      id,
      issuerId,
      parentId: undefined,
      name: body.name,
      subject: subjectOf(root.facts.commonNames),
      algorithm: found.key.algorithm,
      certificate,
      serial: root.facts.serial,
      chainAbove: [],
      keyId: found.key.id,
      sealedKey,
      ...facts(certificate),
      crlShards: body.crl_shards,
      metadata: body.metadata,
    },
    'root',
    actor,
  );
  return { record, warnings: [] };
}

/** Signs a CA below another: rules first, then its key, then the serial is reserved, then the parent's key signs. @throws {CaError} */
export async function createChild(ports: HierarchyPorts, issuerId: string, body: Body, actor: string): Promise<Made> {
  const parent = await ports.store.find(body.parent_ca_id ?? '');
  if (parent?.issuerId !== issuerId) throw new CaError('notFound', 'the issuer has no such CA to be the parent');
  if (parent.state !== 'active') throw new CaError('conflict', `the CA above is ${parent.state}`);
  const { name, algorithm, metadata, crl_shards: crlShards } = body;
  const wanted = { name, subject: nameOf(body), algorithm, crlShards, metadata, request: requestOf(body) };
  const { authority, warnings } = await signBelow(ports, issuerId, parent.id, wanted);
  return { record: await ports.store.create(authority, 'child', actor), warnings };
}

/** A CA that is to be below another. */
export interface WantedAuthority extends Pick<NewAuthority, 'name' | 'crlShards' | 'metadata'> {
  readonly subject: AuthorityName;
  readonly algorithm: CaKeyAlgorithm;
  readonly request: SubordinateRequest;
}

/** Makes a key and lets the parent sign a CA certificate for it; nothing is kept yet but the serial. @throws {CaError} */
export async function signBelow(
  ports: HierarchyPorts,
  issuerId: string,
  parentId: string,
  { name, subject, algorithm, crlShards, metadata, request }: WantedAuthority,
): Promise<{ readonly authority: NewAuthority; readonly warnings: readonly string[] }> {
  const above = await ports.authority(parentId);
  const now = ports.chance.now();
  // Before a key is made for a CA that may not be.
  subordinateTerms(issuingState(above.path, now), request, now);
  const id = ports.newId('ica');
  const { signer, sealed } = await createSigner(ports.envelope, caKeyContext(id), algorithm);
  const serial = newSerial(ports.chance.random(16));
  const { tbs, terms } = prepareSubordinate({
    parent: { id: above.id, issuer: above.issuer, path: above.path, algorithm: above.signer.algorithm },
    name: subject,
    spki: signer.publicKeySpki,
    serial,
    request,
    now,
    pkiBaseUrl: ports.pkiBaseUrl,
  });
  await ports.store.reserve({ idempotencyKey: id, caId: parentId, serial, tbs });
  const certificate = await signCertificate(above.signer, tbs);
  const parsed = parseCertificate(certificate);
  refusing(() => assertSigned(above.issuer.spki, parsed.signature, parsed.tbs, parsed.signatureValue), 'internal');
  const authority = {
    id,
    issuerId,
    parentId,
    name,
    subject,
    algorithm,
    certificate,
    serial,
    chainAbove: [],
    keyId: undefined,
    sealedKey: sealed,
    ...facts(certificate),
    crlShards,
    metadata,
  };
  return { authority, warnings: terms.warnings };
}

/** Makes a key and a CSR for a CA that somebody else will sign. @throws {CaError} */
export async function requestExternal(ports: HierarchyPorts, issuerId: string, body: Body, actor: string): Promise<Made> {
  if (body.parent_ca_id !== undefined || body.root_cert_pem !== undefined)
    throw new CaError('malformed', 'a CA that is signed elsewhere has neither parent_ca_id nor root_cert_pem');
  const name = nameOf(body);
  const id = ports.newId('ica');
  const { signer, sealed } = await createSigner(ports.envelope, caKeyContext(id), body.algorithm);
  const csr = await makeCertificationRequest(writeAuthorityName(name), signer);
  const spkiSha256 = createHash('sha256').update(signer.publicKeySpki).digest();
  const { algorithm, metadata, crl_shards: crlShards } = body;
  const record = await ports.store.request(
    { id, issuerId, name: body.name, subject: name, algorithm, csr, spkiSha256, sealedKey: sealed, crlShards, metadata },
    actor,
  );
  return { record, warnings: [] };
}

/** Takes the certificate of a CA that asked for it: of its key and name, under a chain that holds up to a root. @throws {CaError} */
export async function certifyExternal(
  ports: HierarchyPorts,
  waiting: AuthorityRecord,
  body: { readonly certificate_pem: string; readonly chain_pem: string },
  actor: string,
): Promise<AuthorityRecord> {
  const { csr, issuerId } = waiting;
  const sealedKey = await ports.store.requestedKey(waiting.id);
  if (csr === undefined || issuerId === undefined || sealedKey === undefined)
    throw new CaError('conflict', 'the CA waits for no certificate');
  const certificate = fromPem('CERTIFICATE', body.certificate_pem);
  const chainAbove = certificatesOfPem(body.chain_pem);
  if (chainAbove.length === 0 || chainAbove.length > 8)
    throw new CaError('malformed', 'chain_pem must hold between 1 and 8 certificates, up to the root');
  const parsed = parseCertificate(certificate);
  if (!parsed.spki.equals(Buffer.from(parseCsr(csr).publicKey.spki)))
    throw new CaError('hierarchyViolation', 'key mismatch: the certificate is of another key');
  if (!parsed.subject.equals(writeAuthorityName(waiting.subject as AuthorityName)))
    throw new CaError('hierarchyViolation', 'the certificate has not the subject that was asked for');
  const path = [...[...chainAbove].reverse(), certificate];
  const [root] = path;
  if (root !== undefined) {
    const top = parseCertificate(root);
    if (!top.issuer.equals(top.subject)) throw new CaError('hierarchyViolation', 'the chain must end with a self-signed root');
  }
  issuingState(path, ports.chance.now());
  // A CA must be openable before it is taken: the key's seal names it.
  await openSigner(ports.envelope, sealedKey, caKeyContext(waiting.id));
  return ports.store.certify(
    {
      id: waiting.id,
      issuerId,
      parentId: undefined,
      name: waiting.name,
      subject: waiting.subject,
      algorithm: waiting.algorithm,
      certificate,
      serial: parsed.serial,
      chainAbove,
      keyId: undefined,
      sealedKey,
      ...facts(certificate),
      crlShards: waiting.crlShards,
      metadata: waiting.metadata,
    },
    actor,
  );
}

/** What a CA's certificate says of it. */
function facts(certificate: Uint8Array): Pick<AuthorityRecord, 'pathLength' | 'nameConstraints'> & { notBefore: Date; notAfter: Date } {
  const { facts: { notBefore, notAfter }, pathLength, nameConstraints } = refusing(() => readPathCertificate(certificate), 'malformed'); // prettier-ignore
  return {
    notBefore,
    notAfter,
    pathLength,
    nameConstraints: {
      permitted: nameConstraints?.permitted.map(subtreeText) ?? [],
      excluded: nameConstraints?.excluded.map(subtreeText) ?? [],
    },
  };
}

function requestOf(body: Body): SubordinateRequest {
  return {
    pathLength: body.path_len_constraint,
    nameConstraints: {
      permitted: body.name_constraints.flatMap(({ permitted }) => permitted.map(parseSubtree)),
      excluded: body.name_constraints.flatMap(({ excluded }) => excluded.map(parseSubtree)),
    },
    extendedKeyUsages: body.extended_key_usages,
    policies: body.policies,
    ttlSeconds: (body.ttl_days === 0 ? fiveYearsDays : body.ttl_days) * daySeconds,
  };
}

function nameOf({ subject }: Body): AuthorityName {
  if (subject === undefined) throw new CaError('malformed', 'subject.common_name is needed');
  return {
    commonName: subject.common_name,
    ...(subject.organization !== undefined && { organization: subject.organization }),
    ...(subject.organizational_unit !== undefined && { organizationalUnit: subject.organizational_unit }),
    ...(subject.country !== undefined && { country: subject.country }),
    ...(subject.locality !== undefined && { locality: subject.locality }),
    ...(subject.province !== undefined && { province: subject.province }),
  };
}

function subjectOf(commonNames: readonly string[]): Partial<AuthorityName> {
  const [commonName] = commonNames;
  return commonName === undefined ? {} : { commonName };
}
