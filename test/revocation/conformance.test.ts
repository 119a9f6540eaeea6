import { spawnSync } from 'node:child_process';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { explicit, octetString, sequence } from '#domain/asn1/der.ts';
import { reasonCode } from '#domain/revocation/reason.ts';
import { certIdOf } from '#domain/revocation/ocsp-request.ts';
import { writeExtension } from '#domain/x509/extension.ts';
import { issuerInfo } from '#domain/x509/leaf.ts';
import { Oid } from '#domain/x509/oids.ts';
import { fromPem } from '#domain/x509/pem.ts';
import { api, request, rowsOf, runLoop, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { issueBelow, makeChild, makeRoot, type Authority, type IssuedLeaf } from './hierarchy.ts';
import { ocspStatus, publishedList, serialOf } from './status.ts';

// The cases of CRL and OCSP by their numbers. Elsewhere: 18 (the database is down) in test/acme/database-down.long.test.ts, 20 (a responder near its end)
// in functions/revocation/responders.test.ts, 22 (more questions than an address may ask) in test/limits/requests.long.test.ts.

let platform: Platform;
let root: Authority;
let issuing: Authority;
let folder: string;
/** Each for one case, see `fresh`. */
let leaves: IssuedLeaf[];
/** For questions that change nothing, in whatever order the cases come. */
let shared: IssuedLeaf;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'status-'));
  platform = await startPlatform();
  root = await makeRoot(platform);
  issuing = await makeChild(platform, root);
  const [first, ...others] = await issueBelow(platform, issuing, 9);
  if (first === undefined) throw new Error('no certificate was issued');
  [shared, leaves] = [first, others];
});
afterAll(async () => {
  await platform.stop();
  rmSync(folder, { recursive: true });
});

/** A certificate that no other case has touched. */
function fresh(): IssuedLeaf {
  const leaf = leaves.pop();
  if (leaf === undefined) throw new Error('more certificates are needed');
  return leaf;
}

const rows = <Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]> =>
  rowsOf<Row>(platform, text, values);

const revoke = (leaf: IssuedLeaf, reason: string): Promise<Answer> =>
  api(platform, 'POST', `/api/v1/certificates/${leaf.id}/revoke`, { reason });
const crlOf = (list: string, headers: Record<string, string> = {}): Promise<Answer> =>
  request(platform, `${platform.pkiUrl}/.well-known/pki/crl/${list}`, { headers });
