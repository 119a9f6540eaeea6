import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { acmeClient, challengeOf, freshName, poll, type AcmeClient } from './client.ts';
import { hurryValidations } from './hurry.ts';
import { startZone, type Zone, type ZoneRecord } from '../acme-conformance/zone.ts';

let platform: Platform;
let zone: Zone;
let client: AcmeClient;
beforeAll(async () => {
  zone = await startZone();
  platform = await startPlatform({ args: ['--dns-resolver', zone.address] });
  const made = await api(platform, 'POST', '/api/v1/profiles', { id: 'checked', name: 'Checked', caa_identities: ['ca.example'] });
  expect(made.status).toBe(201);
  client = await acmeClient(platform, { profile: 'checked' });
  await client.register();
});
afterAll(async () => {
  await platform.stop();
  zone.stop();
});

const caa = (tag: string, value: string, issuerCritical = false): ZoneRecord => ({ type: 'CAA', data: { tag, value, issuerCritical } });
const someName = (): string => freshName().replace('.localhost', '.zone.example');

/** Orders a name, answers dns-01, and waits for the end of the validation. */
async function validated(
  name: string,
): Promise<{ order: string; finalize: string; status: unknown; error: { type: string; detail: string } | undefined }> {
  const { url, body } = await client.order(name);
  const [authorization] = body['authorizations'] as string[];
  const challenge = await challengeOf(client, authorization!, 'dns-01');
  const base = name.replace(/^\*\./, '');
  const data = createHash('sha256').update(`${challenge.token}.${client.thumbprint}`).digest('base64url');
  zone.records.set(`_acme-challenge.${base}`, [
    { type: 'TXT', data: 'another' },
    { type: 'TXT', data },
  ]);
  await client.post(challenge.url, {});
  const ended = await until('the challenge has ended', async () => {
    await hurryValidations(platform);
    const read = (await client.post(challenge.url)).json();
    return read['status'] === 'valid' || read['status'] === 'invalid' ? read : undefined;
  });
  return {
    order: url,
    finalize: String(body['finalize']),
    status: ended['status'],
    error: ended['error'] as { type: string; detail: string } | undefined,
  };
}

test('the directory says which identities CAA records may name', () => {
  expect((client.directory['meta'] as { caaIdentities: string[] }).caaIdentities).toEqual(['ca.example']);
});

test('names without records, or whose nearest records name this CA, account and method, are issued (RFC 8659, RFC 8657)', async () => {
  const free = someName();
  expect((await validated(free)).status).toBe('valid');
  expect(zone.asked).toEqual(expect.arrayContaining([`CAA ${free}`, 'CAA zone.example', 'CAA example']));
  const bound = someName();
  zone.records.set(bound, [caa('issue', `ca.example; accounturi=${client.kid}; validationmethods=dns-01`)]);
  const done = await validated(bound);
  expect(done.status).toBe('valid');
  const finalized = await client.post(done.finalize, { csr: makeCsr([bound]).csr.toString('base64url') });
  expect(finalized.json()['status']).toBe('valid');
});

test.each<[string, ZoneRecord[], string]>([
  ['another CA', [caa('issue', 'other.example')], ''],
  ['nobody', [caa('issue', ';')], ''],
  ['another account', [caa('issue', 'ca.example; accounturi=https://elsewhere.example/1')], ''],
  ['another method', [caa('issue', 'ca.example; validationmethods=http-01')], ''],
  ['nobody for wildcards', [caa('issue', 'ca.example'), caa('issuewild', ';')], '*.'],
  ['a critical property that is unknown', [caa('future', 'x', true)], ''],
])('records that permit %s are a caa error, and the order is invalid', async (_, records, prefix) => {
  const name = someName();
  zone.records.set(name, records);
  const { status, error, order } = await validated(prefix + name);
  expect([status, error?.type]).toEqual(['invalid', 'urn:ietf:params:acme:error:caa']);
  expect((await client.post(order)).json()['status']).toBe('invalid');
});

test('records that cannot be read forbid, after several tries', async () => {
  const name = someName();
  zone.broken.add(name);
  const { status, error } = await validated(name);
  expect([status, error?.type]).toEqual(['invalid', 'urn:ietf:params:acme:error:caa']);
  expect(error?.detail).toContain('SERVFAIL');
  expect(zone.asked.filter((question) => question === `CAA ${name}`).length).toBeGreaterThanOrEqual(4);
});

test('records that were looked up more than eight hours ago allow no certificate any more', async () => {
  const name = someName();
  const { order, finalize, status } = await validated(name);
  expect(status).toBe('valid');
  const database = await platform.database();
  try {
    await database.query(
      `UPDATE acme_challenges SET validated_at = now() - interval '9 hours' WHERE status = 'valid' AND authorization_id LIKE $1 || '.%'`,
      [order.split('/').at(-1)],
    );
  } finally {
    await database.end();
  }
  const refused: Answer = await client.post(finalize, { csr: makeCsr([name]).csr.toString('base64url') });
  expect([refused.status, String(refused.json()['type']).split(':').at(-1)]).toEqual([403, 'orderNotReady']);
});

test('a TXT record that is found behind an alias proves the name (RFC 8555 §8.4)', async () => {
  const { url, body } = await client.order(someName());
  const [authorization] = body['authorizations'] as string[];
  const read = (await client.post(authorization!)).json()['identifier'] as { value: string };
  const challenge = await challengeOf(client, authorization!, 'dns-01');
  const data = createHash('sha256').update(`${challenge.token}.${client.thumbprint}`).digest('base64url');
  zone.records.set(`_acme-challenge.${read.value}`, [{ type: 'CNAME', data: `${read.value}.delegated.example` }]);
  zone.records.set(`${read.value}.delegated.example`, [{ type: 'TXT', data }]);
  await client.post(challenge.url, {});
  await poll(client, url, 'ready');
});
