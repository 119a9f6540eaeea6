import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { request, runLoop, startPlatform, until, type Platform } from '../platform.ts';
import { acmeClient, freshName, startResponder, type AcmeClient, type Issued, type Responder } from '../acme/client.ts';

let platform: Platform;
let responder: Responder;
let client: AcmeClient;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'revocation-'));
  responder = await startResponder();
  platform = await startPlatform({ args: ['--door-http01-port', String(responder.port)] });
  client = await acmeClient(platform, { responder });
  await client.register();
});
afterAll(async () => {
  await platform.stop();
  await responder.stop();
  rmSync(folder, { recursive: true });
});

const typeOf = (answer: { json(): Record<string, unknown> }): string =>
  String(answer.json()['type']).replace('urn:ietf:params:acme:error:', '');
const revokeUrl = (): string => String(client.directory['revokeCert']);
const payloadOf = (issued: Pick<Issued, 'der'>, reason?: number): object => ({
  certificate: issued.der.toString('base64url'),
  ...(reason !== undefined && { reason }),
});

/** Files that openssl wants. */
function files(issued: Issued): { leaf: string; issuer: string; ca: string } {
  const name = join(folder, randomBytes(4).toString('hex'));
  const [leaf = '', issuer = ''] = issued.pem.match(/-----BEGIN CERTIFICATE-----\n[\s\S]*?-----END CERTIFICATE-----\n/g) ?? [];
  writeFileSync(`${name}-leaf.pem`, leaf);
  writeFileSync(`${name}-issuer.pem`, issuer);
  writeFileSync(`${name}-ca.pem`, platform.ca);
  return { leaf: `${name}-leaf.pem`, issuer: `${name}-issuer.pem`, ca: `${name}-ca.pem` };
}

/** What a command said, on either channel. */
function run(command: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return stderr + stdout;
}

function ocsp(issued: Issued, ...more: string[]): string {
  const { leaf, issuer, ca } = files(issued);
  return run(
    'openssl',
    'ocsp',
    '-issuer',
    issuer,
    '-cert',
    leaf,
    '-url',
    `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1`,
    '-CAfile',
    ca,
    ...more,
  );
}

