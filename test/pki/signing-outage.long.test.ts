import { createHash, randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { buildTbsRoot } from '#domain/x509/authority.ts';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { signCertificate } from '#domain/x509/leaf.ts';
import { certificatesOfPem, toPem } from '#domain/x509/pem.ts';
import { newSerial } from '#domain/x509/serial.ts';
import { softwareSigner } from '#domain/x509/software-signer.ts';
import { acmeClient, registered, type AcmeClient } from '../acme/client.ts';
import { makeCsr as acmeCsr } from '../acme-conformance/certification-request.ts';
import { startKeyService, type KeyService, type KeyServiceBehaviour } from '../fakes/key-service.ts';
import { startPrivateCa, type Behaviour, type PrivateCa } from '../fakes/private-ca.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, request, rowsOf, startPlatform, until, type Platform } from '../platform.ts';
import { makeChild, makeRoot, issueBelow, type Authority } from '../revocation/hierarchy.ts';
import { ocspStatus, publishedList, serialOf, type Judged } from '../revocation/status.ts';

const patience = 90;
const dayMs = 86_400_000;
type Json = Record<string, unknown>;
let platform: Platform;
let service: KeyService;
let privateCa: PrivateCa;
/** A root whose key is in the key service. */
let root: Authority;
let elsewhere: string;
const signing: KeyServiceBehaviour = {};
const abroad: Behaviour = {};
beforeAll(async () => {
  [service, privateCa] = [await startKeyService(signing), await startPrivateCa(abroad)];
  platform = await startPlatform({ env: { AWS_ENDPOINT_URL_KMS: service.url, AWS_ENDPOINT_URL_ACM_PCA: privateCa.url } });
  const key = await post('/signer-keys', { driver: 'kms', ref: service.arn });
  const signer = softwareSigner(service.privateKey);
  const at = Math.floor(Date.now() / 1000) * 1000;
  const tbs = buildTbsRoot(signer.algorithm, {
    serial: newSerial(randomBytes(16)),
    commonName: 'Root in KMS',
    spki: signer.publicKeySpki,
    notBefore: new Date(at - dayMs),
    notAfter: new Date(at + 3650 * dayMs),
  });
  const row = await post('/issuers/iss-local/intermediates', {
    name: 'in KMS',
    root_cert_pem: toPem('CERTIFICATE', await signCertificate(signer, tbs)),
    key_driver_id: key['id'],
  });
  root = { id: String(row['id']), certificate: String(row['cert_pem']) };
  await post('/profiles', { id: 'kms', name: 'kms', ca_id: root.id });
  const trusting = { acme_auth_mode: 'trust_authenticated', allowed_names: ['.outage.example'], acknowledge_trust: true };
  await post('/profiles', { id: 'kms-acme', name: 'kms-acme', ca_id: root.id, ...trusting });
  const renewing = { validity_seconds: 600, auto_renewal: { min_lifetime: 60, max_duration: 3600 } };
  await post('/profiles', { id: 'kms-star', name: 'kms-star', ca_id: root.id, ...trusting, ...renewing });
  elsewhere = String((await post('/issuers', { name: 'Private', type: 'aws-private-ca', config: { caArn: privateCa.arn } }))['id']);
});
afterEach(() => {
  for (const key of Object.keys(signing) as (keyof KeyServiceBehaviour)[]) signing[key] = undefined;
  for (const key of Object.keys(abroad) as (keyof Behaviour)[]) abroad[key] = undefined;
});
afterAll(async () => {
  await platform.stop();
  await Promise.all([service.stop(), privateCa.stop()]);
});

async function post(path: string, body: object): Promise<Json> {
  const answer = await api(platform, 'POST', `/api/v1${path}`, body);
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`);
  return answer.json();
}
const get = async (path: string): Promise<Json> => (await api(platform, 'GET', `/api/v1${path}`)).json();
const rows = <Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]> =>
  rowsOf<Row>(platform, text, values);

/** As openssl understands it. It is run while nothing else is here, the key service included, so that the responder is made before. */
async function statusOf(judged: Judged): Promise<string> {
  await request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/${judged.ca}/serial/${serialOf(judged)}`);
  return ocspStatus(platform, judged);
}

