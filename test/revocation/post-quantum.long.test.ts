import { generateKeyPairSync, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bitString, bitStringOctets, cursor, explicit, integer, oid, readDer, sequence, setOf, Tag } from '#domain/asn1/der.ts';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { writeExtension } from '#domain/x509/extension.ts';
import { writeGeneralName } from '#domain/x509/general-name.ts';
import { mlDsaKinds, signatureOf, type MlDsaKind } from '#domain/x509/key-algorithm.ts';
import { messageRepresentative, mlDsa } from '#domain/x509/ml-dsa.ts';
import { Oid } from '#domain/x509/oids.ts';
import { assertSigned } from '#domain/x509/path/signature.ts';
import { validatePath } from '#domain/x509/path/validate.ts';
import { fromPem, toPem } from '#domain/x509/pem.ts';
import { parsePublicKey, publicKeyBits } from '#domain/x509/public-key.ts';
import { algorithmIdentifier } from '#domain/x509/signer.ts';
import { acmeClient, firstCertificate, registered } from '../acme/client.ts';
import { startKeyService, type KeyService } from '../fakes/key-service.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, request, startPlatform, until, type Platform } from '../platform.ts';
import { issueBelow, makeChild, makeRoot, type IssuedLeaf } from './hierarchy.ts';
import { publishedList, serialOf } from './status.ts';

let platform: Platform;
let service: KeyService;
beforeAll(async () => {
  service = await startKeyService({}, 'ML_DSA_65');
  platform = await startPlatform({ env: { AWS_ENDPOINT_URL_KMS: service.url } });
});
afterAll(async () => {
  await platform.stop();
  await service.stop();
});

const keyOf = (kind: MlDsaKind): KeyObject => generateKeyPairSync(mlDsa[kind].type as 'ml-dsa-44').privateKey;
const derOf = (pem: string): Buffer => Buffer.from(fromPem('CERTIFICATE', pem));
const kindOf = (certificate: Uint8Array): string => parsePublicKey(parseCertificate(certificate).spki).kind;

