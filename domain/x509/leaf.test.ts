import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildTbsIntermediate, buildTbsOcspResponder, buildTbsRoot } from './authority.ts';
import { parseCertificate } from './certificate.ts';
import { buildTbsLeaf, issuerInfo, signCertificate, type LeafTemplate } from './leaf.ts';
import { lintTbsCertificate } from './lint.ts';
import { toPem } from './pem.ts';
import { newSerial } from './serial.ts';
import { softwareSigner } from './software-signer.ts';

const now = Date.UTC(2026, 10, 24);
const days = (n: number): Date => new Date(now + n * 86_400_000);
const folder = mkdtempSync(join(tmpdir(), 'leaf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const keys = {
  P256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  P384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  P521: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  Ed25519: () => generateKeyPairSync('ed25519'),
};
const spkiOf = (pair: { publicKey: import('node:crypto').KeyObject }): Buffer => pair.publicKey.export({ type: 'spki', format: 'der' });

async function hierarchy(kind: keyof typeof keys) {
  const rootKey = softwareSigner(keys[kind]().privateKey);
  const root = await signCertificate(
    rootKey,
    buildTbsRoot(rootKey.algorithm, {
      serial: newSerial(randomBytes(16)),
      commonName: 'Test Root',
      organization: 'Ünïted',
      spki: rootKey.publicKeySpki,
      notBefore: days(-1),
      notAfter: days(9000),
    }),
  );
  const caKey = softwareSigner(keys[kind]().privateKey);
  const caTbs = buildTbsIntermediate(issuerInfo(root), rootKey.algorithm, {
    serial: newSerial(randomBytes(16)),
    commonName: 'Test Issuing',
    spki: caKey.publicKeySpki,
    notBefore: days(-1),
    notAfter: days(1000),
    pathLength: 0,
    crlDistributionPoints: ['http://pki.test/root.crl'],
    caIssuerUrls: ['http://pki.test/root.cer'],
  });
  const ca = await signCertificate(rootKey, caTbs);
  return { root, ca, caTbs, caKey, issuer: issuerInfo(ca), rootIssuer: issuerInfo(root) };
}

const template = (spki: Uint8Array, more: Partial<LeafTemplate> = {}): LeafTemplate => ({
  serial: newSerial(randomBytes(16)),
  commonName: 'www.example.com',
  spki,
  subjectAltNames: [
    { type: 'dns', value: 'www.example.com' },
    { type: 'dns', value: '*.example.com' },
    { type: 'ip', value: '192.0.2.1' },
    { type: 'ip', value: '2001:db8::1' },
  ],
  notBefore: days(0),
  notAfter: days(90),
  extendedKeyUsages: ['serverAuth', 'clientAuth'],
  mustStaple: false,
  crlDistributionPoints: ['http://pki.test/crl/issuing.crl'],
  ocspUrls: ['http://pki.test/ocsp/issuing'],
  caIssuerUrls: ['http://pki.test/ca/issuing.cer'],
  ...more,
});

let p256: Awaited<ReturnType<typeof hierarchy>>;
beforeAll(async () => {
  p256 = await hierarchy('P256');
});

test.each(Object.keys(keys) as (keyof typeof keys)[])('given a %s hierarchy, openssl verifies root, issuing CA and leaf', async (kind) => {
  const { root, ca, caKey, issuer } = await hierarchy(kind);
  const leaf = await signCertificate(caKey, buildTbsLeaf(issuer, caKey.algorithm, template(spkiOf(keys[kind]()))));
  const path = (name: string, bytes: Uint8Array): string => {
    const file = join(folder, `${kind}-${name}.pem`);
    writeFileSync(file, toPem('CERTIFICATE', bytes));
    return file;
  };
  const attime = String(Math.floor(days(1).getTime() / 1000));
  const args = [
    'verify',
    '-x509_strict',
    '-purpose',
    'sslserver',
    '-attime',
    attime,
    '-CAfile',
    path('root', root),
    '-untrusted',
    path('ca', ca),
    path('leaf', leaf),
  ];
  expect(execFileSync('openssl', args).toString()).toContain('OK');
  expect(new X509Certificate(leaf).verify(new X509Certificate(ca).publicKey)).toBe(true);
  expect(new X509Certificate(leaf).subjectAltName).toBe(
    'DNS:www.example.com, DNS:*.example.com, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1',
  );
});

test('given the same parts, the TBSCertificate equals what @peculiar/x509 builds, byte for byte', async () => {
  x509.cryptoProvider.set(crypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const caKeys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const leafKeys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const oracle = await x509.X509CertificateGenerator.create({
    serialNumber: '5a0102030405060708090a0b0c0d0e0f',
    issuer: 'CN=Issuing',
    subject: new x509.Name([{ CN: [{ utf8String: 'a.example' }] }]),
    notBefore: days(0),
    notAfter: days(90),
    signingKey: caKeys.privateKey,
    publicKey: leafKeys.publicKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
      new x509.BasicConstraintsExtension(false, undefined, true),
      await x509.SubjectKeyIdentifierExtension.create(leafKeys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'a.example' }]),
      new x509.CRLDistributionPointsExtension(['http://pki.test/c.crl']),
      new x509.AuthorityInfoAccessExtension({
        ocsp: ['http://pki.test/ocsp'],
        caIssuers: ['http://pki.test/ca.cer'],
      }),
    ],
  });
  const parsed = parseCertificate(Buffer.from(oracle.rawData));
  const caSpki = Buffer.from(await crypto.subtle.exportKey('spki', caKeys.publicKey));
  const issuer = {
    subject: parsed.issuer,
    keyIdentifier: parsed.authorityKeyIdentifier!,
    notBefore: days(-1),
    notAfter: days(1000),
    spki: caSpki,
  };
  const ours = buildTbsLeaf(issuer, 'ecdsa-p256-sha256', {
    serial: '5a0102030405060708090a0b0c0d0e0f',
    commonName: 'a.example',
    spki: Buffer.from(await crypto.subtle.exportKey('spki', leafKeys.publicKey)),
    subjectAltNames: [{ type: 'dns', value: 'a.example' }],
    notBefore: days(0),
    notAfter: days(90),
    extendedKeyUsages: ['serverAuth'],
    mustStaple: false,
    crlDistributionPoints: ['http://pki.test/c.crl'],
    ocspUrls: ['http://pki.test/ocsp'],
    caIssuerUrls: ['http://pki.test/ca.cer'],
  });
  expect(Buffer.from(ours).toString('hex')).toBe(parsed.tbs.toString('hex'));
});

