import { createHash, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accountLabel } from '#domain/probe/account-label.ts';
import { hashedAccountUri } from '#domain/probe/persistent-record.ts';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { startZone, type Zone } from '../acme-conformance/zone.ts';
import { api, request, startPlatform, until, type Platform } from '../platform.ts';
import { acmeClient, freshName, poll, registered, type AcmeClient } from './client.ts';
import { hurryValidations } from './hurry.ts';

const issuer = 'ca.example';

let platform: Platform;
let zone: Zone;
beforeAll(async () => {
  zone = await startZone();
  platform = await startPlatform({ args: ['--dns-resolver', zone.address] });
  const profile = {
    id: 'drafts',
    name: 'Drafts',
    caa_identities: [issuer],
    allowed_challenges: ['http-01', 'dns-01', 'tls-alpn-01', 'dns-account-01', 'dns-persist-01'],
  };
  expect((await api(platform, 'POST', '/api/v1/profiles', profile)).status).toBe(201);
});
afterAll(async () => {
  await platform.stop();
  zone.stop();
});

const someName = (): string => freshName().replace('.localhost', '.zone.example');

const someone = (profile = 'drafts'): Promise<AcmeClient> => registered(platform, { profile });

interface Challenge {
  readonly type: string;
  readonly url: string;
  readonly token?: string;
  readonly status: string;
  readonly error?: { readonly type: string; readonly detail: string };
}

async function ordered(client: AcmeClient, name: string, type: string) {
  const { url, body } = await client.order(name);
  const authorization = (body['authorizations'] as string[])[0]!;
  const challenges = (await client.post(authorization)).json()['challenges'] as Challenge[];
  return {
    order: url,
    finalize: String(body['finalize']),
    authorization,
    challenge: challenges.find((one) => one.type === type)!,
    challenges,
  };
}

/** Says that the record is there, and waits for the end. */
async function ended(client: AcmeClient, challenge: Challenge): Promise<Challenge> {
  await client.post(challenge.url, {});
  return until(
    'the challenge has ended',
    async () => {
      await hurryValidations(platform);
      const read = (await client.post(challenge.url)).json() as unknown as Challenge;
      return read.status === 'valid' || read.status === 'invalid' ? read : undefined;
    },
    70,
  );
}

const accountHash = (client: AcmeClient, domain: string, thumbprint = client.thumbprint): string => {
  const meta = client.directory['meta'] as { accountHashPrefix: string };
  return hashedAccountUri(meta.accountHashPrefix, domain, thumbprint, client.kid);
};

function persist(name: string, ...values: readonly string[]): void {
  zone.records.set(
    `_validation-persist.${name}`,
    values.map((data) => ({ type: 'TXT', data })),
  );
}

test('drafts are offered only where the profile allows them, to names and wildcards, not to addresses', async () => {
  const [drafts, usual] = [await someone(), await someone('default')];
  const types = async (client: AcmeClient, type: string, value: string): Promise<string[]> => {
    const { authorizations } = (await client.post(String(client.directory['newOrder']), { identifiers: [{ type, value }] })).json();
    const { challenges } = (await client.post((authorizations as string[])[0]!)).json();
    return (challenges as Challenge[]).map((one) => one.type);
  };
  expect(await types(usual, 'dns', someName())).toEqual(['http-01', 'tls-alpn-01', 'dns-01']);
  expect(await types(drafts, 'dns', someName())).toEqual(['http-01', 'tls-alpn-01', 'dns-01', 'dns-account-01', 'dns-persist-01']);
  expect(await types(drafts, 'dns', `*.${someName()}`)).toEqual(['dns-01', 'dns-account-01', 'dns-persist-01']);
  expect(await types(drafts, 'ip', '192.0.2.1')).toEqual(['http-01', 'tls-alpn-01']);
  expect(usual.directory['meta']).not.toHaveProperty('issuerDomainNames');
  expect(drafts.directory['meta']).toMatchObject({
    issuerDomainNames: [issuer],
    accountHashPrefix: `${platform.url}/acme/profile/drafts/account-hash/`,
  });
});

test('a profile that allows dns-persist-01 must have a name for its CA', async () => {
  const profile = { id: 'nameless', name: 'Nameless', allowed_challenges: ['dns-persist-01'] };
  const refused = await api(platform, 'POST', '/api/v1/profiles', profile);
  expect([refused.status, refused.text]).toEqual([422, expect.stringContaining('caa_identities')]);
});

test('with dns-account-01 two accounts prove one name at once, each below a label of its own', async () => {
  const name = someName();
  const clients = [await someone(), await someone()];
  for (const client of clients) {
    const { order, challenge } = await ordered(client, name, 'dns-account-01');
    const data = createHash('sha256').update(`${challenge.token}.${client.thumbprint}`).digest('base64url');
    zone.records.set(`${accountLabel(client.kid)}._acme-challenge.${name}`, [{ type: 'TXT', data }]);
    expect((await ended(client, challenge)).status).toBe('valid');
    await poll(client, order, 'ready');
  }
});

