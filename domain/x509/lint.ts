import { children, DerError, namedBitsOf, Tag, type Element } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { extensionOf, parseTbs, usagesOf, type TbsCertificate } from './certificate.ts';
import { isDnsName } from './dns-name.ts';
import { extensionElement, type Extension } from './extension.ts';
import { readGeneralName } from './general-name.ts';
import type { IssuerInfo } from './leaf.ts';
import { Oid } from './oids.ts';
import { assertStrongKey, keyIdentifier, parsePublicKey, type PublicKeyInfo } from './public-key.ts';
import { algorithmIdentifier } from './signer.ts';

export interface LintFinding {
  /** Stable; refusals and alarms are keyed by it. */
  readonly rule: string;
  readonly detail: string;
}

export interface LintContext {
  readonly kind: 'leaf' | 'root' | 'intermediate' | 'ocspResponder';
  /** Required but for a root. */
  readonly issuer?: IssuerInfo;
  readonly maxValiditySeconds?: number;
  /** The subject's key where it was read before; it counts only when it is the one in the certificate. */
  readonly publicKey?: PublicKeyInfo;
}

type Rule = (tbs: TbsCertificate, context: LintContext) => string | undefined;

const known = new Set<string>([
  Oid.subjectKeyIdentifier, Oid.keyUsage, Oid.subjectAltName, Oid.basicConstraints, Oid.cRLDistributionPoints, Oid.certificatePolicies,
  Oid.authorityKeyIdentifier, Oid.extKeyUsage, Oid.authorityInfoAccess, Oid.tlsFeature, Oid.ocspNoCheck,
  Oid.nameConstraints,
]); // prettier-ignore
const signatures = Object.values(algorithmIdentifier);
const caKinds = new Set(['root', 'intermediate']);
const maxCommonName = 64;

