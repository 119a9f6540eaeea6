import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certIdOf } from '../acme-conformance/certificate.ts';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { api, request, rowsOf, runLoop, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { firstCertificate, registered, type AcmeClient } from './client.ts';
import { statementsDuring } from './statements.ts';

const urn = (name: string): string => `urn:ietf:params:acme:error:${name}`;
const lifetime = 240;
const stars = {
  id: 'stars',
  name: 'Stars',
  acme_auth_mode: 'trust_authenticated',
  acknowledge_trust: true,
  allowed_names: ['.stars.example'],
  selectable: true,
  validity_seconds: 600,
  auto_renewal: { min_lifetime: 60, max_duration: 86_400, allow_certificate_get: true },
};

let platform: Platform;
let client: AcmeClient;
beforeAll(async () => {
  platform = await startPlatform();
  const made = await api(platform, 'POST', '/api/v1/profiles', stars);
  expect([made.status, made.json()['auto_renewal']]).toEqual([201, stars.auto_renewal]);
  client = await registered(platform, { profile: 'stars' });
});
afterAll(() => platform.stop());

const inSeconds = (seconds: number): string => new Date((Math.floor(Date.now() / 1000) + seconds) * 1000).toISOString().replace('.000', '');
let names = 0;
const freshName = (): string => `n${++names}.stars.example`;

interface Star {
  readonly order: string;
  readonly id: string;
  readonly url: string;
  readonly name: string;
  readonly body: Record<string, unknown>;
}

function order(who: AcmeClient, name: string, renewal: object | undefined, more: object = {}): Promise<Answer> {
  const autoRenewal = renewal && { 'auto-renewal': { 'end-date': inSeconds(3600), lifetime, ...renewal } };
  return who.post(String(who.directory['newOrder']), { identifiers: [{ type: 'dns', value: name }], ...autoRenewal, ...more });
}

async function issued(renewal: object = {}, who = client): Promise<Star> {
  const name = freshName();
  const placed = await order(who, name, renewal);
  expect([placed.status, placed.json()['status']]).toEqual([201, 'ready']);
  const finalized = await who.post(String(placed.json()['finalize']), { csr: makeCsr([name]).csr.toString('base64url') });
  expect([finalized.status, finalized.json()['status']]).toEqual([200, 'valid']);
  const url = placed.headers['location'] ?? '';
  return { order: url, id: url.split('/').at(-1)!, url: String(finalized.json()['star-certificate']), name, body: finalized.json() };
}

const byGet = (url: string, method = 'GET'): Promise<Answer> => request(platform, url, { method });
const leafOf = ({ text }: Answer): X509Certificate => new X509Certificate(firstCertificate(text));
const nameOf = (statement: string): string => statement.split(':')[0] ?? '';
const typeOf = (answer: Answer): unknown => [answer.status, answer.json()['type']];

/** What the inventory has of an order. */
function inventory({ id }: Star): Promise<readonly { number: number; serial: string; source: string }[]> {
  return rowsOf(
    platform,
    `SELECT w.number, c.serial, c.source FROM acme_renewals w JOIN certificates c ON c.id = w.certificate_id WHERE w.order_id = $1 ORDER BY w.number`,
    [id],
  );
}

/** Lets time pass for an order, as its rows have it. */
async function pass({ id }: Star, seconds: number): Promise<void> {
  await rowsOf(
    platform,
    `WITH o AS (UPDATE acme_orders SET first_not_before = first_not_before - make_interval(secs => $2), expires_at = expires_at - make_interval(secs => $2),
        auto_renewal = jsonb_set(auto_renewal, '{end-date}', to_jsonb(to_char(((auto_renewal ->> 'end-date')::timestamptz - make_interval(secs => $2)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))
      WHERE id = $1 RETURNING id)
    UPDATE certificates SET not_before = not_before - make_interval(secs => $2), not_after = not_after - make_interval(secs => $2)
    WHERE id IN (SELECT certificate_id FROM acme_renewals WHERE order_id IN (SELECT id FROM o))`,
    [id, seconds],
  );
}

test('the directory of a profile that renews says so, another’s does not (RFC 8739 §3.2)', async () => {
  expect(client.directory['meta']).toMatchObject({
    'auto-renewal': { 'min-lifetime': 60, 'max-duration': 86_400, 'allow-certificate-get': true },
  });
  const other = (await byGet(`${platform.url}/acme/profile/default/directory`)).json();
  expect(other['meta']).not.toHaveProperty('auto-renewal');
});

test.each([
  ['long-lived certificates', { validity_seconds: 864_001 }],
  [
    'certificates that live less than one and a half of the least lifetime',
    { validity_seconds: 300, auto_renewal: { min_lifetime: 201, max_duration: 3600 } },
  ],
  ['a least lifetime beyond the longest duration', { auto_renewal: { min_lifetime: 100, max_duration: 60 } }],
  ['people to ask', { requires_approval: true }],
])('a profile with %s cannot renew by itself', async (_, fields) => {
  const refused = await api(platform, 'POST', '/api/v1/profiles', { ...stars, id: 'refused', name: 'Refused', ...fields });
  expect([refused.status, refused.json()['detail']]).toEqual([422, expect.stringContaining('auto_renewal needs')]);
});

test('an order shows what was agreed on, and once finalized the URL of what renews itself; the certificate is in the inventory (§3.1.1)', async () => {
  const end = inSeconds(3600);
  const name = freshName();
  const placed = (await order(client, name, { 'end-date': end, 'lifetime-adjust': 0, 'allow-certificate-get': false })).json();
  expect(placed['auto-renewal']).toEqual({ 'end-date': end, lifetime, 'lifetime-adjust': lifetime / 2 });
  expect(placed).not.toHaveProperty('star-certificate');
  const star = await issued({ 'end-date': end });
  expect(star.body).toMatchObject({ status: 'valid', expires: end });
  expect(star.url).toMatch(/\/star\/[\w-]{22}$/);
  for (const absent of ['certificate', 'notBefore', 'notAfter']) expect(star.body).not.toHaveProperty(absent);
  expect((await inventory(star)).map(({ number, source }) => ({ number, source }))).toEqual([{ number: 0, source: 'ACME' }]);
  const listed = (await api(platform, 'GET', '/api/v1/acme/orders?profile=stars')).json()['items'] as Record<string, unknown>[];
  expect(listed.find((row) => row['id'] === star.id)).toMatchObject({ auto_renewal: star.body['auto-renewal'], status: 'valid' });
});

test('the certificate is read by its account, with its validity in the header, and by nobody else where no GET was agreed on (§3.3)', async () => {
  const star = await issued();
  const answer = await client.post(star.url);
  const leaf = leafOf(answer);
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/pem-certificate-chain']);
  expect(answer.headers['cert-not-before']).toBe(new Date(leaf.validFrom).toUTCString());
  expect(answer.headers['cert-not-after']).toBe(new Date(leaf.validTo).toUTCString());
  expect(answer.headers['link']).toContain(`<${String(client.directory['newNonce']).replace('new-nonce', 'directory')}>;rel="index"`);
  expect([answer.headers['cache-control'], typeof answer.headers['replay-nonce']]).toEqual(['no-store', 'string']);
  expect(new Date(leaf.validTo).getTime() - new Date(leaf.validFrom).getTime()).toBe(lifetime * 1000);
  expect(leaf.subjectAltName).toBe(`DNS:${star.name}`);
  expect(typeOf(await byGet(star.url))).toEqual([405, urn('malformed')]);
  expect((await byGet(star.url)).headers['allow']).toBe('POST');
  const other = await registered(platform, { profile: 'stars' });
  expect(typeOf(await other.post(star.url))).toEqual([404, urn('malformed')]);
  expect(typeOf(await client.post(star.url, {}))).toEqual([400, urn('malformed')]);
  expect(typeOf(await byGet(star.url.replace(/[^/]+$/, 'A'.repeat(22))))).toEqual([404, urn('malformed')]);
  expect((await byGet(star.url.replace('/stars/', '/default/'))).status).toBe(404);
});

test('where GET was agreed on, whoever knows the URL reads the certificate, caches may keep it until the next one is due, and its account reads it, too (§3.4)', async () => {
  const star = await issued({ 'allow-certificate-get': true });
  expect(star.body['auto-renewal']).toMatchObject({ 'allow-certificate-get': true });
  const answer = await byGet(star.url);
  expect(answer.status).toBe(200);
  const [, age] = /^public, max-age=(\d+)$/.exec(answer.headers['cache-control'] ?? '') ?? [];
  expect(Number(age)).toBeGreaterThan(0);
  expect(Number(age)).toBeLessThanOrEqual(lifetime / 2);
  expect(answer.headers).not.toHaveProperty('replay-nonce');
  expect(answer.headers['link']).toContain('rel="index"');
  const head = await byGet(star.url, 'HEAD');
  expect([head.status, head.body.length, head.headers['cert-not-after']]).toEqual([200, 0, answer.headers['cert-not-after']]);
  expect((await client.post(star.url)).text).toBe(answer.text);
});

test('an order with a start to come has its first certificate at once, valid from then on, and begins its schedule there (§3.5)', async () => {
  const start = inSeconds(600);
  const star = await issued({ 'start-date': start, 'end-date': inSeconds(4200) });
  expect(star.body['auto-renewal']).toMatchObject({ 'start-date': start });
  const leaf = leafOf(await client.post(star.url));
  expect([Date.parse(leaf.validFrom), Date.parse(leaf.validTo)]).toEqual([Date.parse(start), Date.parse(start) + lifetime * 1000]);
  await pass(star, 600 + lifetime / 2 + 1);
  expect(leafOf(await client.post(star.url)).serialNumber).not.toBe(leaf.serialNumber);
  expect((await inventory(star)).map(({ number }) => number)).toEqual([0, 1]);
});

test('when the next certificate is due, the first of many who fetch at once has it issued, once, with the key and the names of the order', async () => {
  const star = await issued({ 'lifetime-adjust': lifetime, 'allow-certificate-get': true });
  const answers = await Promise.all(Array.from({ length: 24 }, (_, index) => (index % 3 === 0 ? client.post(star.url) : byGet(star.url))));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  const kept = await inventory(star);
  expect(kept.map(({ number }) => number)).toEqual([0, 1]);
  const serials = new Set(answers.map((answer) => leafOf(answer).serialNumber.toLowerCase().replace(/^0+/, '')));
  expect(kept.map(({ serial }) => serial)).toEqual(expect.arrayContaining([...serials]));
  const renewed = leafOf(await byGet(star.url));
  const [first] = await rowsOf<{ certificate: Buffer }>(
    platform,
    `SELECT c.certificate FROM acme_renewals w JOIN certificates c ON c.id = w.certificate_id WHERE w.order_id = $1 AND w.number = 0`,
    [star.id],
  );
  const original = new X509Certificate(first!.certificate);
  expect(renewed.publicKey.equals(original.publicKey)).toBe(true);
  expect(renewed.subjectAltName).toBe(original.subjectAltName);
  // begins where the first did, and ends a lifetime later (§3.5)
  expect(renewed.validFrom).toBe(original.validFrom);
  expect(new Date(renewed.validTo).getTime() - new Date(original.validTo).getTime()).toBe(lifetime * 1000);
  const trail = await rowsOf<{ actor: string }>(
    platform,
    `SELECT actor FROM audit_events WHERE action = 'acme_order_renewed' AND details ->> 'order' = $1`,
    [star.id],
  );
  expect(trail).toEqual([{ actor: 'system:auto-renewal' }]);
});

test('a fetch costs one statement, and one that has the next certificate issued four', async () => {
  const star = await issued({ 'lifetime-adjust': lifetime });
  await client.post((await issued({ 'lifetime-adjust': lifetime })).url);
  const renewing = await statementsDuring(platform, async () => expect((await client.post(star.url)).status).toBe(200));
  expect(renewing.map(nameOf)).toEqual(['acme-star', 'acme-star-begin', 'acme-star-complete', 'acme-star']);
  const reading = await statementsDuring(platform, async () => expect((await client.post(star.url)).status).toBe(200));
  expect(reading.map(nameOf)).toEqual(['acme-star']);
});

test('what nobody fetched in its time is never issued: after a long silence the certificate that is due then follows', async () => {
  const star = await issued({ 'allow-certificate-get': true });
  await pass(star, lifetime * 4 + 10);
  const answers = await Promise.all(Array.from({ length: 12 }, () => byGet(star.url)));
  // Without a last one that is valid, who comes second may have to ask again.
  expect(answers.map(({ status }) => status).filter((status) => status !== 503)).toContain(200);
  for (const { status, headers } of answers) expect(status === 200 || (status === 503 && Number(headers['retry-after']) > 0)).toBe(true);
  expect((await byGet(star.url)).status).toBe(200);
  expect((await inventory(star)).map(({ number }) => number)).toEqual([0, 4]);
});

test('a certificate that somebody reserved and did not live to sign is signed when the lease ends, under its serial; until then the last one is given', async () => {
  const star = await issued({ 'lifetime-adjust': lifetime });
  const renewed = leafOf(await client.post(star.url)).serialNumber;
  await rowsOf(
    platform,
    `WITH w AS (DELETE FROM acme_renewals WHERE order_id = $1 AND number = 1 RETURNING certificate_id),
      s AS (UPDATE signing_log SET certificate_id = NULL WHERE idempotency_key = $1 || '/1')
    UPDATE acme_orders SET renewal_number = 0, certificate_id = (SELECT certificate_id FROM acme_renewals WHERE order_id = $1 AND number = 0), lease_until = now() + interval '1 hour'
    WHERE id = $1`,
    [star.id],
  );
  await rowsOf(
    platform,
    `DELETE FROM certificates c WHERE account_id = $1 AND NOT EXISTS (SELECT FROM signing_log s WHERE s.certificate_id = c.id)`,
    [client.kid.split('/').at(-1)],
  );
  expect(leafOf(await client.post(star.url)).serialNumber).not.toBe(renewed);
  await rowsOf(platform, `UPDATE acme_orders SET lease_until = now() - interval '1 second' WHERE id = $1`, [star.id]);
  expect(leafOf(await client.post(star.url)).serialNumber).toBe(renewed);
  expect((await inventory(star)).map(({ number }) => number)).toEqual([0, 1]);
});

test('a canceled order renews nothing and shows nothing, and cannot be canceled again (§3.1.2)', async () => {
  const star = await issued({ 'lifetime-adjust': lifetime, 'allow-certificate-get': true });
  const stranger = await registered(platform, { profile: 'stars' });
  expect(typeOf(await stranger.post(star.order, { status: 'canceled' }))).toEqual([404, urn('malformed')]);
  expect(typeOf(await client.post(star.order, { status: 'invalid' }))).toEqual([400, urn('malformed')]);
  const canceled = await client.post(star.order, { status: 'canceled' });
  expect([canceled.status, canceled.json()['status']]).toEqual([200, 'canceled']);
  expect(Date.parse(String(canceled.json()['expires']))).toBeLessThanOrEqual(Date.now());
  expect(canceled.json()).not.toHaveProperty('star-certificate');
  expect(typeOf(await client.post(star.url))).toEqual([403, urn('autoRenewalCanceled')]);
  const got = await byGet(star.url);
  expect([typeOf(got), got.headers['cache-control']]).toEqual([[403, urn('autoRenewalCanceled')], 'no-store']);
  expect(typeOf(await client.post(star.order, { status: 'canceled' }))).toEqual([400, urn('autoRenewalCancellationInvalid')]);
  expect((await inventory(star)).map(({ number }) => number)).toEqual([0]);
  const trail = await rowsOf<{ actor: string }>(
    platform,
    `SELECT actor FROM audit_events WHERE action = 'acme_order_canceled' AND resource_id = $1`,
    [star.id],
  );
  expect(trail).toEqual([{ actor: `acme:${client.kid.split('/').at(-1)}` }]);
});

test('an order that is not valid, or renews nothing, cannot be canceled', async () => {
  const ready = await order(client, freshName(), {});
  expect(typeOf(await client.post(ready.headers['location']!, { status: 'canceled' }))).toEqual([
    400,
    urn('autoRenewalCancellationInvalid'),
  ]);
  expect((await client.post(ready.headers['location']!)).json()['status']).toBe('ready');
  const ordinary = await client.issue(freshName());
  expect(typeOf(await client.post(ordinary.order, { status: 'canceled' }))).toEqual([400, urn('malformed')]);
});

test('at its end-date an order stays valid and its certificate is gone (§3.3)', async () => {
  const star = await issued();
  await pass(star, 3601);
  expect((await client.post(star.order)).json()['status']).toBe('valid');
  expect(typeOf(await client.post(star.url))).toEqual([403, urn('autoRenewalExpired')]);
});

test('a certificate that renews itself is not revoked, neither by its account nor by its key (§3.1.2)', async () => {
  const star = await issued();
  const certificate = firstCertificate((await client.post(star.url)).text).toString('base64url');
  expect(typeOf(await client.post(String(client.directory['revokeCert']), { certificate }))).toEqual([
    403,
    urn('autoRenewalRevocationNotSupported'),
  ]);
  expect(
    await rowsOf(platform, `SELECT FROM revocations r JOIN acme_renewals w ON w.certificate_id = r.certificate_id WHERE w.order_id = $1`, [
      star.id,
    ]),
  ).toEqual([]);
});

test.each([
  ['holds', 6],
  ['revokes', 4],
])('when an operator %s a certificate of an order, it is neither renewed nor given out', async (_, reason) => {
  const star = await issued({ 'lifetime-adjust': lifetime });
  await rowsOf(
    platform,
    `INSERT INTO revocations (ca_id, serial, certificate_id, reason, revoked_by, not_after)
     SELECT c.ca_id, c.serial, c.id, $2, 'test', c.not_after FROM acme_renewals w JOIN certificates c ON c.id = w.certificate_id WHERE w.order_id = $1`,
    [star.id, reason],
  );
  expect(typeOf(await client.post(star.url))).toEqual([403, urn('unauthorized')]);
  await rowsOf(platform, `DELETE FROM revocations WHERE revoked_by = 'test'`);
  expect((await client.post(star.url)).status).toBe(200);
});

test('who gives a name up, or the account, cancels what renews itself for it', async () => {
  const leaver = await registered(platform, { profile: 'stars' });
  const [named, other] = [await issued({ 'allow-certificate-get': true }, leaver), await issued({ 'allow-certificate-get': true }, leaver)];
  const [authorization] = named.body['authorizations'] as string[];
  expect((await leaver.post(authorization!, { status: 'deactivated' })).json()['status']).toBe('deactivated');
  expect([(await leaver.post(named.order)).json()['status'], (await leaver.post(other.order)).json()['status']]).toEqual([
    'canceled',
    'valid',
  ]);
  await leaver.post(leaver.kid, { status: 'deactivated' });
  for (const { url } of [named, other]) expect(typeOf(await byGet(url))).toEqual([403, urn('autoRenewalCanceled')]);
  const ended = await registered(platform, { profile: 'stars' });
  const last = await issued({ 'allow-certificate-get': true }, ended);
  expect((await api(platform, 'POST', `/api/v1/acme/accounts/${ended.kid.split('/').at(-1)}/deactivate`)).status).toBe(200);
  expect(typeOf(await byGet(last.url))).toEqual([403, urn('autoRenewalCanceled')]);
});

test('while the account of an order is blocked, nobody reads its certificate, and nothing is issued', async () => {
  const owner = await registered(platform, { profile: 'stars' });
  const star = await issued({ 'lifetime-adjust': lifetime, 'allow-certificate-get': true }, owner);
  const block = (at: string): Promise<unknown> =>
    rowsOf(platform, `UPDATE acme_accounts SET blocked_at = ${at} WHERE id = $1`, [owner.kid.split('/').at(-1)]);
  await block('now()');
  expect(typeOf(await byGet(star.url))).toEqual([403, urn('unauthorized')]);
  expect(typeOf(await owner.post(star.url))).toEqual([401, urn('unauthorized')]);
  expect(await inventory(star)).toHaveLength(1);
  await block('NULL');
  expect((await byGet(star.url)).status).toBe(200);
  expect(await inventory(star)).toHaveLength(2);
});

test('a key that was reported as compromised is not certified again; its last certificate is given until it ends', async () => {
  const star = await issued({ 'lifetime-adjust': lifetime });
  await rowsOf(
    platform,
    `INSERT INTO blocked_keys (spki_sha256, reason)
     SELECT c.spki_sha256, 'keyCompromise' FROM acme_renewals w JOIN certificates c ON c.id = w.certificate_id WHERE w.order_id = $1`,
    [star.id],
  );
  expect((await client.post(star.url)).status).toBe(200);
  await pass(star, lifetime + 1);
  expect(typeOf(await client.post(star.url))).toEqual([403, urn('unauthorized')]);
  expect(await inventory(star)).toHaveLength(1);
});

test('an account of the shared directory renews under the profile that it chose, at a URL of its own directory', async () => {
  const owner = await registered(platform, { profile: 'default' });
  const name = freshName();
  const placed = await order(owner, name, { 'lifetime-adjust': lifetime }, { profile: 'stars' });
  const finalized = await owner.post(String(placed.json()['finalize']), { csr: makeCsr([name]).csr.toString('base64url') });
  const url = String(finalized.json()['star-certificate']);
  expect(url).toContain('/acme/profile/default/star/');
  expect((await owner.post(url)).status).toBe(200);
  expect((await byGet(url.replace('/default/', '/stars/'))).status).toBe(404);
});

test('when the profile stops to allow it, the last certificate is given until it ends, and then the reason; once it is allowed again, renewal goes on', async () => {
  const changed = { ...stars, id: 'changing', name: 'Changing' };
  expect((await api(platform, 'POST', '/api/v1/profiles', changed)).status).toBe(201);
  let version = 0;
  const put = async (fields: object): Promise<number> => {
    const { id: _, ...rest } = { ...changed, ...fields };
    return (await api(platform, 'PUT', '/api/v1/profiles/changing', rest, { 'if-match': `"v${++version}"` })).status;
  };
  const owner = await registered(platform, { profile: 'changing' });
  const star = await issued({ 'lifetime-adjust': lifetime }, owner);
  expect(await put({ auto_renewal: null })).toBe(200);
  expect((await owner.post(star.url)).status).toBe(200);
  expect(await inventory(star)).toHaveLength(1);
  await pass(star, lifetime + 1);
  expect(typeOf(await owner.post(star.url))).toEqual([403, urn('unauthorized')]);
  expect(await put({ allowed_names: ['.elsewhere.example'] })).toBe(200);
  expect(typeOf(await owner.post(star.url))).toEqual([400, urn('rejectedIdentifier')]);
  expect(await put({})).toBe(200);
  expect((await owner.post(star.url)).status).toBe(200);
  expect(await inventory(star)).toHaveLength(2);
});

test('what cannot be honoured is refused, and nothing is stored', async () => {
  const refused = async (renewal: object, more: object = {}, who = client): Promise<unknown> =>
    typeOf(await order(who, freshName(), renewal, more));
  const malformed = [400, urn('malformed')];
  expect(await refused({}, { notAfter: inSeconds(300) })).toEqual(malformed);
  expect(await refused({ lifetime: 59 })).toEqual(malformed);
  expect(await refused({ 'end-date': inSeconds(90_000) })).toEqual(malformed);
  const elsewhere = await registered(platform, { profile: 'default' });
  expect(await refused({}, {}, elsewhere)).toEqual(malformed);
  expect(await rowsOf(platform, `SELECT FROM acme_orders WHERE account_id = $1`, [elsewhere.kid.split('/').at(-1)])).toEqual([]);
});

test('an order that renews itself may replace an ordinary certificate, and ARI answers for its certificates (RFC 9773)', async () => {
  const name = freshName();
  const ordinary = await client.issue(name);
  const idOf = (der: Buffer): string => certIdOf(der)!;
  const placed = await order(client, name, {}, { replaces: idOf(ordinary.der) });
  expect([placed.status, placed.json()['replaces']]).toEqual([201, idOf(ordinary.der)]);
  const star = await issued();
  const info = await byGet(`${String(client.directory['renewalInfo'])}/${idOf(firstCertificate((await client.post(star.url)).text))}`);
  expect([info.status, Object.keys(info.json())]).toEqual([200, ['suggestedWindow']]);
});

test('ninety days after its end an order forgets its CSR and its URL', async () => {
  const [ended, going] = [await issued(), await issued()];
  await rowsOf(platform, `UPDATE acme_orders SET expires_at = now() - interval '91 days' WHERE id = $1`, [ended.id]);
  const isForgotten = async ({ id }: Star): Promise<boolean | undefined> =>
    (
      await rowsOf<{ forgotten: boolean }>(platform, `SELECT star_id IS NULL AND csr IS NULL AS forgotten FROM acme_orders WHERE id = $1`, [
        id,
      ])
    )[0]?.forgotten;
  await until('the order that ended is swept', async () => {
    await runLoop(platform, 'acmeGC');
    return isForgotten(ended);
  });
  expect(await isForgotten(going)).toBe(false);
  expect((await client.post(ended.order)).json()).not.toHaveProperty('star-certificate');
  expect((await client.post(ended.url)).status).toBe(404);
});

test('a certificate that was renewed runs out on nobody: only the last one of an order is told of', async () => {
  await rowsOf(
    platform,
    `INSERT INTO notification_channels (id, name, type, url, sealed_secret, events, created_by)
     VALUES ('ch-stars', 'stars', 'webhook', 'https://hooks.invalid/', '', '{certificate.expired}', 'test')`,
  );
  const star = await issued({ 'lifetime-adjust': lifetime });
  await client.post(star.url);
  await pass(star, 3 * lifetime);
  const told = await until('both ends are noted', async () => {
    await runLoop(platform, 'shortLivedExpiryCheck');
    const rows = await rowsOf<{ number: number; noted: boolean; told: boolean }>(
      platform,
      `SELECT w.number, c.expiry_noted_at IS NOT NULL AS noted, EXISTS (SELECT FROM notifications n WHERE n.subject_id = c.id) AS told
       FROM acme_renewals w JOIN certificates c ON c.id = w.certificate_id WHERE w.order_id = $1 ORDER BY w.number`,
      [star.id],
    );
    return rows.every(({ noted }) => noted) ? rows : undefined;
  });
  expect(told.map(({ number, told }) => [number, told])).toEqual([
    [0, false],
    [1, true],
  ]);
});
