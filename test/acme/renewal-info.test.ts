import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { api, request, startPlatform, type Answer, type Platform } from '../platform.ts';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { acmeClient, bind, freshName, type AcmeClient, type Issued } from './client.ts';

let platform: Platform;
let client: AcmeClient;
beforeAll(async () => {
  platform = await startPlatform();
  client = await trusted();
});
afterAll(() => platform.stop());

const typeOf = (answer: Answer): string => String(answer.json()['type']).replace('urn:ietf:params:acme:error:', '');

async function trusted(): Promise<AcmeClient> {
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
  const made = await acmeClient(platform, { profile: 'internal' });
  await made.register({ externalAccountBinding: bind(made, key) });
  return made;
}

/** RFC 9773 §4.1 */
function certIdOf(issued: Pick<Issued, 'der'>): string {
  const { authorityKeyIdentifier, serialOctets } = parseCertificate(issued.der);
  return `${authorityKeyIdentifier!.toString('base64url')}.${serialOctets.toString('base64url')}`;
}

const ask = (id: string, headers: Record<string, string> = {}): Promise<Answer> =>
  request(platform, `${String(client.directory['renewalInfo'])}/${id}`, { headers });
const windowOf = (answer: Answer): { start: string; end: string } => answer.json()['suggestedWindow'] as { start: string; end: string };
const renew = (who: AcmeClient, names: string[], replaces: unknown): Promise<Answer> =>
  who.post(String(who.directory['newOrder']), { identifiers: names.map((value) => ({ type: 'dns', value })), replaces });

test('a certificate has a window in its life, the same at each asking, for caches to keep (RFC 9773 §4)', async () => {
  const issued = await client.issue(freshName());
  const [first, second] = [await ask(certIdOf(issued)), await ask(certIdOf(issued))];
  expect([first.status, first.headers['content-type'], first.headers['retry-after']]).toEqual([200, 'application/json', '21600']);
  expect(first.headers['cache-control']).toMatch(/^public, max-age=\d+$/);
  expect(first.headers['replay-nonce']).toBeUndefined();
  expect(windowOf(second)).toEqual(windowOf(first));
  const { start, end } = windowOf(first);
  const { validFromDate, validToDate } = new X509Certificate(issued.der);
  expect(Date.parse(start)).toBeGreaterThan(validFromDate.getTime());
  expect(Date.parse(end)).toBeGreaterThan(Date.parse(start));
  expect(Date.parse(end)).toBeLessThan(validToDate.getTime());
  const tag = first.headers['etag'] ?? '';
  // A cache that compresses makes it a weak one (RFC 9110 §§8.8.3, 13.1.2).
  for (const seen of [tag, `W/${tag}`, `"other", ${tag}`])
    expect((await ask(certIdOf(issued), { 'if-none-match': seen })).status).toBe(304);
  expect((await ask(certIdOf(issued), { 'if-none-match': '"other"' })).status).toBe(200);
  // Whose it is does not matter: any profile's directory answers for the whole inventory.
  const elsewhere = await request(platform, `${platform.url}/acme/profile/default/renewal-info/${certIdOf(issued)}`);
  expect(windowOf(elsewhere)).toEqual(windowOf(first));
});

test('what is unknown is 404, what is no identifier 400, and nothing but GET and HEAD is allowed', async () => {
  const id = certIdOf(await client.issue(freshName()));
  const [issuer = '', serial = ''] = id.split('.');
  expect((await ask('aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')).status).toBe(404);
  expect((await ask(`aYhba4dGQEHhs3uEe6CuLN4ByNQ.${serial}`)).status).toBe(404);
  expect((await ask(`${issuer}.AIdlQyE`)).status).toBe(404);
  for (const wrong of [issuer, `${id}=`, `${id}.${serial}`, `${issuer}.`]) {
    const answer = await ask(wrong);
    expect([wrong, answer.status, typeOf(answer)]).toEqual([wrong, 400, 'malformed']);
  }
  const posted = await request(platform, `${String(client.directory['renewalInfo'])}/${id}`, { method: 'POST', body: '{}' });
  expect([posted.status, posted.headers['allow']]).toEqual([405, 'GET, HEAD']);
});

test('a revoked certificate, and one whose key was compromised, should be renewed before now, and it is said why', async () => {
  const keyPair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certify = async (): Promise<Buffer> => {
    const name = freshName();
    const { url, body } = await client.order(name);
    await client.post(String(body['finalize']), { csr: makeCsr([name], { keyPair }).csr.toString('base64url') });
    const pem = (await client.post(String((await client.post(url)).json()['certificate']))).text;
    return new X509Certificate(pem).raw;
  };
  const [first, second] = [await certify(), await certify()];
  const revoked = await client.post(String(client.directory['revokeCert']), { certificate: first.toString('base64url'), reason: 1 });
  expect(revoked.status).toBe(200);
  for (const der of [first, second]) {
    const answer = await ask(certIdOf({ der }));
    expect(Date.parse(windowOf(answer).end)).toBeLessThan(Date.now());
    expect(answer.json()['explanationURL']).toMatch(/^https:/);
  }
});

test('a certificate of a CA that retires should be renewed before now', async () => {
  const issued = await client.issue(freshName());
  const database = await platform.database();
  try {
    await database.query(`UPDATE certificate_authorities SET state = 'retiring' WHERE id = 'issuing-1'`);
    expect(Date.parse(windowOf(await ask(certIdOf(issued))).end)).toBeLessThan(Date.now());
  } finally {
    await database.query(`UPDATE certificate_authorities SET state = 'active' WHERE id = 'issuing-1'`);
    await database.end();
  }
  expect(Date.parse(windowOf(await ask(certIdOf(issued))).end)).toBeGreaterThan(Date.now());
});

test('an order says what it replaces, once, and an order that came to nothing frees it (RFC 9773 §5)', async () => {
  const name = freshName();
  const issued = await client.issue(name);
  const id = certIdOf(issued);
  const made = await renew(client, [name, freshName()], id);
  expect([made.status, made.json()['replaces']]).toEqual([201, id]);
  expect((await client.post(String(made.headers['location']))).json()['replaces']).toBe(id);
  const again = await renew(client, [name], id);
  expect([again.status, typeOf(again)]).toEqual([409, 'alreadyReplaced']);
  const [authorization] = made.json()['authorizations'] as string[];
  await client.post(authorization!, { status: 'deactivated' });
  expect((await renew(client, [name], id)).status).toBe(201);
});

test('of ten simultaneous orders one replaces the certificate', async () => {
  const name = freshName();
  const id = certIdOf(await client.issue(name));
  const answers = await Promise.all(Array.from({ length: 10 }, () => renew(client, [name], id)));
  expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array.from({ length: 9 }, () => 409)]);
});

test("what is another account's, shares no name, is unknown or no identifier replaces nothing", async () => {
  const name = freshName();
  const id = certIdOf(await client.issue(name));
  const other = await trusted();
  expect([(await renew(other, [name], id)).status, typeOf(await renew(other, [name], id))]).toEqual([403, 'unauthorized']);
  for (const [names, replaces] of [
    [[freshName()], id],
    [[name], 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE'],
    [[name], 'nonsense'],
    [[name], 7],
  ] as const) {
    const answer = await renew(client, [...names], replaces);
    expect([answer.status, typeOf(answer)]).toEqual([400, 'malformed']);
  }
  expect((await renew(client, [name], id)).status).toBe(201);
});