/** RFC 5280 and our own profile, one rule a line; the text is what is wrong. */
const rules: Readonly<Record<string, Rule>> = {
  version_3: (tbs) => (tbs.version === 2 ? undefined : 'the version must be v3 (§4.1.2.1)'),
  serial_positive: (tbs) =>
    (tbs.serialOctets[0] ?? 0x80) < 0x80 && tbs.serial !== '0' ? undefined : 'the serial must be positive (§4.1.2.2)',
  serial_length: (tbs) => (tbs.serialOctets.length <= 20 ? undefined : 'the serial has more than 20 octets (§4.1.2.2)'),
  serial_entropy: (tbs, { kind }) => (caKinds.has(kind) || tbs.serialOctets.length >= 8 ? undefined : 'the serial has less than 64 bits'),
  signature_known: (tbs) =>
    signatures.some((known) => known.equals(tbs.signature)) ? undefined : 'the signature algorithm is not ours (§4.1.2.3)',
  issuer_not_empty: (tbs) => (tbs.issuer.length > 2 ? undefined : 'the issuer must not be empty (§4.1.2.4)'),
  issuer_matches: (tbs, { issuer }) =>
    !issuer || tbs.issuer.equals(issuer.subject) ? undefined : "the issuer is not the CA's subject, byte for byte (§6.1.3)",
  issuer_given: (_, { kind, issuer }) => (kind === 'root' || issuer ? undefined : 'the issuer is needed to judge this'),
  root_self_issued: (tbs, { kind }) => (kind !== 'root' || tbs.issuer.equals(tbs.subject) ? undefined : 'a root issues itself (§6.1)'),
  validity_order: (tbs) => (tbs.notBefore < tbs.notAfter ? undefined : 'notAfter is not after notBefore (§4.1.2.5)'),
  validity_encoding: (tbs) =>
    tbs.validity.every(
      (element, index) => (element.tag === Tag.utcTime) === (index === 0 ? tbs.notBefore : tbs.notAfter).getUTCFullYear() < 2050,
    )
      ? undefined
      : 'UTCTime through 2049, GeneralizedTime from 2050 (§4.1.2.5)',
  validity_inside_issuer: (tbs, { issuer }) =>
    !issuer || tbs.notAfter <= issuer.notAfter ? undefined : 'notAfter is later than the issuer’s',
  validity_maximum: (tbs, { maxValiditySeconds }) =>
    maxValiditySeconds === undefined || tbs.notAfter.getTime() - tbs.notBefore.getTime() <= maxValiditySeconds * 1000
      ? undefined
      : 'the validity is longer than the profile allows',
  key_strong: (tbs, { publicKey }) =>
    attempt(() => assertStrongKey(publicKey !== undefined && tbs.spki.equals(publicKey.spki) ? publicKey : parsePublicKey(tbs.spki))),
  ca_subject_not_empty: (tbs, { kind }) =>
    !caKinds.has(kind) || tbs.subject.length > 2 ? undefined : "a CA's subject must not be empty (§4.1.2.6)",
  common_name_length: (tbs) =>
    tbs.commonNames.every((name) => name.length <= maxCommonName) ? undefined : 'a common name has more than 64 characters (X.520)',
  common_name_in_san: (tbs, { kind }) =>
    kind !== 'leaf' || tbs.commonNames.every((name) => sansOf(tbs).includes(name))
      ? undefined
      : 'the common name is not among the alternative names',
  extensions_known: (tbs) =>
    tbs.extensions.every((extension) => known.has(extension.id)) ? undefined : 'an extension is not of this profile',
  aki_present: (tbs, { kind }) =>
    kind === 'root' || extensionOf(tbs, Oid.authorityKeyIdentifier) ? undefined : 'the authority key identifier is missing (§4.2.1.1)',
  aki_matches: (tbs, { issuer }) => {
    const extension = extensionOf(tbs, Oid.authorityKeyIdentifier);
    if (!extension || !issuer) return undefined;
    const id = children(extensionElement(extension)).find((part) => part.tag === 0x80)?.content;
    return id?.equals(issuer.keyIdentifier)
      ? undefined
      : 'the authority key identifier is not the subject key identifier of the CA (§4.2.1.1)';
  },
  ski_present: (tbs) => (extensionOf(tbs, Oid.subjectKeyIdentifier) ? undefined : 'the subject key identifier is missing (§4.2.1.2)'),
  ski_matches: (tbs) => {
    const extension = extensionOf(tbs, Oid.subjectKeyIdentifier);
    return !extension || extensionElement(extension).content.equals(keyIdentifier(tbs.spki))
      ? undefined
      : 'the subject key identifier is not the hash of the key (§4.2.1.2)';
  },
  key_usage_critical: (tbs) =>
    extensionOf(tbs, Oid.keyUsage)?.critical === true ? undefined : 'key usage must be present and critical (§4.2.1.3)',
  key_usage_fits: (tbs, { kind }) => {
    const bits = keyUsageBits(tbs);
    const wanted = caKinds.has(kind) ? [5, 6] : [0];
    const forbidden = caKinds.has(kind) ? [2, 3, 4] : [5, 6];
    return wanted.every((bit) => bits.has(bit)) && forbidden.every((bit) => !bits.has(bit))
      ? undefined
      : 'the key usage does not fit the kind of certificate (§4.2.1.3)';
  },
  extended_key_usage: (tbs, { kind }) => {
    const extension = extensionOf(tbs, Oid.extKeyUsage);
    if (kind === 'root') return extension ? 'a root has no extended key usage (CA/Browser Forum BR §7.1.2.1.2)' : undefined;
    if (kind === 'intermediate') return undefined;
    const usages = extension ? usagesOf(extension) : [];
    if (usages.length === 0) return 'the extended key usage is missing (§4.2.1.12)';
    const signing = usages.includes(Oid.ocspSigning);
    if (kind === 'ocspResponder')
      return signing && usages.length === 1 ? undefined : 'a responder has OCSPSigning and nothing else (RFC 6960 §4.2.2.2)';
    return signing ? 'a subscriber must not sign OCSP responses (RFC 6960 §4.2.2.2)' : undefined;
  },
  basic_constraints: (tbs, { kind }) => {
    const extension = extensionOf(tbs, Oid.basicConstraints);
    const parts = extension ? children(extensionElement(extension)) : [];
    const ca = parts[0]?.tag === Tag.boolean;
    if (!caKinds.has(kind)) return ca ? 'only a CA says CA:TRUE (§4.2.1.9)' : undefined;
    return ca && extension?.critical === true ? undefined : 'a CA has critical basic constraints with CA:TRUE (§4.2.1.9)';
  },
  name_constraints_of_ca: (tbs, { kind }) => {
    const extension = extensionOf(tbs, Oid.nameConstraints);
    if (extension === undefined) return undefined;
    if (!caKinds.has(kind)) return 'name constraints are for CAs alone (§4.2.1.10)';
    return extension.critical ? undefined : 'name constraints must be critical (§4.2.1.10)';
  },
  no_check: (tbs, { kind }) =>
    (kind === 'ocspResponder') === (extensionOf(tbs, Oid.ocspNoCheck) !== undefined)
      ? undefined
      : 'nocheck is for OCSP responders, all of them (RFC 6960 §4.2.2.2.1)',
  san_present: (tbs, { kind }) => (kind !== 'leaf' || sansOf(tbs).length > 0 ? undefined : 'the alternative names are missing (§4.2.1.6)'),
  san_critical_iff_subject_empty: (tbs) => {
    const extension = extensionOf(tbs, Oid.subjectAltName);
    return !extension || extension.critical === (tbs.subject.length === 2)
      ? undefined
      : 'alternative names are critical exactly when the subject is empty (§4.2.1.6)';
  },
  san_syntax: (tbs) => {
    const extension = extensionOf(tbs, Oid.subjectAltName);
    const bad = (extension ? children(extensionElement(extension)) : [])
      .map(readGeneralName)
      .find((name) => name.type === 'dns' && !isDnsName(name.value.replace(/^\*\./, '')));
    return bad === undefined ? undefined : 'a dNSName is no host name (§4.2.1.6)';
  },
  san_unique: (tbs) => (new Set(sansOf(tbs)).size === sansOf(tbs).length ? undefined : 'an alternative name occurs twice'),
  crl_url_http: (tbs) => urlRule(extensionOf(tbs, Oid.cRLDistributionPoints), 'a CRL distribution point is no http URL (§4.2.1.13)'),
  aia_url_http: (tbs) =>
    urlRule(extensionOf(tbs, Oid.authorityInfoAccess), 'an authority information access location is no http URL (§4.2.2.1)'),
  status_reachable: (tbs, { kind }) =>
    kind !== 'leaf' || (extensionOf(tbs, Oid.cRLDistributionPoints) && extensionOf(tbs, Oid.authorityInfoAccess))
      ? undefined
      : 'a subscriber’s certificate names its CRL and its issuer',
  not_critical: (tbs) =>
    [Oid.subjectKeyIdentifier, Oid.authorityKeyIdentifier, Oid.authorityInfoAccess, Oid.cRLDistributionPoints].some(
      (id) => extensionOf(tbs, id)?.critical,
    )
      ? 'an extension is critical that must not be (§4.2)'
      : undefined,
};

