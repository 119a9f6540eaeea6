import { children, namedBitsOf, smallInteger, Tag } from '../../asn1/der.ts';
import { extensionOf } from '../certificate.ts';
import { isDnsName } from '../dns-name.ts';
import { attributeText } from '../name.ts';
import { Oid } from '../oids.ts';
import { keyIdentifier } from '../public-key.ts';
import { algorithmIdentifier, type SignatureAlgorithm } from '../signer.ts';
import { algorithmsOf, attributesOf, contentsOf, keyUsageBits, policiesOf, sansOf, subjectKeyOf, urlsOf, usages } from './facts.ts';
import { authorities, endEntities, everyKind, issued, type LintRule } from './rule.ts';

const signatures = Object.entries(algorithmIdentifier) as readonly (readonly [SignatureAlgorithm, Buffer])[];

/** X.520 upper bounds (RFC 5280 Appendix A.1). */
const upperBounds: Readonly<Record<string, number>> = {
  [Oid.commonName]: 64,
  [Oid.organization]: 64,
  [Oid.organizationalUnit]: 64,
  [Oid.locality]: 128,
  [Oid.province]: 128,
  [Oid.country]: 2,
};
const stringTypes: Readonly<Record<string, readonly number[]>> = {
  [Oid.country]: [Tag.printableString],
  [Oid.domainComponent]: [Tag.ia5String],
  [Oid.emailAddress]: [Tag.ia5String],
};
const directoryString = [Tag.utf8String, Tag.printableString];
const neverCritical = [Oid.subjectKeyIdentifier, Oid.authorityKeyIdentifier, Oid.authorityInfoAccess, Oid.cRLDistributionPoints];

