import { generateKeyPairSync } from 'node:crypto';
import * as asn1js from 'asn1js';
import fc from 'fast-check';
import * as pkijs from 'pkijs';
import { expect, test } from 'vitest';
import { crlEntries } from '#domain/revocation/crl-entries.ts';
import { buildTbsCrl } from '#domain/revocation/crl.ts';
import { certIdOf, type CertId } from '#domain/revocation/ocsp-request.ts';
import { buildOcspResponse, type OcspStatus } from '#domain/revocation/ocsp-response.ts';
import type { GeneralName } from '#domain/x509/general-name.ts';
import { ipOctets } from '#domain/x509/ip-address.ts';
import { buildTbsLeaf, type ExtendedKeyUsage, type IssuerInfo, type LeafTemplate } from '#domain/x509/leaf.ts';
import { writeAuthorityName } from '#domain/x509/name.ts';
import { Oid } from '#domain/x509/oids.ts';
import { keyIdentifier, publicKeyBits } from '#domain/x509/public-key.ts';
import type { SignatureAlgorithm, Signer } from '#domain/x509/signer.ts';

// What is assembled by hand on the hot paths, against what the library writes for the same facts: byte for byte.

const runs = { numRuns: 2000 };
const spkiOf = (pair: { publicKey: import('node:crypto').KeyObject }): Buffer => pair.publicKey.export({ type: 'spki', format: 'der' });
const keys = {
  rsa: spkiOf(generateKeyPairSync('rsa', { modulusLength: 2048 })),
  p256: spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  p384: spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-384' })),
  p521: spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-521' })),
  ed25519: spkiOf(generateKeyPairSync('ed25519')),
  mlDsa65: spkiOf(generateKeyPairSync('ml-dsa-65')),
};
const algorithms: Readonly<Record<SignatureAlgorithm, { id: string; parameters?: asn1js.Null }>> = {
  'ecdsa-p256-sha256': { id: Oid.ecdsaSha256 },
  'ecdsa-p384-sha384': { id: Oid.ecdsaSha384 },
  'ecdsa-p521-sha512': { id: Oid.ecdsaSha512 },
  'rsa-pkcs1-sha256': { id: Oid.sha256WithRSA, parameters: new asn1js.Null() },
  ed25519: { id: Oid.ed25519 },
  'ml-dsa-44': { id: Oid.mlDsa44 },
  'ml-dsa-65': { id: Oid.mlDsa65 },
  'ml-dsa-87': { id: Oid.mlDsa87 },
};

const issuerSubject = writeAuthorityName({ commonName: 'Ünïted Issuing', organization: 'Example', country: 'CH' });
const issuer: IssuerInfo = {
  subject: issuerSubject,
  keyIdentifier: keyIdentifier(keys.p384),
  notBefore: new Date(0),
  notAfter: new Date(Date.UTC(2099, 0)),
  spki: keys.p384,
};

const hex = (bytes: Uint8Array | ArrayBuffer): string => Buffer.from(bytes as ArrayBuffer).toString('hex');
const exactly = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;
const fromDer = (bytes: Uint8Array): asn1js.AsnType => asn1js.fromBER(exactly(bytes)).result;
const nameOf = (bytes: Uint8Array): pkijs.RelativeDistinguishedNames => new pkijs.RelativeDistinguishedNames({ schema: fromDer(bytes) });

/** An INTEGER from hex: two's complement, so a leading octet of 80 and more gets a zero before it. */
function integerOf(text: string): asn1js.Integer {
  const octets = Buffer.from(text.length % 2 === 0 ? text : `0${text}`, 'hex');
  return new asn1js.Integer({ valueHex: exactly((octets[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), octets]) : octets) });
}

function algorithmOf(algorithm: SignatureAlgorithm): pkijs.AlgorithmIdentifier {
  const { id, parameters } = algorithms[algorithm];
  return new pkijs.AlgorithmIdentifier({ algorithmId: id, ...(parameters && { algorithmParams: parameters }) });
}

const timeOf = (value: Date): pkijs.Time =>
  new pkijs.Time({ type: value.getUTCFullYear() < 2050 ? pkijs.TimeType.UTCTime : pkijs.TimeType.GeneralizedTime, value });

const extension = (extnID: string, critical: boolean, value: asn1js.BaseBlock): pkijs.Extension =>
  new pkijs.Extension({ extnID, critical, extnValue: value.toBER() });