test('dns-account-01 does not look where dns-01 does', async () => {
  const [client, name] = [await someone(), someName()];
  const { challenge } = await ordered(client, name, 'dns-account-01');
  const data = createHash('sha256').update(`${challenge.token}.${client.thumbprint}`).digest('base64url');
  zone.records.set(`_acme-challenge.${name}`, [{ type: 'TXT', data }]);
  expect(await ended(client, challenge)).toMatchObject({ status: 'invalid', error: { type: 'urn:ietf:params:acme:error:dns' } });
});

test('dns-persist-01 has no token, and one record serves order after order until a certificate is there', async () => {
  const [client, name] = [await someone(), someName()];
  persist(name, 'other.example; accounturi=https://other.example/1', `${issuer}; accounturi=${accountHash(client, name)}`);
  for (let orders = 0; orders < 2; orders++) {
    const { order, finalize, challenge } = await ordered(client, name, 'dns-persist-01');
    expect(challenge).toMatchObject({ issuerDomainNames: [issuer], 'issuer-domain-names': [issuer] });
    expect(challenge).not.toHaveProperty('token');
    expect((await ended(client, challenge)).status).toBe('valid');
    await poll(client, order, 'ready');
    await client.post(finalize, { csr: makeCsr([name]).csr.toString('base64url') });
    await poll(client, order, 'valid');
  }
});

test('a wildcard is proven by dns-persist-01 only where the record has policy=wildcard', async () => {
  const client = await someone();
  const [strict, wide] = [someName(), someName()];
  persist(strict, `${issuer}; accounturi=${accountHash(client, strict)}`);
  persist(wide, `${issuer}; accounturi=${accountHash(client, '*')}; policy=wildcard`);
  const refused = await ended(client, (await ordered(client, `*.${strict}`, 'dns-persist-01')).challenge);
  expect(refused).toMatchObject({ status: 'invalid', error: { type: 'urn:ietf:params:acme:error:unauthorized' } });
  expect((await ended(client, (await ordered(client, `*.${wide}`, 'dns-persist-01')).challenge)).status).toBe('valid');
});

test('a record for another account, or without one, proves nothing, and its error says which', async () => {
  const [client, other] = [await someone(), await someone()];
  const [foreign, broken] = [someName(), someName()];
  persist(foreign, `${issuer}; accounturi=${accountHash(other, foreign)}`);
  persist(broken, issuer);
  expect(await ended(client, (await ordered(client, foreign, 'dns-persist-01')).challenge)).toMatchObject({
    error: { type: 'urn:ietf:params:acme:error:unauthorized' },
  });
  expect(await ended(client, (await ordered(client, broken, 'dns-persist-01')).challenge)).toMatchObject({
    error: { type: 'urn:ietf:params:acme:error:malformed' },
  });
});

test('neither authorization nor order outlives the record’s persistUntil', async () => {
  const [client, name] = [await someone(), someName()];
  const end = Math.floor(Date.now() / 1000) + 3600;
  persist(name, `${issuer}; accounturi=${client.kid}; persistUntil=${end}`);
  const { order, authorization, challenge } = await ordered(client, name, 'dns-persist-01');
  expect((await ended(client, challenge)).status).toBe('valid');
  const expires = `${new Date(end * 1000).toISOString().slice(0, 19)}Z`;
  expect((await client.post(authorization)).json()).toMatchObject({ status: 'valid', expires });
  expect((await client.post(order)).json()).toMatchObject({ status: 'ready', expires });
});

test('a record that was made with the account’s key before its last one goes on proving', async () => {
  const [client, name] = [await someone(), someName()];
  persist(name, `${issuer}; accounturi=${accountHash(client, name)}`);
  const next = await acmeClient(platform, { profile: 'drafts', key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey });
  const url = String(client.directory['keyChange']);
  const inner = await next.jws(url, { account: client.kid, oldKey: client.jwk }, { without: ['nonce'] });
  expect((await client.post(url, inner)).status).toBe(200);
  next.kid = client.kid;
  expect((await ended(next, (await ordered(next, name, 'dns-persist-01')).challenge)).status).toBe('valid');
});

test('CAA records may bind the method to dns-persist-01 (RFC 8657 §4)', async () => {
  const client = await someone();
  const [bound, excluded] = [someName(), someName()];
  for (const [name, method] of [[bound, 'dns-persist-01'], [excluded, 'dns-01']] as const) {
    persist(name, `${issuer}; accounturi=${accountHash(client, name)}`);
    zone.records.set(name, [{ type: 'CAA', data: { tag: 'issue', value: `${issuer}; validationmethods=${method}` } }]);
  } // prettier-ignore
  expect((await ended(client, (await ordered(client, bound, 'dns-persist-01')).challenge)).status).toBe('valid');
  expect(await ended(client, (await ordered(client, excluded, 'dns-persist-01')).challenge)).toMatchObject({
    error: { type: 'urn:ietf:params:acme:error:caa' },
  });
});

test('nothing is served under the prefix of hashed accounts', async () => {
  const client = await someone();
  const { status } = await request(platform, accountHash(client, 'zone.example'));
  expect(status).toBe(404);
});
