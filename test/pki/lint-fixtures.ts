import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  boolean,
  der,
  explicit,
  implicit,
  integer,
  integerFromHex,
  namedBits,
  nothing,
  octetString,
  oid,
  sequence,
  setOf,
  Tag,
  time,
} from '#domain/asn1/der.ts';
import { writeExtension } from '#domain/x509/extension.ts';
import { writeGeneralName, type GeneralName } from '#domain/x509/general-name.ts';
import { authorityKey, distributionPoints, informationAccess, subjectKey, type IssuerInfo } from '#domain/x509/leaf.ts';
import { baselineRules } from '#domain/x509/lint-rules/baseline.ts';
import { authorityRules } from '#domain/x509/lint-rules/baseline-authority.ts';
import { subscriberRules } from '#domain/x509/lint-rules/baseline-subscriber.ts';
import type { LintContext, LintKind } from '#domain/x509/lint-rules/rule.ts';
import { Oid } from '#domain/x509/oids.ts';
import { keyIdentifier } from '#domain/x509/public-key.ts';
import { algorithmIdentifier } from '#domain/x509/signer.ts';

// prettier-ignore
type Part = 'version' | 'serial' | 'signature' | 'issuer' | 'validity' | 'subject' | 'spki' | 'uniqueIds' | 'basicConstraints' | 'keyUsage' | 'extKeyUsage'
  | 'nameConstraints' | 'policies' | 'ski' | 'aki' | 'san' | 'crl' | 'aia' | 'tlsFeature' | 'noCheck' | 'other';

/** A to-be-signed certificate in parts, any of which a case replaces or leaves out. */
export type Parts = Partial<Record<Part, Uint8Array | undefined>>;

export interface Fixture {
  readonly kind: LintKind;
  /** What breaks the rule; none: the context does. */
  readonly parts?: Parts;
  readonly context?: Partial<LintContext>;
}

export const at = Date.UTC(2026, 10, 24);
const days = (count: number, from = at): Date => new Date(from + count * 86_400_000);
const ec = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).publicKey;
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const caSpki = spkiOf(ec('P-256'));
const ecSpki = spkiOf(ec('P-256'));
const rsaSpki = spkiOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey);
const weakSpki = spkiOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey);
const ed25519Spki = spkiOf(generateKeyPairSync('ed25519').publicKey);
const mlDsaSpki = spkiOf(generateKeyPairSync('ml-dsa-44').publicKey);

const attribute = (type: string, value: string, tag: number = Tag.utf8String): Buffer =>
  setOf(sequence(oid(type), der(tag, Buffer.from(value))));
const country = attribute(Oid.country, 'DE', Tag.printableString);
const caName = sequence(country, attribute(Oid.organization, 'Example'), attribute(Oid.commonName, 'Issuing'));
const rootName = sequence(attribute(Oid.commonName, 'Root'));
const common = (text: string): Buffer => sequence(attribute(Oid.commonName, text));

/** What the CA says whose key would sign. */
export const issuer: IssuerInfo = {
  subject: caName,
  keyIdentifier: keyIdentifier(caSpki),
  notBefore: days(-1),
  notAfter: days(1000),
  spki: caSpki,
};

const dns = (...values: readonly string[]): readonly GeneralName[] => values.map((value) => ({ type: 'dns', value }));
const san = (names: readonly GeneralName[], critical = false): Buffer =>
  writeExtension(Oid.subjectAltName, critical, sequence(...names.map(writeGeneralName)));
const usage = (...bits: readonly number[]): Buffer => writeExtension(Oid.keyUsage, true, namedBits(bits));
const purposes = (...all: readonly string[]): Buffer => writeExtension(Oid.extKeyUsage, false, sequence(...all.map(oid)));
const asserted = (...all: readonly string[]): Buffer =>
  writeExtension(Oid.certificatePolicies, false, sequence(...all.map((policy) => sequence(oid(policy)))));
const life = (begin: Date, end: Date): Buffer => sequence(time(begin), time(end));
const constrained = (base: Uint8Array, critical = true): Buffer =>
  writeExtension(Oid.nameConstraints, critical, sequence(explicit(0, sequence(base))));
const [crl] = distributionPoints(['http://pki.example.com/crl/1.crl']);
const [aia] = informationAccess(['http://pki.example.com/ocsp/1'], ['http://pki.example.com/ca/1.cer']);
const caTrue = writeExtension(Oid.basicConstraints, true, sequence(boolean(true), integer(0)));