function generalNameOf(name: GeneralName): pkijs.GeneralName {
  switch (name.type) {
    case 'email':
      return new pkijs.GeneralName({ type: 1, value: name.value });
    case 'dns':
      return new pkijs.GeneralName({ type: 2, value: name.value });
    case 'uri':
      return new pkijs.GeneralName({ type: 6, value: name.value });
    case 'ip':
      return new pkijs.GeneralName({ type: 7, value: new asn1js.OctetString({ valueHex: exactly(ipOctets(name.value)) }) });
    case 'other':
      throw new Error('not generated');
  }
}

const uri = (value: string): pkijs.GeneralName => new pkijs.GeneralName({ type: 6, value });

const serials = fc.bigInt({ min: 1n, max: 2n ** 128n - 1n }).map((value) => value.toString(16));
const dates = fc.integer({ min: Date.UTC(2020, 0) / 1000, max: Date.UTC(2098, 0) / 1000 }).map((seconds) => new Date(seconds * 1000));
const algorithm = fc.constantFrom(...(Object.keys(algorithms) as SignatureAlgorithm[]));
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const host = fc.tuple(fc.constantFrom('', '*.'), label, label).map(([star, a, b]) => `${star}${a}.${b}.example`);
const url = fc.tuple(label, fc.stringMatching(/^[a-z0-9/]{0,90}$/)).map(([a, path]) => `http://${a}.test/${path}`);
const names: fc.Arbitrary<GeneralName> = fc.oneof(
  host.map((value) => ({ type: 'dns', value }) as const),
  fc.ipV4().map((value) => ({ type: 'ip', value }) as const),
  fc.ipV6().filter((text) => !text.includes('.')).map((value) => ({ type: 'ip', value }) as const),
  label.map((value) => ({ type: 'email', value: `${value}@example.com` }) as const),
  url.map((value) => ({ type: 'uri', value }) as const),
); // prettier-ignore

const leaf: fc.Arbitrary<LeafTemplate> = fc
  .record({
    serial: serials,
    commonName: fc.option(fc.oneof(host, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 64 })), { nil: undefined }),
    spki: fc.constantFrom(...Object.values(keys)),
    subjectAltNames: fc.array(names, { minLength: 1, maxLength: 30 }),
    notBefore: dates,
    notAfter: dates,
    extendedKeyUsages: fc.uniqueArray(
      fc.constantFrom<ExtendedKeyUsage>('serverAuth', 'clientAuth', 'codeSigning', 'emailProtection', 'timeStamping'),
      { minLength: 1 },
    ),
    mustStaple: fc.boolean(),
    crlDistributionPoints: fc.array(url, { maxLength: 2 }),
    ocspUrls: fc.array(url, { maxLength: 2 }),
    caIssuerUrls: fc.array(url, { maxLength: 2 }),
  })
  .map(({ commonName, ...rest }) => (commonName === undefined ? rest : { ...rest, commonName }));

function leafByLibrary(algorithmName: SignatureAlgorithm, template: LeafTemplate): ArrayBuffer {
  const isRsa = template.spki === keys.rsa;
  // The library writes an empty Name with an empty set in it.
  const subject =
    template.commonName === undefined
      ? nameOf(Buffer.from('3000', 'hex'))
      : new pkijs.RelativeDistinguishedNames({
          typesAndValues: [
            new pkijs.AttributeTypeAndValue({ type: Oid.commonName, value: new asn1js.Utf8String({ value: template.commonName }) }),
          ],
        });
  const points = template.crlDistributionPoints.map((value) => new pkijs.DistributionPoint({ distributionPoint: [uri(value)] }));
  const access = [
    ...template.ocspUrls.map((value) => new pkijs.AccessDescription({ accessMethod: Oid.adOcsp, accessLocation: uri(value) })),
    ...template.caIssuerUrls.map((value) => new pkijs.AccessDescription({ accessMethod: Oid.adCaIssuers, accessLocation: uri(value) })),
  ];
  const certificate = new pkijs.Certificate({
    version: 2,
    serialNumber: integerOf(template.serial),
    signature: algorithmOf(algorithmName),
    issuer: nameOf(issuer.subject),
    notBefore: timeOf(template.notBefore),
    notAfter: timeOf(template.notAfter),
    subject,
    subjectPublicKeyInfo: new pkijs.PublicKeyInfo({ schema: fromDer(template.spki) }),
    extensions: [
      extension(
        Oid.keyUsage,
        true,
        new asn1js.BitString({ unusedBits: isRsa ? 5 : 7, valueHex: Uint8Array.of(isRsa ? 0xa0 : 0x80).buffer }),
      ),
      extension(
        Oid.extKeyUsage,
        false,
        new pkijs.ExtKeyUsage({ keyPurposes: template.extendedKeyUsages.map((usage) => Oid[usage]) }).toSchema(),
      ),
      extension(Oid.basicConstraints, true, new pkijs.BasicConstraints({ cA: false }).toSchema()),
      extension(Oid.subjectKeyIdentifier, false, new asn1js.OctetString({ valueHex: exactly(keyIdentifier(template.spki)) })),
      extension(
        Oid.authorityKeyIdentifier,
        false,
        new pkijs.AuthorityKeyIdentifier({ keyIdentifier: new asn1js.OctetString({ valueHex: exactly(issuer.keyIdentifier) }) }).toSchema(),
      ),
      extension(
        Oid.subjectAltName,
        template.commonName === undefined,
        new pkijs.GeneralNames({ names: template.subjectAltNames.map(generalNameOf) }).toSchema(),
      ),
      ...(points.length === 0
        ? []
        : [extension(Oid.cRLDistributionPoints, false, new pkijs.CRLDistributionPoints({ distributionPoints: points }).toSchema())]),
      ...(access.length === 0
        ? []
        : [extension(Oid.authorityInfoAccess, false, new pkijs.InfoAccess({ accessDescriptions: access }).toSchema())]),
      ...(template.mustStaple
        ? [extension(Oid.tlsFeature, false, new asn1js.Sequence({ value: [new asn1js.Integer({ value: 5 })] }))]
        : []),
    ],
  });
  return certificate.encodeTBS().toBER();
}

