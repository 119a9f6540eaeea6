import type * as z from 'zod';
import type { rekeyIntermediate } from '#contract/intermediates.ts';
import type { AuthoritySuccession, Succession } from '#adapters/postgres/authority-succession.ts';
import { CaError } from '#domain/error.ts';
import type { AuthorityRecord } from '#domain/issuance/authority-administration.ts';
import type { SubordinateRequest } from '#domain/issuance/subordinate.ts';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { caKeyAlgorithms } from '#domain/x509/key-algorithm.ts';
import { policiesOf, usages } from '#domain/x509/lint-rules/facts.ts';
import { writeAuthorityName, type AuthorityName } from '#domain/x509/name.ts';
import { parseSubtree } from '#domain/x509/path/subtree-text.ts';
import { signBelow, type HierarchyPorts } from './hierarchy.ts';

type Body = z.output<(typeof rekeyIntermediate)['body']>;

const daySeconds = 86_400;

/**
 * Makes a CA of the same subject and limits with a new key below the same parent. It signs from now on what the old one signed; the old one drains, and its
 * key goes on signing its CRL and its OCSP responders' certificates.
 *
 * @throws {CaError} `conflict` when the CA is not active, is a root or is signed elsewhere; what {@link signBelow} throws
 */
export async function rekeyAuthority(
  ports: HierarchyPorts & { readonly succession: AuthoritySuccession },
  old: AuthorityRecord,
  body: Body,
  actor: string,
): Promise<Succession & { readonly warnings: readonly string[] }> {
  const { certificate, issuerId, parentId } = old;
  if (old.state !== 'active' || certificate === undefined || issuerId === undefined)
    throw new CaError('conflict', `a CA that is ${old.state} gets no new key`);
  if (parentId === undefined)
    throw new CaError('conflict', 'no CA here signed this one: bring a new root, or ask for a new certificate, and retire it');
  const facts = parseCertificate(certificate);
  const subject = old.subject as AuthorityName;
  if (!facts.subject.equals(writeAuthorityName(subject)))
    throw new CaError('conflict', 'the subject is written in a way that no new certificate would repeat');
  const { authority, warnings } = await signBelow(ports, issuerId, parentId, {
    name: body.name,
    subject,
    algorithm: body.algorithm ?? caKeyAlgorithms.find((known) => known === old.algorithm) ?? 'ECDSA-P256',
    crlShards: old.crlShards,
    metadata: old.metadata,
    request: {
      ...limitsOf(old, facts),
      ttlSeconds: body.ttl_days === undefined ? (facts.notAfter.getTime() - facts.notBefore.getTime()) / 1000 : body.ttl_days * daySeconds,
    },
  });
  return { ...(await ports.succession.succeed(authority, old.id, actor)), warnings };
}

function limitsOf(
  { pathLength, nameConstraints: { permitted, excluded } }: AuthorityRecord,
  facts: ReturnType<typeof parseCertificate>,
): Omit<SubordinateRequest, 'ttlSeconds'> {
  const [purposes, policies] = [usages(facts), policiesOf(facts)];
  return {
    pathLength,
    nameConstraints: { permitted: permitted.map(parseSubtree), excluded: excluded.map(parseSubtree) },
    extendedKeyUsages: purposes.length === 0 ? undefined : purposes,
    policies: policies.length === 0 ? undefined : policies,
  };
}
