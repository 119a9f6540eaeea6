import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, request, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { acmeClient, freshName, firstCertificate, poll, prove, startResponder, type AcmeClient, type Responder } from './client.ts';

let platform: Platform;
let responder: Responder;
let client: AcmeClient;
beforeAll(async () => {
  responder = await startResponder();
  platform = await startPlatform({ args: ['--door-http01-port', String(responder.port)] });
  const profiles = [
    { id: 'short', name: 'Short', description: 'Six days', validity_seconds: 518_400, selectable: true },
    { id: 'hidden', name: 'Hidden' },
    { id: 'terms', name: 'Terms', terms_of_service: 'https://example.com/terms', selectable: true },
  ];
  for (const profile of profiles) expect((await api(platform, 'POST', '/api/v1/profiles', profile)).status).toBe(201);
  client = await acmeClient(platform, { responder });
  await client.register();
});
afterAll(async () => {
  await platform.stop();
  await responder.stop();
});

const typeOf = (answer: Answer): string => String(answer.json()['type']).replace('urn:ietf:params:acme:error:', '');
const order = (profile: unknown, name = freshName(), who = client): Promise<Answer> =>
  who.post(String(who.directory['newOrder']), { identifiers: [{ type: 'dns', value: name }], profile });
const offered = async (path: string): Promise<unknown> => {
  const { meta } = (await request(platform, platform.url + path)).json();
  return (meta as { profiles: unknown }).profiles;
};

test('the shared directory offers the selectable profiles, each other directory its own alone', async () => {
  // A copy knows what is offered for some seconds.
  await until('the offer is known', async () => Object.hasOwn((await offered('/acme/directory')) as object, 'terms') || undefined);
  const shared = await offered('/acme/directory');
  expect(shared).toMatchObject({ default: 'Every name is proven by a challenge', short: 'Six days', terms: 'Terms' });
  expect(shared).not.toHaveProperty('hidden');
  expect(shared).not.toHaveProperty('internal');
  expect(await offered('/acme/profile/default/directory')).toEqual({ default: 'Every name is proven by a challenge' });
  expect(await offered('/acme/profile/short/directory')).toEqual({ short: 'Six days' });
});

test('an order names its profile, and a chosen one is what the certificate is made by', async () => {
  expect((await order(undefined)).json()['profile']).toBe('default');
  expect((await order('default')).json()['profile']).toBe('default');
  const name = freshName();
  const chosen = await order('short', name);
  expect([chosen.status, chosen.json()['profile']]).toEqual([201, 'short']);
  const url = String(chosen.headers['location']);
  expect(url).toContain('/acme/profile/default/order/');
  await prove(client, chosen.json(), responder);
  const ready = await poll(client, url, 'ready');
  const finalized = await client.post(String(ready['finalize']), { csr: makeCsr([name]).csr.toString('base64url') });
  expect(finalized.json()).toMatchObject({ status: 'valid', profile: 'short' });
  const der = firstCertificate((await client.post(String(finalized.json()['certificate']))).text);
  const { validFromDate, validToDate } = new X509Certificate(der);
  expect((validToDate.getTime() - validFromDate.getTime()) / 1000).toBeLessThan(518_401);
  const revoked = await client.post(String(client.directory['revokeCert']), { certificate: der.toString('base64url') });
  expect(revoked.status).toBe(200);
});

test.each(['nobody', 'hidden', 'internal', '', 'no such/thing'])('the profile %j is not offered: invalidProfile', async (profile) => {
  const answer = await order(profile);
  expect([answer.status, typeOf(answer)]).toEqual([400, 'invalidProfile']);
});

test('a profile that is no text is malformed, one with terms of its own asks for them, and other directories offer no choice', async () => {
  expect(typeOf(await order(7))).toBe('malformed');
  expect(typeOf(await order('terms'))).toBe('userActionRequired');
  const other = await acmeClient(platform, { profile: 'short' });
  await other.register();
  expect(typeOf(await order('default', freshName(), other))).toBe('invalidProfile');
  expect((await order('short', freshName(), other)).json()['profile']).toBe('short');
});

test('a profile that wants an invitation cannot be offered to those who have none', async () => {
  const answer = await api(platform, 'POST', '/api/v1/profiles', { id: 'invited', name: 'Invited', eab_required: true, selectable: true });
  expect(answer.status).toBe(422);
});

test('a profile that is withdrawn is not to be had by its next order', async () => {
  const made = (await api(platform, 'POST', '/api/v1/profiles', { id: 'brief', name: 'Brief', selectable: true })).json();
  expect((await order('brief')).status).toBe(201);
  const { acme_directory: _d, id: _i, version: _v, ...fields } = made;
  expect((await api(platform, 'PUT', '/api/v1/profiles/brief', { ...fields, selectable: false }, { 'if-match': '"v1"' })).status).toBe(200);
  expect(typeOf(await order('brief'))).toBe('invalidProfile');
});

test('what a chosen profile grants on trust does not revoke what others proved elsewhere (RFC 8555 §7.6)', async () => {
  const corp = { id: 'corp', name: 'Corp', acme_auth_mode: 'trust_authenticated', allowed_names: ['.localhost'], acknowledge_trust: true };
  expect((await api(platform, 'POST', '/api/v1/profiles', { ...corp, selectable: true })).status).toBe(201);
  const name = freshName();
  const issued = await client.issue(name);
  const other = await acmeClient(platform);
  await other.register();
  expect((await order('corp', name, other)).json()['status']).toBe('ready');
  const answer = await other.post(String(other.directory['revokeCert']), { certificate: issued.der.toString('base64url') });
  expect([answer.status, typeOf(answer)]).toEqual([403, 'unauthorized']);
});

test('a profile that keeps to the public web’s rules says so whole, and then orders no name that can be no public one', async () => {
  const wanted = { id: 'web', name: 'Web', requirements: 'cabf_tls_br' };
  const refused = await api(platform, 'POST', '/api/v1/profiles', { ...wanted, validity_seconds: 201 * 86_400, allow_single_label: true });
  expect(refused.status).toBe(422);
  for (const part of [
    'validity_seconds of at most',
    'key_rules of RSA and ECDSA alone',
    'policies with 2.23.140.1.2.1',
    'allow_single_label',
  ])
    expect(refused.json()['detail']).toContain(part);
  expect((await api(platform, 'POST', '/api/v1/profiles', { ...wanted, policies: ['1.2.3', '1.2.3'] })).status).toBe(400);
  const made = await api(platform, 'POST', '/api/v1/profiles', {
    ...wanted,
    policies: ['2.23.140.1.2.1'],
    key_rules: [{ algorithm: 'ECDSA', min_size: 256 }],
  });
  expect([made.status, made.json()]).toMatchObject([201, { requirements: 'cabf_tls_br', policies: ['2.23.140.1.2.1'] }]);
  const web = await acmeClient(platform, { profile: 'web' });
  await web.register();
  const ordered = (type: string, value: string): Promise<Answer> =>
    web.post(String(web.directory['newOrder']), { identifiers: [{ type, value }] });
  for (const [type, value] of [['dns', 'db.corp.internal'], ['dns', '*.com'], ['ip', '10.0.0.1']] as const) {
    const answer = await ordered(type, value);
    expect([value, answer.status, typeOf(answer)]).toEqual([value, 400, 'rejectedIdentifier']);
  } // prettier-ignore
  expect((await ordered('dns', 'www.example.com')).status).toBe(201);
});