let made = 0;
/** Asks for a certificate. @returns ids of it and of its job */
async function order(more: object = { profile: 'kms' }): Promise<{ readonly id: string; readonly job: string }> {
  const name = `outage-${++made}`;
  const body = await post('/certificates', { name, csr: makeCsr([`${name}.example.com`]).csr, ...more });
  return { id: (body['certificate'] as { id: string }).id, job: String(body['job']) };
}
const errorOf = (job: string, expected: RegExp): Promise<string> =>
  until(`the job says ${expected}`, async () => {
    const said = (await get(`/jobs/${job}`))['last_error'];
    return typeof said === 'string' && expected.test(said) ? said : undefined;
  }, patience); // prettier-ignore
const versionsOf = async (id: string): Promise<readonly { readonly pem: string; readonly serial: string }[]> =>
  (await get(`/certificates/${id}/versions`))['items'] as { pem: string; serial: string }[];
/** Lets the engine come to it. @returns the certificate */
const issued = (id: string): Promise<Uint8Array> =>
  until('it is issued', async () => {
    await api(platform, 'POST', '/api/v1/admin/loops/jobProcessor/run');
    const [version] = await versionsOf(id);
    return version && certificatesOfPem(version.pem)[0];
  }, patience); // prettier-ignore
/** An order whose second certificate is due as soon as it has the first. */
async function starOrder(client: AcmeClient): Promise<Record<'id' | 'url' | 'finalize' | 'csr', string>> {
  const name = `star-${++made}.outage.example`;
  const endDate = new Date(Date.now() + 3_000_000).toISOString();
  const placed = await client.post(String(client.directory['newOrder']), {
    identifiers: [{ type: 'dns', value: name }],
    'auto-renewal': { 'end-date': endDate, lifetime: 240, 'lifetime-adjust': 240 },
  });
  const url = placed.headers['location'] ?? '';
  return {
    id: url.split('/').at(-1) ?? '',
    url,
    finalize: String(placed.json()['finalize']),
    csr: acmeCsr([name]).csr.toString('base64url'),
  };
}
/** Of the certificate, when the order is valid. */
const starUrl = (client: AcmeClient, order: string): Promise<string> =>
  until('the order is valid', async () => {
    await api(platform, 'POST', '/api/v1/admin/loops/jobProcessor/run');
    const read = (await client.post(order)).json();
    return read['status'] === 'valid' ? String(read['star-certificate']) : undefined;
  }, patience); // prettier-ignore
const digestOf = (certificate: Uint8Array): string => createHash('sha256').update(parseCertificate(certificate).tbs).digest('hex');

/** One certificate, of the serial that was reserved before anything failed, and nothing else was ever signed for its job. */
async function expectOne({ id, job }: { readonly id: string; readonly job: string }, before: number): Promise<void> {
  const certificate = await issued(id);
  const reserved = await rows<{ serial: string }>('SELECT serial FROM signing_log WHERE idempotency_key = $1', [job]);
  expect(reserved).toEqual([{ serial: parseCertificate(certificate).serial }]);
  expect(await versionsOf(id)).toHaveLength(1);
  const signed = service.signed.slice(before);
  expect([signed.length > 0, new Set(signed)]).toEqual([true, new Set([digestOf(certificate)])]);
  const [row] = await rows<{ n: number }>('SELECT count(*)::int AS n FROM certificates WHERE ca_id = $1 AND serial = $2', [
    root.id,
    reserved[0]?.serial,
  ]);
  expect([row?.n, (await get(`/certificates/${id}`))['last_error'], (await get(`/certificates/${id}`))['state']]).toEqual([
    1,
    null,
    'active',
  ]);
}

test.each<[string, KeyServiceBehaviour, RegExp]>([
  ['throttles', { refuses: ['ThrottlingException', 400] }, /^unavailable: the key service is busy$/],
  ['has a fault', { refuses: ['KMSInternalException', 500] }, /^unavailable: the key service has a fault$/],
  ['is down', { down: true }, /^unavailable: the key service does not answer$/],
])('while the key service %s a job waits and says so; then it ends with the certificate that was reserved, once', async (_, failure, expected) => {
  const before = service.signed.length;
  Object.assign(signing, failure);
  const asked = await order();
  await errorOf(asked.job, expected);
  expect([await versionsOf(asked.id), (await get(`/certificates/${asked.id}`))['state'], service.signed.length]).toEqual([[], 'pending', before]);
  for (const key of Object.keys(failure) as (keyof KeyServiceBehaviour)[]) signing[key] = undefined;
  await expectOne(asked, before);
}); // prettier-ignore