/** What keeps every rule, kind by kind. */
const good: Readonly<Record<LintKind, Parts>> = {
  leaf: {
    subject: common('www.example.com'), spki: ecSpki, basicConstraints: writeExtension(Oid.basicConstraints, true, sequence()), keyUsage: usage(0),
    extKeyUsage: purposes(Oid.serverAuth), policies: asserted(Oid.domainValidated), ski: subjectKey(ecSpki), aki: authorityKey(issuer.keyIdentifier),
    san: san(dns('www.example.com', '*.example.com')), crl, aia,
  },
  root: {
    issuer: rootName, subject: rootName, spki: caSpki, basicConstraints: writeExtension(Oid.basicConstraints, true, sequence(boolean(true))),
    keyUsage: usage(5, 6), ski: subjectKey(caSpki),
  },
  intermediate: {
    subject: sequence(country, attribute(Oid.organization, 'Example'), attribute(Oid.commonName, 'Below')), spki: ecSpki, basicConstraints: caTrue,
    keyUsage: usage(5, 6), extKeyUsage: purposes(Oid.serverAuth), policies: asserted(Oid.domainValidated),
    nameConstraints: constrained(der(0x82, Buffer.from('example.com'))), ski: subjectKey(ecSpki), aki: authorityKey(issuer.keyIdentifier), crl, aia,
  },
  ocspResponder: {
    subject: common('Responder'), spki: ecSpki, keyUsage: usage(0), extKeyUsage: purposes(Oid.ocspSigning), ski: subjectKey(ecSpki),
    aki: authorityKey(issuer.keyIdentifier), noCheck: writeExtension(Oid.ocspNoCheck, false, nothing),
  },
}; // prettier-ignore

const order = [
  'basicConstraints', 'keyUsage', 'extKeyUsage', 'nameConstraints', 'policies', 'ski', 'aki', 'san', 'crl', 'aia', 'tlsFeature', 'noCheck', 'other',
] as const; // prettier-ignore
const nonEmpty = (part: Uint8Array | undefined): Uint8Array[] => (part === undefined ? [] : [part]);

/** A TBSCertificate of a kind with some parts replaced, DER. */
export function tbsOf(kind: LintKind, replaced: Parts = {}): Buffer {
  const parts: Parts = {
    version: explicit(0, integer(2)),
    serial: integerFromHex('5a0102030405060708090a0b0c0d0e0f'),
    signature: algorithmIdentifier['ecdsa-p256-sha256'],
    issuer: issuer.subject,
    validity: life(days(0), days(90)),
    ...good[kind],
    ...replaced,
  };
  const extensions = order.flatMap((part) => nonEmpty(parts[part]));
  return sequence(
    ...(['version', 'serial', 'signature', 'issuer', 'validity', 'subject', 'spki', 'uniqueIds'] as const).flatMap((part) =>
      nonEmpty(parts[part]),
    ),
    explicit(3, sequence(...extensions)),
  );
}

export function contextOf({ kind, context }: Fixture): LintContext {
  return {
    kind,
    further: [...baselineRules, ...subscriberRules, ...authorityRules],
    signedAt: at,
    ...(kind !== 'root' && { issuer }),
    ...context,
  };
}

const leaf = (parts: Parts, context: Partial<LintContext> = {}): Fixture => ({ kind: 'leaf', parts, context });
const below = (parts: Parts): Fixture => ({ kind: 'intermediate', parts });