test('given any leaf, the TBSCertificate is what the library writes', () => {
  fc.assert(
    fc.property(algorithm, leaf, (signature, template) => {
      expect(hex(buildTbsLeaf(issuer, signature, template))).toBe(hex(leafByLibrary(signature, template)));
    }),
    runs,
  );
});

const entry = fc.record({ serial: serials, revokedAt: dates, reason: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 9) });

test('given any list of revoked certificates, the TBSCertList is what the library writes', () => {
  fc.assert(
    fc.property(
      algorithm,
      fc.bigInt({ min: 1n, max: 2n ** 63n }),
      dates,
      dates,
      fc.array(entry, { maxLength: 40 }),
      fc.option(url, { nil: undefined }),
      (signature, number, thisUpdate, nextUpdate, revoked, point) => {
        const ours = buildTbsCrl(issuer, signature, { number, thisUpdate, nextUpdate, entries: crlEntries(revoked), point });
        const list = new pkijs.CertificateRevocationList({
          version: 1,
          signature: algorithmOf(signature),
          issuer: nameOf(issuer.subject),
          thisUpdate: timeOf(thisUpdate),
          nextUpdate: timeOf(nextUpdate),
          crlExtensions: new pkijs.Extensions({
            extensions: [
              extension(
                Oid.authorityKeyIdentifier,
                false,
                new pkijs.AuthorityKeyIdentifier({
                  keyIdentifier: new asn1js.OctetString({ valueHex: exactly(issuer.keyIdentifier) }),
                }).toSchema(),
              ),
              extension(Oid.cRLNumber, false, integerOf(number.toString(16))),
              ...(point === undefined
                ? []
                : [
                    extension(
                      Oid.issuingDistributionPoint,
                      true,
                      new pkijs.IssuingDistributionPoint({ distributionPoint: [uri(point)], onlyContainsUserCerts: true }).toSchema(),
                    ),
                  ]),
            ],
          }),
        });
        if (revoked.length > 0)
          list.revokedCertificates = revoked.map(
            ({ serial, revokedAt, reason }) =>
              new pkijs.RevokedCertificate({
                userCertificate: integerOf(serial),
                revocationDate: timeOf(revokedAt),
                ...(reason !== 0 && {
                  crlEntryExtensions: new pkijs.Extensions({
                    extensions: [extension(Oid.cRLReason, false, new asn1js.Enumerated({ value: reason }))],
                  }),
                }),
              }),
          );
        expect(hex(ours)).toBe(hex((list as unknown as { encodeTBS(): asn1js.Sequence }).encodeTBS().toBER()));
      },
    ),
    runs,
  );
});

/** Keeps what it was given to sign: of a response, the part that is signed is compared, and the whole is read back. */
function recordingSigner(algorithmName: SignatureAlgorithm): Signer & { readonly signed: Uint8Array[] } {
  const signed: Uint8Array[] = [];
  return {
    algorithm: algorithmName,
    publicKeySpki: keys.p256,
    signed,
    sign: async (tbs) => {
      signed.push(tbs);
      return Buffer.from('3006020101020101', 'hex');
    },
  };
}

const status: fc.Arbitrary<OcspStatus> = fc.oneof(
  fc.constant({ status: 'good' } as const),
  fc.constant({ status: 'unknown' } as const),
  fc.record({ status: fc.constant('revoked' as const), revokedAt: dates, reason: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 9) }),
);