test('a signature whose answer is lost is made again of the same bytes: one serial, one certificate', async () => {
  const before = service.signed.length;
  signing.losesAnswers = 5;
  const asked = await order();
  await until('answers were lost', () => service.signed.length >= before + 2 || undefined, patience);
  await expectOne(asked, before);
});

test('an ACME order that is finalized while the key service is down is processing, and ends valid with the certificate that was reserved, once', async () => {
  const before = service.signed.length;
  const name = 'finalized.outage.example';
  const client = await acmeClient(platform, { profile: 'kms-acme' });
  await client.register();
  const { url, body } = await client.order(name);
  signing.down = true;
  const csr = acmeCsr([name]).csr.toString('base64url');
  const finalized = await client.post(String(body['finalize']), { csr });
  expect([finalized.status, finalized.json()['status'], Number(finalized.headers['retry-after']) > 0]).toEqual([200, 'processing', true]);
  expect([(await client.post(url)).json()['status'], service.signed.length]).toEqual(['processing', before]);
  signing.down = undefined;
  const valid = await until('the order is valid', async () => {
    await api(platform, 'POST', '/api/v1/admin/loops/jobProcessor/run');
    const read = (await client.post(url)).json();
    expect(['processing', 'valid']).toContain(read['status']);
    return read['status'] === 'valid' ? read : undefined;
  }, patience); // prettier-ignore
  const [certificate] = certificatesOfPem((await client.post(String(valid['certificate']))).text);
  const reserved = await rows<{ serial: string }>('SELECT serial FROM signing_log WHERE idempotency_key = $1', [url.split('/').at(-1)]);
  expect(reserved).toEqual([{ serial: parseCertificate(certificate!).serial }]);
  expect(new Set(service.signed.slice(before))).toEqual(new Set([digestOf(certificate!)]));
});

test('an issuance over ACME is one signature of the CA, and so is a renewal that many fetch', async () => {
  const client = await registered(platform, { profile: 'kms-star' });
  const star = await starOrder(client);
  const before = service.signed.length;
  await client.post(star.finalize, { csr: star.csr });
  const url = await starUrl(client, star.url);
  await Promise.all(Array.from({ length: 6 }, () => client.post(url)));
  const certificates = await rows<{ certificate: Buffer }>(
    'SELECT c.certificate FROM acme_renewals w JOIN certificates c ON c.id = w.certificate_id WHERE w.order_id = $1',
    [star.id],
  );
  const signatures = certificates.map(({ certificate }) =>
    service.signed.slice(before).filter((digest) => digest === digestOf(certificate)),
  );
  expect(signatures.map(({ length }) => length)).toEqual([1, 1]);
});

test('an order that renews itself and is finalized while the key service is down begins its schedule when it ends valid', async () => {
  const client = await registered(platform, { profile: 'kms-star' });
  const star = await starOrder(client);
  signing.down = true;
  const finalized = await client.post(star.finalize, { csr: star.csr });
  expect(finalized.json()['status']).toBe('processing');
  signing.down = undefined;
  const url = await starUrl(client, star.url);
  expect((await client.post(url)).status).toBe(200);
  const numbers = await rows<{ number: number }>('SELECT number FROM acme_renewals WHERE order_id = $1 ORDER BY 1', [star.id]);
  expect(numbers).toEqual([{ number: 0 }, { number: 1 }]);
});

test('while the key service is down, what renews itself stays at its last certificate; then it is what was reserved, signed once', async () => {
  const client = await registered(platform, { profile: 'kms-star' });
  const star = await starOrder(client);
  await client.post(star.finalize, { csr: star.csr });
  const url = await starUrl(client, star.url);
  const before = service.signed.length;
  signing.down = true;
  const last = await client.post(url);
  expect([last.status, (await client.post(url)).text]).toEqual([200, last.text]);
  const reserved = await rows<{ serial: string }>('SELECT serial FROM signing_log WHERE idempotency_key = $1', [`${star.id}/1`]);
  expect(reserved).toHaveLength(1);
  signing.down = undefined;
  const next = await until('the next certificate is there', async () => {
    const { text } = await client.post(url);
    return text === last.text ? undefined : certificatesOfPem(text)[0];
  }, patience); // prettier-ignore
  expect(parseCertificate(next).serial).toBe(reserved[0]?.serial);
  expect(new Set(service.signed.slice(before))).toEqual(new Set([digestOf(next)]));
});

