import { baselineValidityDays } from '../baseline-validity.ts';
import { extensionOf, type TbsCertificate } from '../certificate.ts';
import { Oid } from '../oids.ts';
import { publicNameFault, type PublicNameFault } from '../public-name.ts';
import { reservedPolicies } from './baseline.ts';
import { attributesOf, keyUsageBits, policiesOf, sansOf, usages } from './facts.ts';
import type { LintRule } from './rule.ts';

const kinds = ['leaf'] as const;
const daySeconds = 86_400;
const permittedUsages = new Set<string>([Oid.serverAuth, Oid.clientAuth]);
const subjectOfDomainValidated = new Set<string>([Oid.commonName, Oid.country]);

/** What the Baseline Requirements want of a domain validated TLS server certificate. */
export const subscriberRules: readonly LintRule[] = [
  {
    id: 'br_validity', source: 'BR §6.3.2', kinds,
    says: 'both ends counted, validity is at most 398 days, 200 when issued from 2026-03-15, 100 from 2027-03-15, 47 from 2029-03-15',
    holds: (tbs, { signedAt }) =>
      (tbs.notAfter.getTime() - tbs.notBefore.getTime()) / 1000 + 1 <=
      baselineValidityDays(signedAt ?? tbs.notBefore.getTime()) * daySeconds,
  },
  {
    id: 'br_not_before', source: 'BR §7.1.2.7', says: 'notBefore lies within 48 hours of signing', kinds, refusal: 'policyViolation',
    holds: (tbs, { signedAt }) => signedAt === undefined || Math.abs(tbs.notBefore.getTime() - signedAt) <= 2 * daySeconds * 1000,
  },
  {
    id: 'br_subject', source: 'BR §7.1.2.7.2', says: 'the subject has a common name, a country or nothing', kinds,
    holds: (tbs) => attributesOf(tbs).every(({ type }) => subjectOfDomainValidated.has(type)),
  },
  {
    id: 'br_one_common_name', source: 'BR §7.1.4.3', says: 'there is at most one common name, a dNSName or an address', kinds,
    holds: (tbs) =>
      tbs.commonNames.length <= 1 &&
      tbs.commonNames.every((value) => sansOf(tbs).some((san) => (san.type === 'dns' || san.type === 'ip') && san.value === value)),
  },
  {
    id: 'br_san_kinds', source: 'BR §7.1.2.7.12', says: 'alternative names are dNSNames and addresses', kinds, refusal: 'rejectedIdentifier',
    holds: (tbs) => sansOf(tbs).every(({ type }) => type === 'dns' || type === 'ip'),
  },
  {
    id: 'br_no_underscore', source: 'BR §7.1.4.2', says: 'no name has an underscore', kinds, refusal: 'rejectedIdentifier',
    holds: (tbs) => noneHas(tbs, 'underscore'),
  },
  {
    id: 'br_no_internal_name', source: 'BR §7.1.4.2, §1.6.1', says: 'every name ends with a top level domain of the root zone', kinds, refusal: 'rejectedIdentifier',
    holds: (tbs) => noneHas(tbs, 'internal_name'),
  },
  {
    id: 'br_no_wide_wildcard', source: 'BR §3.2.2.6', says: 'no wildcard stands directly below a top level domain', kinds, refusal: 'rejectedIdentifier',
    holds: (tbs) => noneHas(tbs, 'wide_wildcard'),
  },
  {
    id: 'br_no_reserved_ip', source: 'BR §7.1.4.2', says: 'no address is private or reserved by IANA', kinds, refusal: 'rejectedIdentifier',
    holds: (tbs) => noneHas(tbs, 'reserved_ip'),
  },
  {
    id: 'br_extended_key_usage', source: 'BR §7.1.2.7.10', kinds,
    says: 'extended key usages are serverAuth, perhaps clientAuth, nothing else, and not critical',
    holds: (tbs) =>
      usages(tbs).includes(Oid.serverAuth) &&
      usages(tbs).every((usage) => permittedUsages.has(usage)) &&
      extensionOf(tbs, Oid.extKeyUsage)?.critical !== true,
  },
  {
    id: 'br_key_usage', source: 'BR §7.1.2.7.11', says: 'the key signs, with RSA perhaps enciphers keys, and does nothing else', kinds,
    holds: (tbs) => Array.from(keyUsageBits(tbs)).every((bit) => bit === 0 || bit === 2),
  },
  {
    id: 'br_policies', source: 'BR §7.1.2.7.9', says: 'of the reserved policies the one for domain validation is asserted, and no other', kinds,
    holds: (tbs) => policiesOf(tbs).filter((policy) => reservedPolicies.has(policy)).join() === Oid.domainValidated,
  },
  {
    id: 'br_basic_constraints', source: 'BR §7.1.2.7.8', says: 'basic constraints, where they are, are critical', kinds,
    holds: (tbs) => extensionOf(tbs, Oid.basicConstraints)?.critical !== false,
  },
]; // prettier-ignore

function noneHas(tbs: TbsCertificate, fault: PublicNameFault): boolean {
  return sansOf(tbs).every((name) => publicNameFault(name) !== fault);
}