async function crlCheck(issued: Issued): Promise<string> {
  const { leaf, issuer, ca } = files(issued);
  const crl = await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/issuing-1.crl`);
  const file = join(folder, 'crl.der');
  writeFileSync(file, crl.body);
  const pem = join(folder, 'crl.pem');
  run('openssl', 'crl', '-inform', 'DER', '-in', file, '-out', pem);
  return run('openssl', 'verify', '-crl_check', '-CRLfile', pem, '-CAfile', ca, '-untrusted', issuer, leaf);
}

/** A revokeCert request signed by a certificate's own key. */
async function byKey(issued: Pick<Issued, 'der'>, key: KeyObject, publicKey: KeyObject): Promise<string> {
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' });
  const head = Buffer.from(
    JSON.stringify({ alg: 'ES256', nonce: await client.nonce(), url: revokeUrl(), jwk: { crv, kty, x, y } }),
  ).toString('base64url');
  const body = Buffer.from(JSON.stringify(payloadOf(issued))).toString('base64url');
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  return JSON.stringify({ protected: head, payload: body, signature });
}

test('once it is revoked openssl finds a certificate revoked, at once by OCSP with and without nonce and soon by CRL', async () => {
  const issued = await client.issue(freshName());
  expect(ocsp(issued)).toMatch(/Response verify OK[\s\S]*: good/);
  expect(await crlCheck(issued)).toContain(': OK');
  const answer = await client.post(revokeUrl(), payloadOf(issued, 4));
  expect([answer.status, answer.text]).toEqual([200, '']);
  expect(ocsp(issued)).toMatch(/Response verify OK[\s\S]*: revoked[\s\S]*Reason: superseded/);
  expect(ocsp(issued, '-no_nonce')).toContain(': revoked');
  // By the job that the revocation ordered: the loop that would publish it looks once an hour.
  await until('the CRL has it', async () => (await crlCheck(issued)).includes('certificate revoked') || undefined);
});

test('a second revocation is alreadyRevoked (RFC 8555 §7.6)', async () => {
  const issued = await client.issue(freshName());
  expect((await client.post(revokeUrl(), payloadOf(issued))).status).toBe(200);
  const again = await client.post(revokeUrl(), payloadOf(issued));
  expect([again.status, typeOf(again)]).toEqual([400, 'alreadyRevoked']);
});

test.each([2, 6, 7, 8, 10, 11, 99, -1, 1.5, '1'])('reason %j is badRevocationReason and revokes nothing', async (reason) => {
  const issued = await client.issue(freshName());
  const answer = await client.post(revokeUrl(), { certificate: issued.der.toString('base64url'), reason });
  expect([answer.status, typeOf(answer)]).toEqual([400, 'badRevocationReason']);
  expect(ocsp(issued)).toContain(': good');
});

test("the certificate's own key revokes without an account, as compromised, and can never be certified again", async () => {
  const issued = await client.issue(freshName());
  const body = await byKey(issued, issued.key, new X509Certificate(issued.der).publicKey);
  expect((await client.post(revokeUrl(), undefined, { body })).status).toBe(200);
  expect(ocsp(issued)).toContain('Reason: keyCompromise');
  const { order } = { order: await client.order(freshName()) };
  expect(order.body['status']).toBe('pending');
  const database = await platform.database();
  try {
    expect((await database.query('SELECT reason FROM blocked_keys')).rows).toContainEqual({ reason: 'keyCompromise' });
  } finally {
    await database.end();
  }
});

test('another account is unauthorized, and so is another key', async () => {
  const issued = await client.issue(freshName());
  const stranger = await acmeClient(platform);
  await stranger.register();
  expect(typeOf(await stranger.post(revokeUrl(), payloadOf(issued)))).toBe('unauthorized');
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const answer = await client.post(revokeUrl(), undefined, { body: await byKey(issued, pair.privateKey, pair.publicKey) });
  expect([answer.status, typeOf(answer)]).toEqual([403, 'unauthorized']);
  expect(ocsp(issued)).toContain(': good');
});

test('an account that proved all its names revokes a certificate that another one ordered', async () => {
  const name = freshName();
  const issued = await client.issue(name);
  const owner = await acmeClient(platform, { responder });
  await owner.register();
  await owner.issue(name);
  expect((await owner.post(revokeUrl(), payloadOf(issued))).status).toBe(200);
});

test('a self-made certificate with a known serial is unknown, and the real one stays good', async () => {
  const issued = await client.issue(freshName());
  const key = join(folder, 'evil.key');
  const out = join(folder, 'evil.pem');
  const serial = `0x${new X509Certificate(issued.der).serialNumber}`;
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      out,
      '-subj',
      '/CN=evil',
      '-set_serial',
      serial,
    ],
    { stdio: 'ignore' },
  );
  const der = execFileSync('openssl', ['x509', '-in', out, '-outform', 'DER']);
  const answer = await client.post(revokeUrl(), payloadOf({ der }));
  expect([answer.status, typeOf(answer)]).toEqual([404, 'malformed']);
  expect(ocsp(issued)).toContain(': good');
  expect(typeOf(await client.post(revokeUrl(), { certificate: 'AAAA' }))).toBe('malformed');
});

test('OCSP answers by GET in base64, base64url and hex form, cacheable for caches and never with a nonce’s', async () => {
  const issued = await client.issue(freshName());
  const { leaf, issuer } = files(issued);
  const file = join(folder, 'request.der');
  run('openssl', 'ocsp', '-issuer', issuer, '-cert', leaf, '-no_nonce', '-reqout', file);
  const base64 = execFileSync('base64', ['-w0', file], { encoding: 'utf8' });
  const base = `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1`;
  const serial = new X509Certificate(issued.der).serialNumber;
  for (const tail of [
    base64,
    encodeURIComponent(base64),
    base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
    serial,
    serial.toLowerCase(),
    `serial/00${serial}`,
  ]) {
    const answer = await request(platform, `${base}/${tail}`);
    expect([tail, answer.status, answer.headers['content-type']]).toEqual([tail, 200, 'application/ocsp-response']);
    expect(answer.headers['cache-control']).toContain('max-age=60');
    const out = join(folder, 'response.der');
    writeFileSync(out, answer.body);
    expect(
      run('openssl', 'ocsp', '-respin', out, '-issuer', issuer, '-cert', leaf, '-CAfile', join(platform.home, 'ca.pem'), '-no_nonce'),
    ).toContain(': good');
  }
});

/** An OCSPRequest without nonce about a certificate. */
function question(issued: Issued): { readonly der: Buffer; readonly url: string } {
  const { leaf, issuer } = files(issued);
  const file = join(folder, `${randomBytes(4).toString('hex')}.der`);
  run('openssl', 'ocsp', '-issuer', issuer, '-cert', leaf, '-no_nonce', '-reqout', file);
  const der = readFileSync(file);
  return { der, url: `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1/${der.toString('base64url')}` };
}

const post = (der: Buffer): ReturnType<typeof request> =>
  request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1`, {
    method: 'POST',
    headers: { 'content-type': 'application/ocsp-request' },
    body: der,
  });

