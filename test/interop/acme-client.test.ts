import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import acme from 'acme-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startResponder, type Responder } from '../acme/client.ts';
import { api, startPlatform, type Platform } from '../platform.ts';
import { judge } from './certificate.ts';

describe('acme-client from npm', () => {
  let platform: Platform;
  let responder: Responder;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'acme-client-'));
    responder = await startResponder();
    platform = await startPlatform({ args: ['--door-http01-port', String(responder.port)] });
    acme.axios.defaults.httpsAgent = new https.Agent({ ca: platform.ca });
  });
  afterAll(async () => {
    await platform.stop();
    await responder.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const connect = (profile: string, accountKey: Buffer, binding?: { kid: string; hmacKey: string }) =>
    new acme.Client({
      directoryUrl: `${platform.url}/acme/profile/${profile}/directory`,
      accountKey,
      ...(binding && { externalAccountBinding: binding }),
    });

  /** Files for openssl, of a chain as it was downloaded. */
  function written(tag: string, chain: string): readonly [chain: string, leaf: string] {
    const [leaf = '', ...issuers] = acme.crypto.splitPemChain(chain);
    const paths = [join(folder, `${tag}-chain.pem`), join(folder, `${tag}.pem`)] as const;
    writeFileSync(paths[0], issuers.join('\n'));
    writeFileSync(paths[1], leaf);
    return paths;
  }

  async function certificate(client: acme.Client, name: string): Promise<string> {
    const [, csr] = await acme.crypto.createCsr({ commonName: name, altNames: [name] });
    return client.auto({
      csr,
      email: 'ops@example.com',
      termsOfServiceAgreed: true,
      skipChallengeVerification: true,
      challengePriority: ['http-01'],
      challengeCreateFn: (_, challenge, answer) => Promise.resolve(void responder.answers.set(challenge.token, answer)),
      challengeRemoveFn: (_, challenge) => Promise.resolve(void responder.answers.delete(challenge.token)),
    });
  }

  test.each([
    ['P-256', () => acme.crypto.createPrivateEcdsaKey('P-256')],
    ['P-384', () => acme.crypto.createPrivateEcdsaKey('P-384')],
    ['RSA 2048', () => acme.crypto.createPrivateRsaKey(2048)],
  ])('with an account key of %s gets a certificate by http-01, rolls its key over, and revokes with the new key', async (tag, makeKey) => {
    const { verify, status } = judge(platform);
    const oldKey = await makeKey();
    const client = connect('default', oldKey);
    const chain = await certificate(client, `npm-${tag.toLowerCase().replace(/\W/g, '')}.localhost`);
    const [issuers, leaf] = written(tag.replace(' ', '-'), chain);
    await verify(issuers, leaf);
    expect(await status(issuers, leaf)).toBe('good');

    const account = client.getAccountUrl();
    const newKey = await makeKey();
    await client.updateAccountKey(newKey);
    const renewed = connect('default', newKey);
    await renewed.createAccount({ onlyReturnExisting: true });
    expect(renewed.getAccountUrl()).toBe(account);
    await expect(connect('default', oldKey).createAccount({ onlyReturnExisting: true })).rejects.toThrow(/account/i);

    await renewed.revokeCertificate(chain);
    expect(await status(issuers, leaf)).toBe('revoked');
  });

  test('under trust with an EAB key gets a certificate, and deactivates its account', async () => {
    const { verify } = judge(platform);
    const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
    const accountKey = await acme.crypto.createPrivateEcdsaKey();
    const client = connect('internal', accountKey, { kid: key.key_id, hmacKey: key.hmac_key });
    await verify(...written('trust', await certificate(client, 'npm.corp.example')));
    await client.updateAccount({ status: 'deactivated' });
    await expect(certificate(connect('internal', accountKey), 'npm.corp.example')).rejects.toThrow();
  });
});