/** The status that a response gives, once its responder, whom the CA certified, has signed it; and who that is. OpenSSL of Debian cannot tell. */
async function ocsp(leaf: IssuedLeaf): Promise<{ readonly status: 'good' | 'revoked'; readonly responder: Buffer }> {
  const { body } = await request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/${leaf.ca}/serial/${serialOf(leaf)}`);
  const response = cursor(readDer(body), Tag.sequence);
  expect(response.next(Tag.enumerated).content).toEqual(Buffer.of(0));
  const bytes = cursor(cursor(response.next(0xa0)).next(Tag.sequence));
  bytes.next(Tag.oid);
  const basic = cursor(readDer(bytes.next(Tag.octetString).content), Tag.sequence);
  const [data, algorithm] = [basic.next(Tag.sequence), basic.next(Tag.sequence)];
  const signature = bitStringOctets(basic.next(Tag.bitString));
  const responder = cursor(basic.next(0xa0)).next(Tag.sequence);
  const [certificate] = [cursor(responder).next(Tag.sequence).raw];
  assertSigned(parseCertificate(certificate).spki, algorithm.raw, data.raw, signature);
  const parts = cursor(data);
  parts.next(0xa2);
  parts.next(Tag.generalizedTime);
  const single = cursor(cursor(parts.next(Tag.sequence)).next(Tag.sequence));
  single.next(Tag.sequence);
  return { status: single.maybe(0x80) === undefined ? 'revoked' : 'good', responder: certificate };
}

test.each(mlDsaKinds)(
  'below a root and a CA with keys of %s, certificates, CRL and OCSP are signed with it and verify (RFC 9881)',
  async (kind) => {
    const root = await makeRoot(platform, keyOf(kind));
    const ca = await makeChild(platform, root, kind);
    const [leaf, other] = await issueBelow(platform, ca, 2);
    if (leaf === undefined || other === undefined) throw new Error('no certificates');
    const [anchor, issuing, certificate] = [root.certificate, ca.certificate, leaf.leaf].map(derOf) as [Buffer, Buffer, Buffer];
    for (const made of [anchor, issuing, certificate]) {
      expect(Buffer.from(parseCertificate(made).signature)).toEqual(algorithmIdentifier[signatureOf[kind]]);
    }
    // OpenSSL as Node has it agrees.
    expect(new X509Certificate(certificate).verify(new X509Certificate(issuing).publicKey)).toBe(true);
    expect(new X509Certificate(issuing).verify(new X509Certificate(anchor).publicKey)).toBe(true);

    const decided = async (end: Uint8Array): Promise<string> => {
      const crls = await Promise.all([ca.id, root.id].map(async (id) => (await publishedList(platform, id)).der));
      const question = { certificate: end, intermediates: [issuing], anchors: [anchor], options: { at: new Date() } };
      const result = validatePath({ ...question, revocation: { crls, required: true } });
      return result.valid ? 'valid' : result.code;
    };
    expect(await decided(certificate)).toBe('valid');
    const good = await ocsp(leaf);
    expect([good.status, kindOf(good.responder)]).toEqual(['good', kind]);
    expect(new X509Certificate(good.responder).verify(new X509Certificate(issuing).publicKey)).toBe(true);

    expect((await api(platform, 'POST', `/api/v1/certificates/${leaf.id}/revoke`, { reason: 'superseded' })).status).toBe(200);
    expect((await ocsp(leaf)).status).toBe('revoked');
    await until('the CRL has it', async () => (await decided(certificate)) === 'revoked' || undefined, 60);
    expect(await decided(derOf(other.leaf))).toBe('valid');
    // One bit of a signature, somewhere in its thousands of octets.
    const broken = Buffer.from(derOf(other.leaf));
    broken[broken.length - 1000]! ^= 1;
    expect(await decided(broken)).toBe('bad_signature');
  },
);

test('a CA whose ML-DSA key is in KMS signs short certificates as they are, long ones by their representative, and CRLs', async () => {
  const root = await makeRoot(platform, service.privateKey, service.arn);
  const names = Array.from({ length: 100 }, (_, i) => `a-name-that-takes-its-place-${i}.example.com`);
  const [short] = await issueBelow(platform, root, 1);
  const [long] = await issueBelow(platform, root, 1, { profile: 'internal', csr: () => makeCsr(names).csr });
  const anchor = derOf(root.certificate);
  for (const issued of [short, long]) {
    const certificate = derOf(issued?.leaf ?? '');
    expect(new X509Certificate(certificate).verify(new X509Certificate(anchor).publicKey)).toBe(true);
    const crls = [(await publishedList(platform, root.id)).der];
    const question = { certificate, intermediates: [], anchors: [anchor], options: { at: new Date() } };
    expect(validatePath({ ...question, revocation: { crls, required: true } }).valid).toBe(true);
  }
  const tbsOf = (issued: IssuedLeaf | undefined): Buffer => Buffer.from(parseCertificate(derOf(issued?.leaf ?? '')).tbs);
  expect([tbsOf(short).length <= 4096, tbsOf(long).length > 4096]).toEqual([true, true]);
  expect(service.signed).toContain(tbsOf(short).toString('hex'));
  const publicKey = publicKeyBits(parseCertificate(anchor).spki);
  expect(service.signed).toContain(messageRepresentative(publicKey, tbsOf(long)).toString('hex'));
});

/** A CSR for a name by an ML-DSA key, PEM. */
function csrOf(kind: MlDsaKind, name: string): string {
  const { privateKey, publicKey } = generateKeyPairSync(mlDsa[kind].type as 'ml-dsa-44');
  const names = writeExtension(Oid.subjectAltName, false, sequence(writeGeneralName({ type: 'dns', value: name })));
  const attributes = explicit(0, sequence(oid(Oid.extensionRequest), setOf(sequence(names))));
  const info = sequence(integer(0), sequence(), publicKey.export({ type: 'spki', format: 'der' }), attributes);
  return toPem('CERTIFICATE REQUEST', sequence(info, algorithmIdentifier[signatureOf[kind]], bitString(sign(null, info, privateKey))));
}

test('over ACME a certificate for an ML-DSA key is issued, and revoked by its account, not by whoever has another key', async () => {
  const profile = { acme_auth_mode: 'trust_authenticated', allowed_names: ['.pq.example'], acknowledge_trust: true };
  const made = await api(platform, 'POST', '/api/v1/profiles', {
    ...profile,
    id: 'pq-acme',
    name: 'Post-quantum over ACME',
    key_rules: [{ algorithm: 'ML-DSA-87', min_size: 256 }],
  });
  expect(made.status, made.text).toBe(201);
  const client = await registered(platform, { profile: 'pq-acme' });
  const { url, body } = await client.order('www.pq.example');
  const csr = Buffer.from(fromPem('CERTIFICATE REQUEST', csrOf('ML-DSA-87', 'www.pq.example'))).toString('base64url');
  expect((await client.post(String(body['finalize']), { csr })).json()['status']).toBe('valid');
  const pem = (await client.post(String((await client.post(url)).json()['certificate']))).text;
  const certificate = firstCertificate(pem);
  expect(kindOf(certificate)).toBe('ML-DSA-87');
  const revokeCert = String(client.directory['revokeCert']);
  const stranger = await acmeClient(platform, { profile: 'pq-acme' });
  const refused = await stranger.post(revokeCert, { certificate: certificate.toString('base64url') });
  expect([refused.status, refused.json()['type']]).toEqual([403, 'urn:ietf:params:acme:error:unauthorized']);
  expect((await client.post(revokeCert, { certificate: certificate.toString('base64url') })).status).toBe(200);
});

test('subscribers have ML-DSA keys where their profile says so, and only there', async () => {
  const made = await api(platform, 'POST', '/api/v1/profiles', {
    id: 'post-quantum',
    name: 'Post-quantum',
    key_rules: [{ algorithm: 'ML-DSA-65', min_size: 256 }],
  });
  expect(made.status, made.text).toBe(201);
  const ca = await makeChild(platform, await makeRoot(platform), 'ML-DSA-87');
  const [issued] = await issueBelow(platform, ca, 1, { profile: 'post-quantum', csr: (name) => csrOf('ML-DSA-65', name) });
  const leaf = derOf(issued?.leaf ?? '');
  expect(kindOf(leaf)).toBe('ML-DSA-65');
  // digitalSignature and nothing else (RFC 9881 §5).
  expect(leaf.includes(writeExtension(Oid.keyUsage, true, Buffer.from('03020780', 'hex')))).toBe(true);
  for (const [profile, kind] of [['post-quantum', 'ML-DSA-44'], ['internal', 'ML-DSA-65']] as const) {
    const refused = await api(platform, 'POST', '/api/v1/certificates', { name: 'refused', profile, csr: csrOf(kind, 'x.example.com') });
    expect([refused.status, refused.json()['detail']]).toEqual([422, expect.stringContaining("the profile allows")]);
  }
}); // prettier-ignore