test('a response is given again until the revocation, which changes all answers at once', async () => {
  const issued = await client.issue(freshName());
  const { der, url } = question(issued);
  const first = await request(platform, url);
  const again = [await request(platform, url), await post(der)];
  expect(again.map(({ body }) => body.equals(first.body))).toEqual([true, true]);
  const lastsHours = (Date.parse(first.headers['expires'] ?? '') - Date.parse(first.headers['last-modified'] ?? '')) / 3_600_000;
  expect([lastsHours, again[1]?.headers['cache-control']]).toEqual([12, 'no-store']);
  const unchanged = await request(platform, url, { headers: { 'if-none-match': first.headers['etag'] ?? '' } });
  expect([unchanged.status, unchanged.body.length, unchanged.headers['etag']]).toEqual([304, 0, first.headers['etag']]);
  expect((await client.post(revokeUrl(), payloadOf(issued, 4))).status).toBe(200);
  const revoked = [await post(der), await request(platform, url), await post(der)];
  expect(revoked.map(({ body }) => body.equals(first.body))).toEqual([false, false, false]);
  expect(new Set(revoked.map(({ body }) => body.toString('hex'))).size).toBe(1);
  expect(ocsp(issued, '-no_nonce')).toContain('Reason: superseded');
});

test('a good response that is stored after the revocation, by who asked before it, is never given', async () => {
  const issued = await client.issue(freshName());
  const { der, url } = question(issued);
  const good = await request(platform, url);
  const database = await platform.database();
  try {
    const serial = new X509Certificate(issued.der).serialNumber.toLowerCase().replace(/^0+/, '');
    const before = await database.query('SELECT status FROM ocsp_responses WHERE serial = $1', [serial]);
    expect(before.rows).toEqual([{ status: 'good' }]);
    expect((await client.post(revokeUrl(), payloadOf(issued, 1))).status).toBe(200);
    await post(der);
    // The slow signer's write, whatever order the two came in.
    await database.query(`UPDATE ocsp_responses SET status = 'good', response = $2 WHERE serial = $1`, [serial, good.body]);
    expect((await request(platform, url)).body.equals(good.body)).toBe(false);
    expect(ocsp(issued, '-no_nonce')).toContain('Reason: keyCompromise');
  } finally {
    await database.end();
  }
});