const entries = Object.entries(rules);

export const lintRules: readonly string[] = Object.keys(rules);

/**
 * Checks what is about to be signed. An empty list is a licence to sign.
 *
 * @param tbs TBSCertificate, DER
 */
export function lintTbsCertificate(tbs: Uint8Array, context: LintContext): readonly LintFinding[] {
  let parsed: TbsCertificate;
  try {
    parsed = parseTbs(tbs);
  } catch (error) {
    return [{ rule: 'der', detail: error instanceof DerError ? error.message : 'unreadable' }];
  }
  return lintCertificate(parsed, context);
}

/** The same for a TBSCertificate that has been read. */
export function lintCertificate(tbs: TbsCertificate, context: LintContext): readonly LintFinding[] {
  const findings: LintFinding[] = [];
  for (const [rule, check] of entries) {
    let detail: string | undefined;
    try {
      detail = check(tbs, context);
    } catch {
      detail = 'unreadable';
    }
    if (detail !== undefined) findings.push({ rule, detail });
  }
  return findings;
}

function attempt(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return error instanceof CaError ? error.message : 'unreadable';
  }
}

// Several rules look at the names, and there may be hundreds.
const sans = new WeakMap<TbsCertificate, readonly string[]>();

function sansOf(tbs: TbsCertificate): readonly string[] {
  let names = sans.get(tbs);
  if (names === undefined) {
    const extension = extensionOf(tbs, Oid.subjectAltName);
    names = extension ? children(extensionElement(extension)).map((element) => textOf(element)) : [];
    sans.set(tbs, names);
  }
  return names;
}

function textOf(element: Element): string {
  const name = readGeneralName(element);
  return name.type === 'other' ? Buffer.from(name.der).toString('hex') : name.value;
}

function keyUsageBits(tbs: TbsCertificate): ReadonlySet<number> {
  const extension = extensionOf(tbs, Oid.keyUsage);
  return extension ? namedBitsOf(extensionElement(extension)) : new Set();
}

function urlRule(extension: Extension | undefined, detail: string): string | undefined {
  if (extension === undefined) return undefined;
  const urls = uris(extensionElement(extension));
  return urls.length > 0 && urls.every((url) => /^https?:\/\/[^/]+\//.test(url)) ? undefined : detail;
}

function uris(element: Element): readonly string[] {
  if (element.tag === 0x86) return [element.content.toString('latin1')];
  return (element.tag & 0x20) === 0 ? [] : children(element).flatMap(uris);
}