test('given what the builders build, the linter finds nothing', () => {
  const spki = spkiOf(keys.P256());
  const { issuer, caKey, caTbs, rootIssuer } = p256;
  expect(
    lintTbsCertificate(buildTbsLeaf(issuer, caKey.algorithm, template(spki)), { kind: 'leaf', issuer, maxValiditySeconds: 90 * 86_400 }),
  ).toEqual([]);
  const { commonName: _, ...nameless } = template(spki);
  expect(lintTbsCertificate(buildTbsLeaf(issuer, caKey.algorithm, nameless), { kind: 'leaf', issuer })).toEqual([]);
  expect(lintTbsCertificate(caTbs, { kind: 'intermediate', issuer: rootIssuer })).toEqual([]);
  const responder = buildTbsOcspResponder(issuer, caKey.algorithm, {
    serial: newSerial(randomBytes(16)),
    commonName: 'r',
    spki,
    notBefore: days(0),
    notAfter: days(30),
  });
  expect(lintTbsCertificate(responder, { kind: 'ocspResponder', issuer })).toEqual([]);
});

test('given another CA, the issuer and its key identifier are found wrong', async () => {
  const other = await hierarchy('P256');
  const tbs = buildTbsLeaf({ ...p256.issuer, subject: p256.rootIssuer.subject }, p256.caKey.algorithm, template(spkiOf(keys.P256())));
  expect(lintTbsCertificate(tbs, { kind: 'leaf', issuer: other.issuer }).map((finding) => finding.rule)).toEqual(
    expect.arrayContaining(['issuer_matches', 'aki_matches']),
  );
});