const ask = (body: Uint8Array, ca = issuing.id, type = 'application/ocsp-request'): Promise<Answer> =>
  request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/${ca}`, { method: 'POST', headers: { 'content-type': type }, body });

/** An OCSPRequest about a serial of a CA. */
function question(issuer: string, serial: string, nonce?: Uint8Array): Buffer {
  const { der } = certIdOf(issuerInfo(fromPem('CERTIFICATE', issuer)), serial);
  const extensions = nonce && explicit(2, sequence(writeExtension(Oid.ocspNonce, false, octetString(nonce))));
  return sequence(sequence(sequence(sequence(der)), ...(extensions === undefined ? [] : [extensions])));
}

const malformedRequest = '30030a0101';
const unauthorized = '30030a0106';

function openssl(...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
  return stderr + stdout;
}

/** What openssl reads in an answer that it has verified up to the root. */
function read(answer: Buffer, { leaf, issuer }: Pick<IssuedLeaf, 'leaf' | 'issuer'>, anchor: Authority, ...more: string[]): string {
  writeFileSync(join(folder, 'leaf.pem'), leaf);
  writeFileSync(join(folder, 'issuer.pem'), issuer);
  writeFileSync(join(folder, 'root.pem'), anchor.certificate);
  writeFileSync(join(folder, 'answer.der'), answer);
  return openssl('ocsp', '-respin', 'answer.der', '-issuer', 'issuer.pem', '-cert', 'leaf.pem', '-CAfile', 'root.pem', '-verify_other', 'issuer.pem', '-no_nonce', '-resp_text', ...more); // prettier-ignore
}

async function signAnew(): Promise<bigint> {
  const before = (await publishedList(platform, issuing.id)).number;
  await rows('UPDATE crls SET status_epoch = status_epoch + 1 WHERE ca_id = $1', [issuing.id]);
  await runLoop(platform, 'crlGeneration');
  return until('the next CRL', async () => {
    const { number } = await publishedList(platform, issuing.id);
    return number > before ? number : undefined;
  });
}

test('case 1: GET CRL is 200, verifies, and has a higher number than the one before', async () => {
  const before = await publishedList(platform, issuing.id);
  await signAnew();
  const { der, number } = await publishedList(platform, issuing.id);
  expect(number > before.number).toBe(true);
  writeFileSync(join(folder, 'list.der'), der);
  writeFileSync(join(folder, 'issuer.pem'), issuing.certificate);
  expect(openssl('crl', '-inform', 'DER', '-in', 'list.der', '-noout', '-CAfile', 'issuer.pem')).toContain('verify OK');
});

test('case 2: If-None-Match with its ETag is 304, without a body and with the ETag', async () => {
  const answer = await until('two answers of one CRL', async () => {
    const { headers } = await crlOf(`${issuing.id}.crl`);
    const again = await crlOf(`${issuing.id}.crl`, { 'if-none-match': headers['etag'] ?? '' });
    return again.headers['etag'] === headers['etag'] && again;
  });
  if (answer === false) throw new Error('unreachable');
  expect([answer.status, answer.body.length, answer.headers['cache-control']]).toEqual([304, 0, expect.stringContaining('max-age')]);
});

test.each(['nobody', 'iss-acm-pca'])('cases 3 and 4: the CRL of %s, which is no CA of ours, is 404', async (id) => {
  expect((await crlOf(`${id}.crl`)).status).toBe(404);
});

test('case 5: two CRLs right after each other have two numbers', async () => {
  const numbers = [await signAnew(), await signAnew()];
  expect((numbers[1] ?? 0n) - (numbers[0] ?? 0n) >= 1n).toBe(true);
});

test('cases 6 and 9: a revocation is in the answers to POST and GET at once, and on the CRL with its reason soon', async () => {
  const leaf = fresh();
  expect(ocspStatus(platform, leaf)).toBe('good');
  await revoke(leaf, 'affiliationChanged');
  const got = await request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/${issuing.id}/${question(issuing.certificate, serialOf(leaf)).toString('base64url')}`); // prettier-ignore
  expect([ocspStatus(platform, leaf), read(got.body, leaf, root)]).toEqual([
    'revoked:affiliationChanged',
    expect.stringContaining('leaf.pem: revoked'),
  ]);
  await until(
    'it is listed',
    async () => (await publishedList(platform, issuing.id)).entries.get(serialOf(leaf)) === reasonCode.affiliationChanged || undefined,
  );
});

test('case 7: good comes from a delegated responder with nocheck, which is named by its key', async () => {
  const leaf = fresh();
  const text = read((await ask(question(issuing.certificate, serialOf(leaf)))).body, leaf, root);
  expect(text).toMatch(/Response verify OK[\s\S]*leaf\.pem: good/);
  expect(text).toMatch(/Responder Id: [0-9A-F]{40}\n/);
  expect(text).toContain('OCSP Signing');
  expect(text).toContain('OCSP No Check');
});