test('a CA that is made while the key service is down is refused with when to try again, and leaves nothing but a reserved serial', async () => {
  signing.down = true;
  const body = { name: 'made in an outage', parent_ca_id: root.id, subject: { common_name: 'Made in an outage' } };
  const refused = await api(platform, 'POST', '/api/v1/issuers/iss-local/intermediates', body);
  expect([refused.status, Number(refused.headers['retry-after']) > 0]).toEqual([503, true]);
  expect(refused.text).not.toContain('arn:');
  signing.down = undefined;
  const answer = await api(platform, 'POST', '/api/v1/issuers/iss-local/intermediates', body);
  expect(answer.status, answer.text).toBe(201);
  const log = await rows<{ serial: string }>(`SELECT serial FROM signing_log WHERE ca_id = $1`, [root.id]);
  expect(new Set(log.map(({ serial }) => serial)).size).toBe(log.length);
});

test('while the CRL cannot be signed a revocation is known to OCSP, and its job says why; then it is listed under the next number', async () => {
  const asked = await order();
  const leaf = toPem('CERTIFICATE', await issued(asked.id));
  const judged = { leaf, issuer: root.certificate, ca: root.id };
  expect(await statusOf(judged)).toBe('good');
  const { number } = await publishedList(platform, root.id);
  signing.refuses = ['DisabledException', 400];
  await post(`/certificates/${asked.id}/revoke`, { reason: 'superseded' });
  expect(await statusOf(judged)).toBe('revoked:superseded');
  const [job] = (await get(`/jobs?type=crl&subject=${root.id}`))['items'] as { id: string }[];
  expect(await errorOf(String(job?.id), /disabled/)).toBe('unavailable: the key is disabled');
  // What is published stays until there is a newer one.
  expect((await publishedList(platform, root.id)).number).toBe(number);
  signing.refuses = undefined;
  const listed = await until('it is listed', async () => {
    await api(platform, 'POST', '/api/v1/admin/loops/crlGeneration/run');
    const list = await publishedList(platform, root.id);
    return list.entries.has(serialOf(judged)) ? list : undefined;
  }, patience); // prettier-ignore
  expect(listed.number > number).toBe(true);
});

test('while the bucket refuses, OCSP knows and the CRL is not served for good; then all that was revoked meanwhile is listed', async () => {
  const ca = await makeChild(platform, await makeRoot(platform));
  const leaves = await issueBelow(platform, ca, 2);
  const { number } = await publishedList(platform, ca.id);
  expect(await statusOf(leaves[0] as Judged)).toBe('good');
  const objects = join(platform.home, 'objects');
  renameSync(objects, `${objects}-away`);
  writeFileSync(objects, '');
  try {
    for (const leaf of leaves) {
      await post(`/certificates/${leaf.id}/revoke`, { reason: 'superseded' });
      expect(await statusOf(leaf)).toBe('revoked:superseded');
    }
    const [job] = (await get(`/jobs?type=crl&subject=${ca.id}`))['items'] as { id: string }[];
    expect(await errorOf(String(job?.id), /./)).not.toMatch(/arn:|objects|localhost|127\.0/);
    expect((await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/${ca.id}.crl`)).status).toBe(503);
  } finally {
    rmSync(objects);
    renameSync(`${objects}-away`, objects);
  }
  const listed = await until('both are listed', async () => {
    await api(platform, 'POST', '/api/v1/admin/loops/crlGeneration/run');
    const list = await publishedList(platform, ca.id);
    return leaves.every((leaf) => list.entries.has(serialOf(leaf))) ? list : undefined;
  }, patience); // prettier-ignore
  expect(listed.number > number).toBe(true);
});

test('a private CA that throttles is asked again by the engine, and signs once', async () => {
  const before = privateCa.log.length;
  let refusals = 2;
  abroad.busy = () => refusals-- > 0;
  const asked = await order({ issuer: elsewhere });
  expect(await errorOf(asked.job, /busy/)).toContain('the CA is busy');
  expect([await versionsOf(asked.id), (await get(`/certificates/${asked.id}`))['state']]).toEqual([[], 'pending']);
  await issued(asked.id);
  expect([privateCa.log.length, (await versionsOf(asked.id)).length]).toEqual([before + 1, 1]);
});