/** By rule, what breaks it; beside what keeps all of them. */
export const broken: Readonly<Record<string, readonly Fixture[]>> = {
  der: [
    leaf({ other: writeExtension(Oid.basicConstraints, true, sequence()) }),
    leaf({ san: writeExtension(Oid.subjectAltName, false, Buffer.of(0x30, 0x81, 0x00)), subject: Buffer.of(0x30, 0x80, 0, 0) }),
    leaf({ basicConstraints: sequence(oid(Oid.basicConstraints), boolean(false), octetString(sequence())) }),
  ],
  version_3: [leaf({ version: undefined })],
  serial_positive: [leaf({ serial: integer(0) }), leaf({ serial: der(Tag.integer, Buffer.alloc(16, 0x80)) })],
  serial_length: [leaf({ serial: integerFromHex('7f'.repeat(21)) }), leaf({ serial: integerFromHex('ff'.repeat(20)) })],
  signature_known: [
    leaf({ signature: sequence(oid('1.2.840.113549.1.1.5'), nothing) }),
    leaf({ signature: sequence(oid(Oid.ecdsaSha256), nothing) }),
  ],
  signature_fits_issuer_key: [leaf({ signature: algorithmIdentifier['ecdsa-p384-sha384'] }), { kind: 'root', parts: { signature: algorithmIdentifier['rsa-pkcs1-sha256'] } }],
  issuer_not_empty: [leaf({ issuer: sequence() })],
  issuer_matches: [leaf({ issuer: common('Other') })],
  issuer_given: [{ kind: 'leaf', context: { issuer: undefined as unknown as IssuerInfo } }],
  root_self_issued: [{ kind: 'root', parts: { issuer: caName } }],
  name_strings: [
    leaf({ subject: sequence(attribute(Oid.commonName, 'www.example.com', Tag.teletexString)) }),
    leaf({ subject: sequence(attribute(Oid.country, 'DE'), attribute(Oid.commonName, 'www.example.com')) }),
  ],
  name_lengths: [
    below({ subject: sequence(country, attribute(Oid.organization, 'a'.repeat(65)), attribute(Oid.commonName, 'a')) }),
    below({ subject: sequence(attribute(Oid.country, 'DEU', Tag.printableString), attribute(Oid.organization, 'a'), attribute(Oid.commonName, 'a')) }),
    leaf({ subject: common('a'.repeat(65)) }),
    below({ subject: sequence(country, attribute(Oid.organization, ''), attribute(Oid.commonName, 'a')) }),
  ],
  ca_subject_not_empty: [below({ subject: sequence() })],
  validity_order: [leaf({ validity: life(days(1), days(1)) })],
  validity_encoding: [
    leaf({ validity: sequence(der(Tag.generalizedTime, Buffer.from('20261124000000Z')), time(days(90))) }),
    { kind: 'root', parts: { validity: sequence(time(days(0)), der(Tag.generalizedTime, Buffer.from('20491231235959Z'))) } },
  ],
  validity_inside_issuer: [leaf({ validity: life(days(0), days(1001)) })],
  validity_maximum: [leaf({}, { maxValiditySeconds: 89 * 86_400 })],
  unique_identifiers_absent: [leaf({ uniqueIds: implicit(2, Buffer.of(0, 1)) })],
  aki_present: [leaf({ aki: undefined })],
  aki_matches: [leaf({ aki: authorityKey(Buffer.alloc(20)) })],
  ski_present: [leaf({ ski: undefined })],
  ski_matches: [leaf({ ski: subjectKey(caSpki) })],
  key_usage_critical: [leaf({ keyUsage: undefined }), leaf({ keyUsage: writeExtension(Oid.keyUsage, false, namedBits([0])) })],
  key_usage_fits: [leaf({ keyUsage: usage(0, 5) }), below({ keyUsage: usage(5) }), below({ keyUsage: usage(2, 5, 6) })],
  key_usage_fits_key: [leaf({ keyUsage: usage(0, 2) }), leaf({ spki: rsaSpki, ski: subjectKey(rsaSpki), keyUsage: usage(0, 4) }), ...[2, 3, 4].map((bit) => leaf({ spki: mlDsaSpki, ski: subjectKey(mlDsaSpki), keyUsage: usage(0, bit) }))],
  key_usage_bits: [leaf({ keyUsage: writeExtension(Oid.keyUsage, true, der(Tag.bitString, Buffer.of(0, 0))) })],
  policies_unique: [leaf({ policies: asserted(Oid.domainValidated, '1.2.3', '1.2.3') })],
  san_present: [leaf({ san: undefined }), leaf({ san: san([]) })],
  san_critical_iff_subject_empty: [leaf({ subject: sequence() }), leaf({ san: san(dns('www.example.com'), true) })],
  san_syntax: [leaf({ san: san(dns('www.example.com', 'a b.example.com')) }), leaf({ san: san(dns('www.example.com', 'a.*.example.com')) })],
  san_email_syntax: [leaf({ san: san([...dns('www.example.com'), { type: 'email', value: 'example.com' }]) }), leaf({ san: san([...dns('www.example.com'), { type: 'email', value: 'A B <a@example.com>' }]) })],
  san_uri_syntax: [leaf({ san: san([...dns('www.example.com'), { type: 'uri', value: '/relative' }]) })],
  san_unique: [leaf({ san: san(dns('www.example.com', 'www.example.com')) })],
  common_name_in_san: [leaf({ subject: common('other.example.com') })],
  basic_constraints: [leaf({ basicConstraints: caTrue }), below({ basicConstraints: undefined }), below({ basicConstraints: writeExtension(Oid.basicConstraints, false, sequence(boolean(true))) })],
  path_length_of_ca: [leaf({ basicConstraints: writeExtension(Oid.basicConstraints, true, sequence(integer(0))) })],
  name_constraints_of_ca: [leaf({ nameConstraints: constrained(der(0x82, Buffer.from('a.example'))) }), below({ nameConstraints: constrained(der(0x82, Buffer.from('a.example')), false) })],
  name_constraints_not_empty: [below({ nameConstraints: writeExtension(Oid.nameConstraints, true, sequence()) }), below({ nameConstraints: writeExtension(Oid.nameConstraints, true, sequence(explicit(0))) })],
  extended_key_usage: [leaf({ extKeyUsage: undefined }), leaf({ extKeyUsage: purposes(Oid.serverAuth, Oid.ocspSigning) }), { kind: 'ocspResponder', parts: { extKeyUsage: purposes(Oid.ocspSigning, Oid.serverAuth) } }],
  root_any_usage: [{ kind: 'root', parts: { extKeyUsage: purposes(Oid.serverAuth) } }],
  crl_url_http: [leaf({ crl: distributionPoints(['ldap://x/'])[0] })],
  aia_url_http: [leaf({ aia: informationAccess([], ['ldap://x/'])[0] })],
  status_reachable: [leaf({ crl: undefined }), leaf({ aia: undefined })],
  not_critical: [leaf({ ski: writeExtension(Oid.subjectKeyIdentifier, true, octetString(keyIdentifier(ecSpki))) })],
  no_check: [leaf({ noCheck: writeExtension(Oid.ocspNoCheck, false, nothing) }), { kind: 'ocspResponder', parts: { noCheck: undefined } }],
  tls_feature: [leaf({ tlsFeature: writeExtension(Oid.tlsFeature, true, sequence(integer(5))) }), leaf({ tlsFeature: writeExtension(Oid.tlsFeature, false, sequence(integer(17))) })],
  serial_entropy: [leaf({ serial: integer(0x1234) })],
  key_strong: [leaf({ spki: weakSpki, ski: subjectKey(weakSpki) }), below({ spki: sequence(sequence(oid('1.2.840.10040.4.1')), der(Tag.bitString, Buffer.of(0, 1))) })],
  extensions_known: [leaf({ other: writeExtension('1.2.3.4', false, nothing) })],

  br_validity: [
    leaf({ validity: life(days(0), days(200)) }),
    leaf({ validity: life(new Date(Date.UTC(2027, 2, 15)), days(100, Date.UTC(2027, 2, 15))) }, { signedAt: Date.UTC(2027, 2, 15) }),
    leaf({ validity: life(new Date(Date.UTC(2029, 2, 15)), days(47, Date.UTC(2029, 2, 15))) }, { signedAt: Date.UTC(2029, 2, 15) }),
    leaf({ validity: life(days(0), days(200)) }, { signedAt: undefined as unknown as number }),
  ],
  br_not_before: [leaf({ validity: life(days(3), days(90)) })],
  br_signature: [leaf({ signature: algorithmIdentifier.ed25519 }, { issuer: { ...issuer, spki: ed25519Spki } })],
  br_key_kind: [ed25519Spki, mlDsaSpki].map((spki) => leaf({ spki, ski: subjectKey(spki) })),
  br_subject: [leaf({ subject: sequence(attribute(Oid.organization, 'Example'), attribute(Oid.commonName, 'www.example.com')) })],
  br_one_common_name: [
    leaf({ subject: sequence(attribute(Oid.commonName, 'www.example.com'), attribute(Oid.commonName, '*.example.com')) }),
    leaf({ subject: common('a@example.com'), san: san([{ type: 'email', value: 'a@example.com' }]) }),
  ],
  br_san_kinds: [leaf({ san: san([...dns('www.example.com'), { type: 'email', value: 'a@example.com' }]) }), leaf({ san: san([...dns('www.example.com'), { type: 'uri', value: 'spiffe://example.com/a' }]) })],
  br_no_underscore: [leaf({ san: san(dns('www.example.com', 'a_b.example.com')) })],
  br_no_internal_name: [leaf({ san: san(dns('www.example.com', 'intranet')) }), leaf({ san: san(dns('www.example.com', 'db.corp.internal')) }), leaf({ san: san(dns('www.example.com', 'www.example')) })],
  br_no_wide_wildcard: [leaf({ san: san(dns('www.example.com', '*.com')) })],
  br_no_reserved_ip: ['10.1.2.3', '192.0.2.1', 'fd00::1', '::1'].map((value) => leaf({ san: san([...dns('www.example.com'), { type: 'ip', value }]) })),
  br_extended_key_usage: [leaf({ extKeyUsage: purposes(Oid.clientAuth) }), leaf({ extKeyUsage: purposes(Oid.serverAuth, Oid.emailProtection) }), leaf({ extKeyUsage: purposes(Oid.serverAuth, Oid.anyExtendedKeyUsage) }), leaf({ extKeyUsage: writeExtension(Oid.extKeyUsage, true, sequence(oid(Oid.serverAuth))) })],
  br_key_usage: [leaf({ keyUsage: usage(0, 1) }), leaf({ keyUsage: usage(0, 4) })],
  br_policies: [leaf({ policies: undefined }), leaf({ policies: asserted('1.2.3') }), leaf({ policies: asserted(Oid.domainValidated, '2.23.140.1.2.2') })],
  br_policy_qualifiers: [leaf({ policies: writeExtension(Oid.certificatePolicies, false, sequence(sequence(oid(Oid.domainValidated), sequence(sequence(oid('1.3.6.1.5.5.7.2.1'), der(Tag.ia5String, Buffer.from('http://x/'))))))) })],
  br_basic_constraints: [leaf({ basicConstraints: writeExtension(Oid.basicConstraints, false, sequence()) })],
  br_authority_key: [leaf({ aki: writeExtension(Oid.authorityKeyIdentifier, false, sequence(implicit(0, issuer.keyIdentifier), explicit(1, der(0xa4, rootName)), implicit(2, Buffer.of(1)))) })],
  br_crl_points: [leaf({ crl: distributionPoints(['https://pki.example.com/1.crl'])[0] }), below({ crl: undefined })],
  br_information_access: [
    leaf({ aia: informationAccess(['http://pki.example.com/ocsp'], [])[0] }),
    leaf({ aia: informationAccess([], ['https://pki.example.com/1.cer'])[0] }),
    leaf({ aia: writeExtension(Oid.authorityInfoAccess, false, sequence(...[Oid.adCaIssuers, '1.3.6.1.5.5.7.48.3'].map((method) => sequence(oid(method), der(0x86, Buffer.from('http://x.example.com/')))))) }),
  ],
  br_ca_subject: [below({ subject: common('Below') })],
  br_ca_usages: [below({ extKeyUsage: undefined }), below({ extKeyUsage: purposes(Oid.serverAuth, Oid.codeSigning) })],
  br_ca_name_constraints: [below({ nameConstraints: constrained(der(0x81, Buffer.from('example.com'))) })],
}; // prettier-ignore