test('case 8: a serial that starts with a zero nibble is good however it is written', async () => {
  const serial = '123456789abcdef';
  await rows(
    `INSERT INTO certificates (id, ca_id, serial, fingerprint, spki_sha256, certificate, sans, profile_id, source, not_before, not_after)
     VALUES ('cert-zero', $1, $2, sha256('zero'), sha256('zero'), '\\x30', '[]', 'internal', 'API', now(), now() + interval '30 days')`,
    [issuing.id, serial],
  );
  const posted = await ask(question(issuing.certificate, serial));
  const forms = [serial, `0${serial}`, `000${serial.toUpperCase()}`, '01:23:45:67:89:ab:cd:ef'];
  const got = await Promise.all(
    forms.map((form) => request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/${issuing.id}/serial/${form}`)),
  );
  // certStatus good: [0] IMPLICIT NULL.
  for (const { body } of [posted, ...got]) expect(body.includes(Buffer.from('0208' + '0123456789abcdef' + '8000', 'hex'))).toBe(true);
});

test('case 10: a serial that was never issued is unknown, and leaves no row', async () => {
  const serial = `7f${randomBytes(15).toString('hex')}`;
  const { body } = await ask(question(issuing.certificate, serial));
  expect(body.includes(Buffer.from(`${serial}8200`, 'hex'))).toBe(true);
  expect(await rows('SELECT FROM ocsp_responses WHERE serial = $1', [serial])).toEqual([]);
});

test('case 11: the key hash of another CA is unauthorized', async () => {
  expect((await ask(question(root.certificate, '1234'))).body.toString('hex')).toBe(unauthorized);
});

test.each([16, 64, 1, 32, 128])('cases 12 and 13: a nonce of %i octets is repeated, and its answer is for nobody else', async (length) => {
  const nonce = randomBytes(length);
  const { body, headers } = await ask(question(issuing.certificate, serialOf(shared), nonce));
  expect([body.includes(octetString(octetString(nonce))), headers['cache-control']]).toEqual([true, 'no-store']);
});

test.each([0, 129])('case 14: a nonce of %i octets is malformedRequest', async (length) => {
  const { status, body } = await ask(question(issuing.certificate, '1234', randomBytes(length)));
  expect([status, body.toString('hex')]).toEqual([200, malformedRequest]);
});

test('case 15: garbage is malformedRequest with HTTP status 200', async () => {
  const { status, body } = await ask(Buffer.from('no request'));
  expect([status, body.toString('hex')]).toEqual([200, malformedRequest]);
});

test('case 16: another Content-Type is 415', async () => {
  expect((await ask(question(issuing.certificate, '1234'), issuing.id, 'text/plain')).status).toBe(415);
});

test('case 17: GET with the request in percent-encoded base64 is the answer to POST, and caches may keep it', async () => {
  const leaf = fresh();
  const asked = question(issuing.certificate, serialOf(leaf));
  const posted = await ask(asked);
  const got = await request(
    platform,
    `${platform.pkiUrl}/.well-known/pki/ocsp/${issuing.id}/${encodeURIComponent(asked.toString('base64'))}`,
  );
  expect(got.body.equals(posted.body)).toBe(true);
  expect(got.headers['cache-control']).toMatch(/^public, max-age=\d+/);
  expect(got.headers['etag']).toBe(`"${createHash('sha256').update(got.body).digest('hex')}"`);
  expect(Date.parse(got.headers['expires'] ?? '')).toBeGreaterThan(Date.parse(got.headers['last-modified'] ?? ''));
});

test('GET as scripts write it, with a slash too many, line ends of base64 and no padding, is the same question', async () => {
  const asked = question(issuing.certificate, serialOf(fresh())).toString('base64');
  const at = async (tail: string): Promise<Buffer> => (await request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/${issuing.id}/${tail}`)).body; // prettier-ignore
  const plain = await at(encodeURIComponent(asked));
  expect(plain.byteLength).toBeGreaterThan(200);
  const lines = asked.replace(/.{64}/g, '$&\n');
  for (const tail of [`/${asked}`, `%2F${asked}`, encodeURIComponent(`${lines}\r\n`), asked.replace(/=+$/, '')]) {
    expect((await at(tail)).equals(plain), tail).toBe(true);
  }
});