test('what is stored is of certificates that live alone: one a question, none for serials that nobody issued, and what ended goes', async () => {
  const issued = await client.issue(freshName());
  const { url } = question(issued);
  const database = await platform.database();
  const count = async (): Promise<number> =>
    Number((await database.query<{ n: string }>('SELECT count(*) AS n FROM ocsp_responses')).rows[0]?.n);
  try {
    const before = await count();
    for (let i = 0; i < 3; i++) await request(platform, url);
    const unknown = randomBytes(16).toString('hex');
    await request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1/serial/${unknown}`);
    expect(await count()).toBe(before + 1);
    await database.query(`UPDATE ocsp_responses SET this_update = now() - interval '2 days', next_update = now() - interval '1 day'`);
    await runLoop(platform, 'crlGeneration');
    await until('the ended responses are gone', async () => (await count()) === 0 || undefined);
  } finally {
    await database.end();
  }
});

test('OCSP failures are OCSP responses: garbage, another CA, too long a nonce; another type is 415', async () => {
  const issued = await client.issue(freshName());
  const base = `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1`;
  const ask = async (body: Uint8Array, url = base, type = 'application/ocsp-request'): Promise<string> => {
    const answer = await request(platform, url, { method: 'POST', headers: { 'content-type': type }, body });
    expect(answer.headers['cache-control']).toBe('no-store');
    return answer.status === 200 ? answer.body.toString('hex') : String(answer.status);
  };
  const { leaf, issuer, ca } = files(issued);
  const file = join(folder, 'r.der');
  run('openssl', 'ocsp', '-issuer', issuer, '-cert', leaf, '-reqout', file);
  const good = execFileSync('cat', [file]);
  run('openssl', 'ocsp', '-issuer', ca, '-cert', leaf, '-reqout', file);
  const otherCa = execFileSync('cat', [file]);
  expect(await ask(Buffer.from('garbage'))).toBe('30030a0101');
  expect(await ask(Buffer.alloc(0))).toBe('30030a0101');
  expect(await ask(otherCa)).toBe('30030a0106');
  expect(await ask(good, `${platform.pkiUrl}/.well-known/pki/ocsp/nobody`)).toBe('30030a0106');
  expect(await ask(good, base, 'text/plain')).toBe('415');
});

test('a serial that was never issued is unknown, and leaves no row', async () => {
  const answer = await request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1/serial/${randomBytes(16).toString('hex')}`);
  expect(answer.body.toString('hex')).toMatch(/^3082/);
  expect(answer.body.includes(Buffer.from('8200', 'hex'))).toBe(true);
});

test('the CRL is found by its suffix and without, answers 304 to its ETag, and 404 for an unknown CA; a root has one too', async () => {
  const base = `${platform.pkiUrl}/.well-known/pki/crl`;
  const crl = await request(platform, `${base}/issuing-1.crl`);
  expect([crl.status, crl.headers['content-type']]).toEqual([200, 'application/pkix-crl']);
  expect((await request(platform, `${base}/issuing-1`)).status).toBe(200);
  // A newer one may be published between two questions.
  const unchanged = await until('304 to the ETag of the newest CRL', async () => {
    const etag = (await request(platform, `${base}/issuing-1.crl`)).headers['etag'] ?? '';
    const answer = await request(platform, `${base}/issuing-1.crl`, { headers: { 'if-none-match': `"other", ${etag}` } });
    return answer.headers['etag'] === etag ? answer : undefined;
  });
  expect([unchanged.status, unchanged.body.length]).toEqual([304, 0]);
  expect((await request(platform, `${base}/nobody.crl`)).status).toBe(404);
  expect((await request(platform, `${base}/root-1.crl`)).status).toBe(200);
  expect((await request(platform, `${base}/issuing-1.crl`, { method: 'POST' })).status).toBe(405);
  const { get, head } = await until('HEAD and GET of the same CRL', async () => {
    const [get, head] = [
      await request(platform, `${base}/issuing-1.crl`),
      await request(platform, `${base}/issuing-1.crl`, { method: 'HEAD' }),
    ];
    return get.headers['etag'] === head.headers['etag'] ? { get, head } : undefined;
  });
  expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, String(get.body.length), 0]);
});

test('the issuer’s certificate is where AIA says, and plain HTTP serves nothing else', async () => {
  const cer = await request(platform, `${platform.pkiUrl}/.well-known/pki/ca/issuing-1.cer`);
  expect(new X509Certificate(cer.body).verify(new X509Certificate(platform.ca).publicKey)).toBe(true);
  for (const path of ['/health', '/acme/directory', '/api/v1/profiles', '/', '/.well-known/pki']) {
    expect([path, (await request(platform, platform.pkiUrl + path)).status]).toEqual([path, 404]);
  }
});

test('given ten simultaneous revocations, one CRL soon has all of them and numbers only grow', async () => {
  const issued = await Promise.all(Array.from({ length: 10 }, () => client.issue(freshName())));
  await Promise.all(issued.map((one) => client.post(revokeUrl(), payloadOf(one))));
  await until('all are on it', async () => {
    for (const one of issued) if (!(await crlCheck(one)).includes('certificate revoked')) return undefined;
    return true;
  });
});
