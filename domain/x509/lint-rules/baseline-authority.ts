import { children } from '../../asn1/der.ts';
import { Oid } from '../oids.ts';
import { attributesOf, contentsOf, usages } from './facts.ts';
import type { LintRule } from './rule.ts';

const kinds = ['intermediate'] as const;
const usagesOfOthers: readonly string[] = [
  Oid.emailProtection,
  Oid.codeSigning,
  Oid.timeStamping,
  Oid.ocspSigning,
  Oid.anyExtendedKeyUsage,
];

/** What the Baseline Requirements want of a CA that signs TLS server certificates. */
export const authorityRules: readonly LintRule[] = [
  {
    id: 'br_ca_subject', source: 'BR §7.1.2.10.2', says: 'a CA has a country, an organization and a common name', kinds, refusal: 'hierarchyViolation',
    holds: (tbs) => {
      const types = attributesOf(tbs).map(({ type }) => type);
      return [Oid.country, Oid.organization, Oid.commonName].every((type) => types.includes(type));
    },
  },
  {
    id: 'br_ca_usages', source: 'BR §7.1.2.10.6', kinds, refusal: 'hierarchyViolation',
    says: 'a CA is for serverAuth, and for neither mail, code, time stamps, OCSP nor anything at all',
    holds: (tbs) => usages(tbs).includes(Oid.serverAuth) && !usages(tbs).some((usage) => usagesOfOthers.includes(usage)),
  },
  {
    id: 'br_ca_name_constraints', source: 'BR §7.1.2.10.8', kinds, refusal: 'hierarchyViolation',
    says: 'name constraints of a CA are of dNSNames, addresses and directory names',
    holds: (tbs) => {
      const element = contentsOf(tbs, Oid.nameConstraints);
      const bases = element === undefined ? [] : children(element).flatMap((list) => children(list)).map((subtree) => children(subtree)[0]?.tag);
      return bases.every((tag) => tag === 0x82 || tag === 0x87 || tag === 0xa4);
    },
  },
]; // prettier-ignore