test('case 19: a CertID by SHA-256 is answered, and repeated as it came', async () => {
  const leaf = fresh();
  writeFileSync(join(folder, 'leaf.pem'), leaf.leaf);
  writeFileSync(join(folder, 'issuer.pem'), leaf.issuer);
  writeFileSync(join(folder, 'root.pem'), root.certificate);
  const text = openssl('ocsp', '-sha256', '-issuer', 'issuer.pem', '-cert', 'leaf.pem', '-CAfile', 'root.pem', '-verify_other', 'issuer.pem', '-resp_text', '-url', `${platform.pkiUrl}/.well-known/pki/ocsp/${issuing.id}`); // prettier-ignore
  expect(text).toMatch(/Response verify OK[\s\S]*Hash Algorithm: sha256[\s\S]*leaf\.pem: good/);
});

test('case 21: whoever asks while it is being revoked, after the revocation nobody hears good', async () => {
  const leaf = fresh();
  const asked = question(issuing.certificate, serialOf(leaf));
  const good = (await ask(asked)).body;
  const [revoked, ...during] = await Promise.all([revoke(leaf, 'superseded'), ...Array.from({ length: 12 }, () => ask(asked))]);
  expect([revoked.status, during.length]).toEqual([200, 12]);
  const after = await Promise.all(Array.from({ length: 12 }, () => ask(asked)));
  expect(after.filter(({ body }) => body.equals(good))).toEqual([]);
  for (const { body } of after) expect(read(body, leaf, root)).toContain('leaf.pem: revoked');
});

test('cases 23 and 24: removeFromCRL is no reason to revoke; the same reason twice is 200 twice, and one row', async () => {
  const leaf = fresh();
  expect((await revoke(leaf, 'removeFromCRL')).status).toBe(400);
  expect([(await revoke(leaf, 'superseded')).status, (await revoke(leaf, 'superseded')).status]).toEqual([200, 200]);
  expect(await rows('SELECT reason FROM revocations WHERE serial = $1', [serialOf(leaf)])).toEqual([{ reason: reasonCode.superseded }]);
});

test('case 25: a revoked certificate that expired is on one more CRL, and on none after it', async () => {
  const leaf = fresh();
  const serial = serialOf(leaf);
  await revoke(leaf, 'superseded');
  await until('it is listed', async () => (await publishedList(platform, issuing.id)).entries.has(serial) || undefined);
  await rows(`UPDATE revocations SET not_after = now() - interval '1 second' WHERE serial = $1`, [serial]);
  await signAnew();
  const [row] = await rows<{ last_crl: string }>('SELECT last_crl FROM revocations WHERE serial = $1', [serial]);
  const numbered = async (number: bigint): Promise<boolean> => {
    const list = await publishedList(platform, issuing.id);
    return list.number === number ? list.entries.has(serial) : (await signAnew(), false);
  };
  expect(await numbered(BigInt(row?.last_crl ?? 0))).toBe(true);
  await signAnew();
  expect((await publishedList(platform, issuing.id)).entries.has(serial)).toBe(false);
  // OCSP goes on saying it.
  expect(ocspStatus(platform, leaf)).toBe('revoked:superseded');
});

test('case 26: two CAs have responders with keys of their own, each under its CA', async () => {
  const other = await makeChild(platform, root);
  const [otherLeaf] = await issueBelow(platform, other, 1);
  if (otherLeaf === undefined) throw new Error('no leaf');
  expect([ocspStatus(platform, otherLeaf), ocspStatus(platform, { ...otherLeaf, leaf: issuing.certificate, issuer: root.certificate, ca: root.id })]).toEqual(['good', 'good']); // prettier-ignore
  const found = await rows<{ ca_id: string; certificate: Buffer }>('SELECT ca_id, certificate FROM ocsp_responders WHERE ca_id = ANY($1)', [
    [other.id, root.id],
  ]);
  const certificates = new Map(found.map(({ ca_id, certificate }) => [ca_id, new X509Certificate(certificate)]));
  const key = (ca: Authority): string => certificates.get(ca.id)?.publicKey.export({ type: 'spki', format: 'pem' }).toString() ?? '';
  expect(key(other)).not.toBe(key(root));
  for (const ca of [other, root]) expect(certificates.get(ca.id)?.verify(new X509Certificate(ca.certificate).publicKey)).toBe(true);
});
