import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { startZone, type Zone } from '../acme-conformance/zone.ts';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { acmeClient, bind, challengeOf, freshName, poll, registered, type AcmeClient } from './client.ts';
import { hurryValidations } from './hurry.ts';

let platform: Platform;
let zone: Zone;
beforeAll(async () => {
  zone = await startZone();
  platform = await startPlatform({ args: ['--dns-resolver', zone.address] });
  const base = { subdomain_auth_allowed: true, authorization_reuse_seconds: 3600 };
  for (const profile of [
    { ...base, id: 'families', name: 'Families' },
    { ...base, id: 'checked', name: 'Checked', caa_identities: ['ca.example'] },
    {
      id: 'trusting',
      name: 'Trusting',
      subdomain_auth_allowed: true,
      acme_auth_mode: 'trust_authenticated',
      eab_required: true,
      acknowledge_trust: true,
    },
  ])
    expect((await api(platform, 'POST', '/api/v1/profiles', profile)).status).toBe(201);
});
afterAll(async () => {
  await platform.stop();
  zone.stop();
});

const someDomain = (): string => freshName().replace('.localhost', '.zone.example');

const someone = (profile = 'families'): Promise<AcmeClient> => registered(platform, { profile });

function order(client: AcmeClient, value: string, ancestorDomain: unknown, type = 'dns'): Promise<Answer> {
  return client.post(String(client.directory['newOrder']), { identifiers: [{ type, value, ancestorDomain }] });
}

/** Answers dns-01 where the authorization stands, and waits for the end. */
async function proven(client: AcmeClient, placed: Answer): Promise<Record<string, unknown>> {
  const [authorization] = placed.json()['authorizations'] as string[];
  const { identifier } = (await client.post(authorization!)).json() as { identifier: { value: string } };
  const challenge = await challengeOf(client, authorization!, 'dns-01');
  const data = createHash('sha256').update(`${challenge.token}.${client.thumbprint}`).digest('base64url');
  zone.records.set(`_acme-challenge.${identifier.value}`, [{ type: 'TXT', data }]);
  await client.post(challenge.url, {});
  return until(
    'the challenge has ended',
    async () => {
      await hurryValidations(platform);
      const read = (await client.post(challenge.url)).json();
      return read['status'] === 'valid' || read['status'] === 'invalid' ? read : undefined;
    },
    70,
  );
}

async function issued(client: AcmeClient, placed: Answer, name: string): Promise<void> {
  const url = placed.headers['location'] ?? '';
  const ready = await poll(client, url, 'ready');
  await client.post(String(ready['finalize']), { csr: makeCsr([name]).csr.toString('base64url') });
  await poll(client, url, 'valid');
}

test.each(['host', '*', '*.inner'])('a proof of a domain by DNS serves %s below it (RFC 9444 §4)', async (prefix) => {
  const [client, domain] = [await someone(), someDomain()];
  expect(client.directory['meta']).toMatchObject({ subdomainAuthAllowed: true });
  const name = `${prefix}.${domain}`;
  const placed = await order(client, name, domain.toUpperCase());
  expect(placed.status).toBe(201);
  const [url] = placed.json()['authorizations'] as string[];
  const authorization = (await client.post(url!)).json();
  expect(authorization).toMatchObject({ identifier: { type: 'dns', value: domain }, subdomainAuthAllowed: true });
  expect(authorization).not.toHaveProperty('wildcard');
  expect((authorization['challenges'] as { type: string }[]).map(({ type }) => type)).toEqual(['dns-01']);
  expect((await proven(client, placed))['status']).toBe('valid');
  await issued(client, placed, name);
});

test('the same proof serves further names below the domain, of its account alone, and neither the domain itself nor its wildcard', async () => {
  const [client, other, domain] = [await someone(), await someone(), someDomain()];
  await proven(client, await order(client, `a.${domain}`, domain));
  const next = await order(client, `b.${domain}`, domain);
  expect(next.json()['status']).toBe('ready');
  await issued(client, next, `b.${domain}`);
  expect((await order(other, `b.${domain}`, domain)).json()['status']).toBe('pending');
  expect((await order(client, domain, undefined)).json()['status']).toBe('pending');
  expect((await order(client, `*.${domain}`, undefined)).json()['status']).toBe('pending');
  expect((await order(client, `c.${domain}`, undefined)).json()['status']).toBe('pending');
});

test.each([
  ['a domain elsewhere', 'dns', (domain: string) => [`host.${domain}`, someDomain()]],
  ['the name itself', 'dns', (domain: string) => [domain, domain]],
  ['a name that ends alike', 'dns', (domain: string) => [`host.x${domain}`, domain]],
  ['a name below', 'dns', (domain: string) => [domain, `host.${domain}`]],
  ['a top level domain', 'dns', (domain: string) => [domain, 'example']],
  ['nothing', 'dns', (domain: string) => [domain, '']],
  ['a number', 'dns', (domain: string) => [`host.${domain}`, 7]],
  ['a domain for an address', 'ip', (domain: string) => ['192.0.2.1', domain]],
])('%s is no ancestor domain, and nothing is ordered', async (_, type, names) => {
  const client = await someone();
  const [value, ancestor] = names(someDomain());
  const refused = await order(client, String(value), ancestor, type);
  expect([refused.status, refused.json()['type']]).toEqual([400, expect.stringMatching(/:(rejectedIdentifier|malformed)$/)]);
  expect((await client.post(`${client.kid}/orders`)).json()['orders']).toEqual([]);
});

test('CAA records of the name that is certified govern, not those of the domain that is proven', async () => {
  const client = await someone('checked');
  const domain = someDomain();
  const caa = (value: string) => [{ type: 'CAA', data: { tag: 'issue', value } }] as const;
  zone.records.set(domain, caa('ca.example'));
  zone.records.set(`locked.${domain}`, caa('other.example'));
  expect((await proven(client, await order(client, `free.${domain}`, domain)))['status']).toBe('valid');
  // It was not asked about when the other was proven.
  const locked = await order(client, `locked.${domain}`, domain);
  expect(locked.json()['status']).toBe('pending');
  expect(await proven(client, locked)).toMatchObject({ status: 'invalid', error: { type: 'urn:ietf:params:acme:error:caa' } });
});

test('where a profile does not offer it, and under trust, nobody has proven the domain above', async () => {
  const domain = someDomain();
  const usual = await someone('default');
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'trusting' })).json() as { key_id: string; hmac_key: string };
  const trusted = await acmeClient(platform, { profile: 'trusting' });
  expect((await trusted.register({ externalAccountBinding: bind(trusted, key) })).status).toBe(201);
  for (const client of [usual, trusted]) {
    expect(client.directory['meta']).not.toHaveProperty('subdomainAuthAllowed');
    const [url] = (await order(client, `host.${domain}`, domain)).json()['authorizations'] as string[];
    const authorization = (await client.post(url!)).json();
    expect(authorization['identifier']).toEqual({ type: 'dns', value: `host.${domain}` });
    expect(authorization).not.toHaveProperty('subdomainAuthAllowed');
  }
});
