import { children, cursor, oidText, readDer, Tag } from '../../asn1/der.ts';
import { Oid } from '../oids.ts';
import { accessMethods, contentsOf, subjectKeyOf, urlsOf } from './facts.ts';
import type { LintRule } from './rule.ts';

/** The reserved policies of the CA/Browser Forum for TLS: domain, organization and individual validated (BR §7.1.6.1). */
export const reservedPolicies: ReadonlySet<string> = new Set([Oid.domainValidated, '2.23.140.1.2.2', '2.23.140.1.2.3']);

const kinds = ['leaf', 'intermediate'] as const;
const accessOfSubscribers = new Set<string>([Oid.adOcsp, Oid.adCaIssuers]);
const signaturesOfRsaAndEc = new Set<string>([
  Oid.sha256WithRSA, Oid.sha384WithRSA, Oid.sha512WithRSA, Oid.ecdsaSha256, Oid.ecdsaSha384, Oid.ecdsaSha512,
]); // prettier-ignore

/** What the CA/Browser Forum's Baseline Requirements for TLS (BR, version 2.1) want of subscribers and CAs alike. */
export const baselineRules: readonly LintRule[] = [
  {
    id: 'br_signature', source: 'BR §7.1.3.2', says: 'the signature is RSA or ECDSA with SHA-256 or better', kinds, refusal: 'policyViolation',
    holds: (tbs) => signaturesOfRsaAndEc.has(oidText(cursor(readDer(tbs.signature)).next(Tag.oid))),
  },
  {
    id: 'br_key_kind', source: 'BR §6.1.5', says: 'the key is RSA or on P-256, P-384 or P-521', kinds, refusal: 'badCsr',
    holds: (tbs, context) => ['RSA', 'ECDSA'].includes(subjectKeyOf(tbs, context).kind),
  },
  {
    id: 'br_policy_qualifiers', source: 'BR §7.1.2.7.9', says: 'policies have no qualifiers', kinds,
    holds: (tbs) => {
      const element = contentsOf(tbs, Oid.certificatePolicies);
      return element === undefined || children(element).every((policy) => children(policy).length === 1);
    },
  },
  {
    id: 'br_authority_key', source: 'BR §7.1.2.11.1', says: 'the authority key identifier has the key identifier alone', kinds,
    holds: (tbs) => {
      const element = contentsOf(tbs, Oid.authorityKeyIdentifier);
      return element === undefined || children(element).every((part) => part.tag === 0x80);
    },
  },
  {
    id: 'br_crl_points', source: 'BR §7.1.2.11.2', says: 'there is a CRL distribution point, all of them plain http', kinds, refusal: 'policyViolation',
    holds: (tbs) => arePlainHttp(urlsOf(tbs, Oid.cRLDistributionPoints)),
  },
  {
    id: 'br_information_access', source: 'BR §7.1.2.7.7, §7.1.2.10.3', kinds, refusal: 'policyViolation',
    says: 'authority information access names OCSP and the issuer’s certificate, all by plain http, nothing else',
    holds: (tbs) =>
      accessMethods(tbs).includes(Oid.adCaIssuers) &&
      accessMethods(tbs).every((method) => accessOfSubscribers.has(method)) &&
      arePlainHttp(urlsOf(tbs, Oid.authorityInfoAccess)),
  },
]; // prettier-ignore

function arePlainHttp(urls: readonly string[]): boolean {
  return urls.length > 0 && urls.every((url) => url.startsWith('http://'));
}