/** Beside what keeps all rules: keys and forms that are allowed as well. */
export const kept: readonly (readonly [what: string, fixture: Fixture])[] = [
  ['a subscriber with an RSA key that enciphers keys', leaf({ spki: rsaSpki, ski: subjectKey(rsaSpki), keyUsage: usage(0, 2) })],
  ['a subscriber without subject', leaf({ subject: sequence(), san: san(dns('www.example.com'), true) })],
  ['a subscriber of 200 days', leaf({ validity: life(days(0), new Date(days(200).getTime() - 1000)) })],
  ['a subscriber with status_request', leaf({ tlsFeature: writeExtension(Oid.tlsFeature, false, sequence(integer(5))) })],
  ['a subscriber with a public address', leaf({ san: san([...dns('www.example.com'), { type: 'ip', value: '8.8.8.8' }]) })],
  ['a subscriber below an internationalized top level domain', leaf({ san: san(dns('www.example.com', 'www.example.xn--p1ai')) })],
  ['a subscriber of a private profile', leaf({ san: san([...dns('www.example.com', 'a.corp.internal'), { type: 'uri', value: 'spiffe://corp/a' }, { type: 'email', value: 'a@example.com' }]), policies: undefined, extKeyUsage: purposes(Oid.codeSigning) }, { further: [] })],
  ['a CA without reserved policies', { kind: 'intermediate', parts: { policies: undefined, extKeyUsage: undefined, subject: common('Below') }, context: { further: [] } }],
]; // prettier-ignore