/** RFC 5280 and the RFCs that amend it, for certificates as we make them. */
export const rfc5280Rules: readonly LintRule[] = [
  { id: 'version_3', source: 'RFC 5280 §4.1.2.1', says: 'the version is v3', kinds: everyKind, holds: (tbs) => tbs.version === 2 },
  {
    id: 'serial_positive', source: 'RFC 5280 §4.1.2.2', says: 'the serial is positive', kinds: everyKind,
    holds: (tbs) => (tbs.serialOctets[0] ?? 0x80) < 0x80 && tbs.serial !== '0',
  },
  {
    id: 'serial_length', source: 'RFC 5280 §4.1.2.2', says: 'the serial has at most 20 octets', kinds: everyKind,
    holds: (tbs) => tbs.serialOctets.length <= 20,
  },
  {
    id: 'signature_known', source: 'RFC 5280 §4.1.2.3; RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3, RFC 9881 §2', kinds: everyKind,
    says: 'the signature algorithm is RSA with SHA-256, ECDSA with the digest of its curve, Ed25519 or ML-DSA, with parameters as their RFCs say',
    holds: (tbs) => signatures.some(([, known]) => known.equals(tbs.signature)),
  },
  {
    id: 'signature_fits_issuer_key', source: 'RFC 5280 §4.1.1.2', says: "the signature algorithm is one of the CA's key", kinds: everyKind,
    holds: (tbs, { issuer }) =>
      signatures.some(([name, known]) => known.equals(tbs.signature) && algorithmsOf(issuer?.spki ?? tbs.spki).includes(name)),
  },
  { id: 'issuer_not_empty', source: 'RFC 5280 §4.1.2.4', says: 'the issuer has a name', kinds: everyKind, holds: (tbs) => tbs.issuer.length > 2 },
  {
    id: 'issuer_matches', source: 'RFC 5280 §6.1.3 (a)(4)', says: "the issuer is the CA's subject, byte for byte", kinds: issued,
    holds: (tbs, { issuer }) => !issuer || tbs.issuer.equals(issuer.subject),
  },
  { id: 'root_self_issued', source: 'RFC 5280 §3.2', says: 'a root issues itself', kinds: ['root'], holds: (tbs) => tbs.issuer.equals(tbs.subject) },
  {
    id: 'name_strings', source: 'RFC 5280 §4.1.2.4, §4.1.2.6', kinds: everyKind,
    says: 'attributes of the subject are UTF8String or PrintableString, a country PrintableString, mail and domain components IA5String',
    holds: (tbs) => attributesOf(tbs).every(({ type, value }) => (stringTypes[type] ?? directoryString).includes(value.tag)),
  },
  {
    id: 'name_lengths', source: 'RFC 5280 Appendix A.1', says: 'no attribute of the subject is empty or longer than its upper bound', kinds: everyKind,
    holds: (tbs) =>
      attributesOf(tbs).every(({ type, value }) => {
        const { length } = Array.from(attributeText(value));
        return length > 0 && length <= (upperBounds[type] ?? Infinity) && (type !== Oid.country || length === 2);
      }),
  },
  {
    id: 'ca_subject_not_empty', source: 'RFC 5280 §4.1.2.6', says: 'a CA has a subject', kinds: authorities,
    holds: (tbs) => tbs.subject.length > 2,
  },
  {
    id: 'validity_order', source: 'RFC 5280 §4.1.2.5', says: 'notAfter comes after notBefore', kinds: everyKind,
    holds: (tbs) => tbs.notBefore < tbs.notAfter,
  },
  {
    id: 'validity_encoding', source: 'RFC 5280 §4.1.2.5', says: 'times are UTCTime through 2049 and GeneralizedTime from 2050', kinds: everyKind,
    holds: (tbs) =>
      tbs.validity.every(
        (element, index) => (element.tag === Tag.utcTime) === (index === 0 ? tbs.notBefore : tbs.notAfter).getUTCFullYear() < 2050,
      ),
  },
  {
    id: 'unique_identifiers_absent', source: 'RFC 5280 §4.1.2.8', says: 'there are no unique identifiers', kinds: everyKind,
    holds: (tbs) => !tbs.uniqueIdentifiers,
  },
  {
    id: 'aki_present', source: 'RFC 5280 §4.2.1.1', says: 'there is an authority key identifier', kinds: issued,
    holds: (tbs) => extensionOf(tbs, Oid.authorityKeyIdentifier) !== undefined,
  },
  {
    id: 'aki_matches', source: 'RFC 5280 §4.2.1.1', says: "the authority key identifier is the CA's subject key identifier", kinds: issued,
    holds: (tbs, { issuer }) => {
      const element = contentsOf(tbs, Oid.authorityKeyIdentifier);
      const id = element && children(element).find((part) => part.tag === 0x80)?.content;
      return element === undefined || issuer === undefined || id?.equals(issuer.keyIdentifier) === true;
    },
  },
  {
    id: 'ski_present', source: 'RFC 5280 §4.2.1.2', says: 'there is a subject key identifier', kinds: everyKind,
    holds: (tbs) => extensionOf(tbs, Oid.subjectKeyIdentifier) !== undefined,
  },
  {
    id: 'ski_matches', source: 'RFC 5280 §4.2.1.2 (1)', says: 'the subject key identifier is the SHA-1 of the key', kinds: everyKind,
    holds: (tbs) => contentsOf(tbs, Oid.subjectKeyIdentifier)?.content.equals(keyIdentifier(tbs.spki)) ?? true,
  },
  {
    id: 'key_usage_critical', source: 'RFC 5280 §4.2.1.3', says: 'key usage is there and critical', kinds: everyKind,
    holds: (tbs) => extensionOf(tbs, Oid.keyUsage)?.critical === true,
  },
  {
    id: 'key_usage_fits', source: 'RFC 5280 §4.2.1.3', kinds: everyKind,
    says: 'a CA signs certificates and CRLs and has no usage of a subscriber; a subscriber signs, but neither of these',
    holds: (tbs, { kind }) => {
      const bits = keyUsageBits(tbs);
      const isCa = authorities.includes(kind);
      return (isCa ? [5, 6] : [0]).every((bit) => bits.has(bit)) && !(isCa ? [2, 3, 4] : [5, 6]).some((bit) => bits.has(bit));
    },
  },
  {
    id: 'key_usage_fits_key', source: 'RFC 3279 §2.3.1, RFC 8813 §3, RFC 8410 §5, RFC 9881 §5', kinds: everyKind,
    says: 'only an RSA key enciphers keys or data, and only an EC key agrees on keys',
    holds: (tbs, context) => {
      const bits = keyUsageBits(tbs);
      const { kind } = subjectKeyOf(tbs, context);
      return (kind === 'RSA' || (!bits.has(2) && !bits.has(3))) && (kind === 'ECDSA' || !bits.has(4));
    },
  },
  {
    id: 'key_usage_bits', source: 'RFC 5280 §4.2.1.3', says: 'key usage has at least one bit', kinds: everyKind,
    holds: (tbs) => {
      const element = contentsOf(tbs, Oid.keyUsage);
      return element === undefined || namedBitsOf(element).size > 0;
    },
  },
  {
    id: 'policies_unique', source: 'RFC 5280 §4.2.1.4', says: 'no policy is asserted twice', kinds: everyKind,
    holds: (tbs) => new Set(policiesOf(tbs)).size === policiesOf(tbs).length,
  },
  {
    id: 'san_critical_iff_subject_empty', source: 'RFC 5280 §4.2.1.6', kinds: everyKind,
    says: 'alternative names are critical exactly when the subject is empty',
    holds: (tbs) => {
      const extension = extensionOf(tbs, Oid.subjectAltName);
      return extension === undefined || extension.critical === (tbs.subject.length === 2);
    },
  },
  {
    id: 'san_syntax', source: 'RFC 5280 §4.2.1.6', says: 'a dNSName is a host name, or one below `*.`', kinds: everyKind,
    holds: (tbs) => sansOf(tbs).every((name) => name.type !== 'dns' || isDnsName(name.value.replace(/^\*\./, ''))),
  },
  {
    id: 'san_email_syntax', source: 'RFC 5280 §4.2.1.6', says: 'an rfc822Name is a mailbox: a local part, @, a host', kinds: everyKind, refusal: 'badCsr',
    holds: (tbs) => sansOf(tbs).every((name) => name.type !== 'email' || isMailbox(name.value)),
  },
  {
    id: 'san_uri_syntax', source: 'RFC 5280 §4.2.1.6', says: 'a URI is absolute, with a scheme and more', kinds: everyKind, refusal: 'badCsr',
    holds: (tbs) => sansOf(tbs).every((name) => name.type !== 'uri' || isAbsoluteUri(name.value)),
  },
  {
    id: 'basic_constraints', source: 'RFC 5280 §4.2.1.9', says: 'a CA says cA TRUE, critically, and nobody else does', kinds: everyKind,
    holds: (tbs, { kind }) => {
      const element = contentsOf(tbs, Oid.basicConstraints);
      const isCa = element !== undefined && children(element)[0]?.tag === Tag.boolean;
      return authorities.includes(kind) ? isCa && extensionOf(tbs, Oid.basicConstraints)?.critical === true : !isCa;
    },
  },
  {
    id: 'path_length_of_ca', source: 'RFC 5280 §4.2.1.9', says: 'only a CA has a path length', kinds: endEntities,
    holds: (tbs) => {
      const element = contentsOf(tbs, Oid.basicConstraints);
      return element === undefined || children(element).every((part) => part.tag !== Tag.integer);
    },
  },
  {
    id: 'name_constraints_of_ca', source: 'RFC 5280 §4.2.1.10', says: 'name constraints are critical, and only CAs have them', kinds: everyKind,
    holds: (tbs, { kind }) => {
      const extension = extensionOf(tbs, Oid.nameConstraints);
      return extension === undefined || (authorities.includes(kind) && extension.critical);
    },
  },
  {
    id: 'name_constraints_not_empty', source: 'RFC 5280 §4.2.1.10', says: 'name constraints permit or exclude something', kinds: everyKind,
    holds: (tbs) => {
      const element = contentsOf(tbs, Oid.nameConstraints);
      return element === undefined || (children(element).length > 0 && children(element).every((part) => children(part).length > 0));
    },
  },
  {
    id: 'extended_key_usage', source: 'RFC 5280 §4.2.1.12, RFC 6960 §4.2.2.2', kinds: endEntities,
    says: 'a subscriber has extended key usages without OCSPSigning, a responder has OCSPSigning alone',
    holds: (tbs, { kind }) => {
      const all = usages(tbs);
      return kind === 'leaf' ? all.length > 0 && !all.includes(Oid.ocspSigning) : all.length === 1 && all[0] === Oid.ocspSigning;
    },
  },
  {
    id: 'crl_url_http', source: 'RFC 5280 §4.2.1.13', says: 'a CRL distribution point has http URLs', kinds: everyKind,
    holds: (tbs) => extensionOf(tbs, Oid.cRLDistributionPoints) === undefined || areHttp(urlsOf(tbs, Oid.cRLDistributionPoints)),
  },
  {
    id: 'aia_url_http', source: 'RFC 5280 §4.2.2.1', says: 'authority information access has http URLs', kinds: everyKind,
    holds: (tbs) => extensionOf(tbs, Oid.authorityInfoAccess) === undefined || areHttp(urlsOf(tbs, Oid.authorityInfoAccess)),
  },
  {
    id: 'not_critical', source: 'RFC 5280 §4.2', kinds: everyKind,
    says: 'key identifiers, CRL distribution points and authority information access are not critical',
    holds: (tbs) => !neverCritical.some((id) => extensionOf(tbs, id)?.critical),
  },
  {
    id: 'no_check', source: 'RFC 6960 §4.2.2.2.1', says: 'OCSP responders have nocheck, all of them, and nobody else', kinds: everyKind,
    holds: (tbs, { kind }) => (kind === 'ocspResponder') === (extensionOf(tbs, Oid.ocspNoCheck) !== undefined),
  },
  {
    id: 'tls_feature', source: 'RFC 7633 §4.1, §6', says: 'a TLS feature is status_request, and the extension is not critical', kinds: everyKind,
    holds: (tbs) => {
      const element = contentsOf(tbs, Oid.tlsFeature);
      if (element === undefined) return true;
      const features = children(element, 10).map(smallInteger);
      return features.length === 1 && features[0] === 5 && extensionOf(tbs, Oid.tlsFeature)?.critical === false;
    },
  },
]; // prettier-ignore

function areHttp(urls: readonly string[]): boolean {
  return urls.length > 0 && urls.every((url) => /^https?:\/\/[^/]+\//.test(url));
}

function isMailbox(text: string): boolean {
  const at = text.lastIndexOf('@');
  return /^[!-~]{1,64}$/.test(text.slice(0, Math.max(0, at))) && isDnsName(text.slice(at + 1));
}

function isAbsoluteUri(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:[!-~]+$/i.test(text) && URL.canParse(text);
}
