import { extensionOf } from '../certificate.ts';
import { Oid } from '../oids.ts';
import { assertStrongKey } from '../public-key.ts';
import { nameText, sansOf, subjectKeyOf } from './facts.ts';
import { everyKind, issued, type LintRule } from './rule.ts';

const known = new Set<string>([
  Oid.subjectKeyIdentifier, Oid.keyUsage, Oid.subjectAltName, Oid.basicConstraints, Oid.cRLDistributionPoints, Oid.certificatePolicies,
  Oid.authorityKeyIdentifier, Oid.extKeyUsage, Oid.authorityInfoAccess, Oid.tlsFeature, Oid.ocspNoCheck,
  Oid.nameConstraints,
]); // prettier-ignore

/** What we hold all certificates to, whatever RFC 5280 leaves open. */
export const profileRules: readonly LintRule[] = [
  {
    id: 'issuer_given', source: 'our profile', says: 'what the CA says is known', kinds: issued,
    holds: (_, { issuer }) => issuer !== undefined,
  },
  {
    id: 'serial_entropy', source: 'our profile, BR §7.1', says: 'the serial has at least 64 bits', kinds: everyKind,
    holds: (tbs) => tbs.serialOctets.length >= 8,
  },
  {
    id: 'validity_inside_issuer', source: 'our profile', says: "notAfter is not later than the CA's", kinds: issued,
    holds: (tbs, { issuer }) => issuer === undefined || tbs.notAfter <= issuer.notAfter,
  },
  {
    id: 'validity_maximum', source: 'our profile', says: 'validity is not longer than the certificate profile allows', kinds: ['leaf'],
    holds: (tbs, { maxValiditySeconds }) =>
      maxValiditySeconds === undefined || tbs.notAfter.getTime() - tbs.notBefore.getTime() <= maxValiditySeconds * 1000,
  },
  {
    id: 'key_strong', source: 'our profile, BR §6.1.1.3, §6.1.5, §6.1.6', kinds: everyKind, refusal: 'badCsr',
    says: 'an RSA key has 2048 to 4096 bits, exponent 65537, no small factor and no broken generator; an EC key is a point of P-256, P-384 or P-521',
    holds: (tbs, context) => {
      assertStrongKey(subjectKeyOf(tbs, context));
      return true;
    },
  },
  {
    id: 'common_name_in_san', source: 'our profile, BR §7.1.4.3', says: 'a common name is among the alternative names', kinds: ['leaf'],
    holds: (tbs) => tbs.commonNames.every((name) => sansOf(tbs).some((san) => nameText(san) === name)),
  },
  {
    id: 'san_present', source: 'our profile, RFC 9525 §2', says: 'there is an alternative name', kinds: ['leaf'],
    holds: (tbs) => sansOf(tbs).length > 0,
  },
  {
    id: 'san_unique', source: 'our profile', says: 'no alternative name occurs twice', kinds: everyKind, refusal: 'badCsr',
    holds: (tbs) => new Set(sansOf(tbs).map(nameText)).size === sansOf(tbs).length,
  },
  {
    id: 'extensions_known', source: 'our profile', says: 'there are no extensions but those that we write', kinds: everyKind,
    holds: (tbs) => tbs.extensions.every(({ id }) => known.has(id)),
  },
  {
    id: 'root_any_usage', source: 'our profile, BR §7.1.2.1.2', says: 'a root has no extended key usage', kinds: ['root'],
    holds: (tbs) => extensionOf(tbs, Oid.extKeyUsage) === undefined,
  },
  {
    id: 'status_reachable', source: 'our profile', says: 'a subscriber’s certificate names its CRL and its issuer', kinds: ['leaf'],
    holds: (tbs) => extensionOf(tbs, Oid.cRLDistributionPoints) !== undefined && extensionOf(tbs, Oid.authorityInfoAccess) !== undefined,
  },
]; // prettier-ignore