function statusByLibrary(value: OcspStatus): asn1js.BaseBlock {
  if (value.status !== 'revoked')
    return new asn1js.Primitive({ idBlock: { tagClass: 3, tagNumber: value.status === 'good' ? 0 : 2 }, valueHex: new ArrayBuffer(0) });
  return new asn1js.Constructed({
    idBlock: { tagClass: 3, tagNumber: 1 },
    value: [
      new asn1js.GeneralizedTime({ valueDate: value.revokedAt }),
      ...(value.reason === 0
        ? []
        : [new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [new asn1js.Enumerated({ value: value.reason })] })]),
    ],
  });
}

test('given any answer, the ResponseData is what the library writes, and the whole is read back by it', async () => {
  const keyHash = keyIdentifier(keys.p256);
  const certificate = Buffer.from(leafResponder());
  let readBack = 0;
  await fc.assert(
    fc.asyncProperty(
      algorithm,
      dates,
      fc.array(fc.record({ serial: serials, status, thisUpdate: dates, nextUpdate: dates }), { minLength: 1, maxLength: 3 }),
      fc.option(fc.uint8Array({ minLength: 1, maxLength: 128 }), { nil: undefined }),
      async (signature, producedAt, asked, nonce) => {
        const signer = recordingSigner(signature);
        const singles = asked.map((single): typeof single & { certId: CertId } => ({ ...single, certId: certIdOf(issuer, single.serial) }));
        const ours = await buildOcspResponse({ signer, certificate, keyHash }, { producedAt, singles, ...(nonce && { nonce }) });
        const data = new pkijs.ResponseData({
          responderID: new asn1js.OctetString({ valueHex: exactly(keyHash) }),
          producedAt,
          responses: singles.map((single) => {
            const response = new pkijs.SingleResponse({
              certID: new pkijs.CertID({
                hashAlgorithm: new pkijs.AlgorithmIdentifier({ algorithmId: Oid.sha1, algorithmParams: new asn1js.Null() }),
                issuerNameHash: new asn1js.OctetString({ valueHex: exactly(single.certId.issuerNameHash) }),
                issuerKeyHash: new asn1js.OctetString({ valueHex: exactly(single.certId.issuerKeyHash) }),
                serialNumber: integerOf(single.serial),
              }),
              thisUpdate: single.thisUpdate,
              nextUpdate: single.nextUpdate,
            });
            response.certStatus = statusByLibrary(single.status);
            return response;
          }),
          ...(nonce && {
            responseExtensions: [extension(Oid.ocspNonce, false, new asn1js.OctetString({ valueHex: exactly(nonce) }))],
          }),
        });
        expect(hex(signer.signed[0]!)).toBe(hex((data.toSchema(true) as asn1js.Sequence).toBER()));
        // What stands around it has no choices: a few of them tell.
        if (readBack++ < 50) assertReadable(ours, asked.length, certificate);
      },
    ),
    runs,
  );
});

function assertReadable(response: Uint8Array, singles: number, certificate: Buffer): void {
  const read = new pkijs.OCSPResponse({ schema: fromDer(response) });
  expect(read.responseStatus.valueBlock.valueDec).toBe(0);
  const basic = new pkijs.BasicOCSPResponse({ schema: fromDer(new Uint8Array(read.responseBytes!.response.valueBlock.valueHexView)) });
  expect(basic.tbsResponseData.responses).toHaveLength(singles);
  const [sent] = basic.certs ?? [];
  expect(sent && hex(sent.toSchema(false).toBER())).toBe(certificate.toString('hex'));
}

/** Any certificate: its bytes are carried along, not looked at. */
function leafResponder(): ArrayBuffer {
  const tbs = fromDer(
    buildTbsLeaf(issuer, 'ecdsa-p256-sha256', {
      serial: '1',
      spki: keys.p256,
      subjectAltNames: [{ type: 'dns', value: 'ocsp.example' }],
      notBefore: new Date(0),
      notAfter: new Date(1000),
      extendedKeyUsages: ['serverAuth'],
      mustStaple: false,
      crlDistributionPoints: [],
      ocspUrls: [],
      caIssuerUrls: [],
    }),
  );
  const whole = new asn1js.Sequence({
    value: [tbs, algorithmOf('ecdsa-p256-sha256').toSchema(), new asn1js.BitString({ valueHex: Uint8Array.of(0x30, 0).buffer })],
  });
  return whole.toBER();
}

test('given the public key of a CertID, its hashes are those of the key and the name', () => {
  expect(hex(certIdOf(issuer, 'a').issuerKeyHash)).toBe(keyIdentifier(keys.p384).toString('hex'));
  expect(publicKeyBits(keys.p384)).toHaveLength(97);
});
