import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { boolean, namedBits, sequence } from '#domain/asn1/der.ts';
import { buildTbsIntermediate } from '#domain/x509/authority.ts';
import { parseCsr } from '#domain/x509/csr.ts';
import { writeExtension } from '#domain/x509/extension.ts';
import { issuerInfo, signCertificate } from '#domain/x509/leaf.ts';
import { Oid } from '#domain/x509/oids.ts';
import { certificatesOfPem, fromPem, toPem } from '#domain/x509/pem.ts';
import { newSerial } from '#domain/x509/serial.ts';
import { api, request, startPlatform, type Answer, type Platform } from '../platform.ts';
import { authorityCalls, days, intermediates, leadsTo, outsideRoot, unique, type Row } from './authority-calls.ts';
import { make } from './made-certificate.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const { registered, root, child, made, post, auditOf, issue, choose } = authorityCalls(() => platform);

describe('roots', () => {
  test('a valid self-signed root with its key is taken, and says what its certificate says', async () => {
    const row = await root({ pathLength: 2 });
    expect(row).toMatchObject({ state: 'active', path_len_constraint: 2, parent_ca_id: null, owning_issuer_id: 'iss-local', warnings: [] });
    expect((await auditOf(row.id)).map(({ action }) => action)).toEqual(['intermediate_ca_root_created']);
    expect(await auditOf(String(row['key_driver_id']))).toHaveLength(1);
  });

  test('a root of another key, not self-signed, no CA, of another name, expired, or given twice is refused', async () => {
    const other = await outsideRoot();
    const good = await outsideRoot();
    const spare = await registered(good.privateKey);
    const create = (pem: string, key = spare): Promise<Answer> =>
      api(platform, 'POST', intermediates, { name: unique('root'), root_cert_pem: pem, key_driver_id: key });
    const key = { privateKey: good.privateKey, publicKey: (await import('node:crypto')).createPublicKey(good.privateKey) };
    const selfIssuedByOther = make({ subject: 'R', ca: {}, key, issuer: { ...make({ subject: 'R', ca: {} }) } });
    const basic = writeExtension(Oid.basicConstraints, true, sequence(boolean(true)));
    const cases: readonly (readonly [what: string, pem: string, detail: RegExp])[] = [
      ['of another key', other.pem, /key mismatch/],
      ['signed by another', toPem('CERTIFICATE', selfIssuedByOther.der), /not self-signed/],
      ['of an end entity', toPem('CERTIFICATE', make({ key }).der), /not a CA/],
      ['of another issuer name', toPem('CERTIFICATE', make({ subject: 'A', ca: {}, key, issuer: { ...make({ subject: 'B', ca: {} }), key: good.privateKey } }).der), /not self-signed/],
      ['without keyCertSign', toPem('CERTIFICATE', make({ key, extensions: [basic, writeExtension(Oid.keyUsage, true, namedBits([6]))] }).der), /keyCertSign/],
      ['that ends within a day', toPem('CERTIFICATE', make({ ca: {}, key, notAfter: days(0.5) }).der), /not valid now/],
    ]; // prettier-ignore
    for (const [what, pem, detail] of cases) {
      const answer = await create(pem);
      expect([what, answer.status, String(answer.json()['detail'])]).toEqual([what, 400, expect.stringMatching(detail)]);
    }
    expect((await create('not PEM')).status).toBe(400);
    expect((await create(good.pem + other.pem)).status).toBe(400);
    expect((await create(good.pem, 'key-00')).status).toBe(400);
    expect((await create(good.pem)).status).toBe(201);
    expect((await create(good.pem)).status).toBe(400);
    const again = await api(platform, 'POST', '/api/v1/signer-keys', {
      driver: 'sealed',
      private_key_pem: good.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    });
    expect(again.status).toBe(409);
  });

  test('a private key is sealed and never shown, and what is no key is refused without repeating it', async () => {
    const { privateKey } = await outsideRoot();
    await registered(privateKey);
    const secret = privateKey.export({ format: 'der', type: 'pkcs8' });
    const listed = await api(platform, 'GET', '/api/v1/signer-keys');
    expect(listed.text).not.toContain(secret.toString('base64').slice(0, 40));
    const bad = await api(platform, 'POST', '/api/v1/signer-keys', { driver: 'sealed', private_key_pem: 'hunter2' });
    expect([bad.status, bad.text.includes('hunter2')]).toEqual([400, false]);
    const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    expect((await api(platform, 'POST', '/api/v1/signer-keys', { driver: 'sealed', private_key_pem: ed25519 })).status).toBe(400);
  });

  test('a key in KMS that the deployment does not name is no key', async () => {
    const ref = 'arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000';
    const answer = await api(platform, 'POST', '/api/v1/signer-keys', { driver: 'kms', ref });
    expect([answer.status, answer.text.includes('arn:')]).toEqual([400, false]);
    expect((await api(platform, 'POST', '/api/v1/signer-keys', { driver: 'file', ref: '/etc/passwd' })).status).toBe(400);
  });

  test('a root needs its certificate and key, a child a name, an issuer must exist, and Ed448 is no algorithm', async () => {
    expect((await api(platform, 'POST', intermediates, { name: 'x' })).status).toBe(400);
    expect((await api(platform, 'POST', intermediates, { root_cert_pem: 'x', key_driver_id: 'key-00' })).status).toBe(400);
    expect((await api(platform, 'POST', intermediates, { name: 'x', parent_ca_id: 'root-1' })).status).toBe(400);
    expect((await api(platform, 'POST', '/api/v1/issuers/iss-nobody/intermediates', { name: 'x' })).status).toBe(404);
    expect((await child('root-1', { algorithm: 'Ed448' })).status).toBe(400);
    expect((await child('root-1', { path_len_constraint: -1 })).status).toBe(400);
    expect((await child('nobody')).status).toBe(404);
  });
});

describe('children', () => {
  test('a child of a parent of 2 gets 1, says whose it is, and is signed by its parent', async () => {
    const parent = await root({ pathLength: 2 });
    const row = await made(child(parent));
    expect(row).toMatchObject({ state: 'active', path_len_constraint: 1, parent_ca_id: parent.id, algorithm: 'ECDSA-P256' });
    const [certificate, above] = [new X509Certificate(row.cert_pem), new X509Certificate(parent.cert_pem)];
    expect(certificate.checkIssued(above) && certificate.verify(above.publicKey)).toBe(true);
    expect(certificate.infoAccess).toContain(`/.well-known/pki/ca/${parent.id}.cer`);
    expect((await auditOf(row.id)).map(({ action }) => action)).toEqual(['intermediate_ca_child_created']);
  });

  test('path lengths and names that the CAs above do not leave are refused with 400', async () => {
    const parent = await root({ pathLength: 2 });
    expect((await child(parent, { path_len_constraint: 2 })).json()).toMatchObject({
      status: 400,
      detail: expect.stringContaining('path length exceeded') as unknown,
    });
    const zero = await root({ pathLength: 0 });
    expect((await child(zero)).status).toBe(400);
    const constrained = await made(
      child(parent, { name_constraints: [{ permitted: ['trading.finco.example'] }, { excluded: ['x.trading.finco.example'] }] }),
    );
    expect(constrained['name_constraints']).toEqual({
      permitted: ['dns:trading.finco.example'],
      excluded: ['dns:x.trading.finco.example'],
    });
    const below = await made(child(constrained, { name_constraints: [{ permitted: ['A.TRADING.FINCO.EXAMPLE'] }] }));
    expect(below['name_constraints']).toEqual({ permitted: ['dns:a.trading.finco.example'], excluded: ['dns:x.trading.finco.example'] });
    const outside = await child(constrained, { name_constraints: [{ permitted: ['eviltrading.finco.example'] }] });
    expect([outside.status, outside.json()['detail']]).toEqual([400, expect.stringContaining('name_constraint_violation')]);
    expect((await child(constrained, { name_constraints: [{ permitted: ['not a name'] }] })).status).toBe(400);
  });

  test('a life beyond the parent’s ends with the parent’s', async () => {
    const parent = await root({ notAfter: days(100) });
    const row = await made(child(parent, { ttl_days: 3650 }));
    expect(row['not_after']).toBe(parent['not_after']);
  });

  test.each(['ECDSA-P256', 'ECDSA-P384', 'ECDSA-P521', 'RSA-2048', 'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'])(
    'two children with keys of %s have different keys, and each signs',
    async (algorithm) => {
      const parent = await root();
      const [one, two] = [await made(child(parent, { algorithm })), await made(child(parent, { algorithm }))];
      expect(new X509Certificate(one.cert_pem).publicKey.equals(new X509Certificate(two.cert_pem).publicKey)).toBe(false);
      for (const row of [one, two]) expect((await made(child(row))).state).toBe('active');
    },
  );

  test('a name that exists is 409', async () => {
    const parent = await root();
    const name = unique('taken');
    expect((await child(parent, { name })).status).toBe(201);
    expect((await child(parent, { name })).status).toBe(409);
  });

  test('the list is flat or a tree, and a chain can be had with and without its root', async () => {
    const parent = await root();
    const middle = await made(child(parent));
    const leaf = await made(child(middle));
    const flat = (await api(platform, 'GET', intermediates)).json()['data'] as Row[];
    expect(flat.map(({ id }) => id)).toEqual(expect.arrayContaining([parent.id, middle.id, leaf.id, 'root-1', 'issuing-1']));
    const tree = (await api(platform, 'GET', `${intermediates}?view=tree`)).json()['data'] as { id: string; depth: number }[];
    const at = tree.findIndex(({ id }) => id === parent.id);
    expect(tree.slice(at, at + 3).map(({ id, depth }) => [id, depth])).toEqual([
      [parent.id, 0],
      [middle.id, 1],
      [leaf.id, 2],
    ]);
    const below = (await api(platform, 'GET', `/api/v1/intermediates/${parent.id}/children`)).json()['data'] as Row[];
    expect(below.map(({ id }) => id)).toEqual([middle.id]);
    const chain = async (query: string): Promise<number> =>
      certificatesOfPem(String((await api(platform, 'GET', `/api/v1/intermediates/${leaf.id}/chain${query}`)).json()['chain_pem'])).length;
    expect([await chain(''), await chain('?include_root=true')]).toEqual([2, 3]);
    const asked = await api(platform, 'GET', `/api/v1/intermediates/${leaf.id}/chain?include_root=true&format=pkcs7`);
    const input = String(asked.json()['chain_pem']);
    const printed = execFileSync('openssl', ['pkcs7', '-print_certs'], { encoding: 'utf8', input });
    expect(certificatesOfPem(printed)).toEqual([leaf, middle, parent].flatMap(({ cert_pem }) => certificatesOfPem(cert_pem)));
    expect((await api(platform, 'GET', '/api/v1/intermediates/nobody')).status).toBe(404);
  });

  test('who only reads sees CAs and makes none', async () => {
    const key = await api(platform, 'POST', '/api/v1/auth/keys', { name: unique('viewer'), roles: [{ role: 'r-viewer' }] });
    expect(key.status, key.text).toBe(201);
    const token = String(key.json()['token']);
    const as = (method: string, path: string, body?: object): Promise<Answer> =>
      request(platform, platform.url + path, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });
    expect((await as('GET', intermediates)).status).toBe(200);
    expect((await as('POST', intermediates, { name: 'x' })).status).toBe(403);
    expect((await as('POST', '/api/v1/intermediates/issuing-1/retire', {})).status).toBe(403);
    expect((await as('GET', '/api/v1/signer-keys')).status).toBe(403);
  });
});

describe('a CA under somebody else’s root', () => {
  test('waits for its certificate, takes one of its own key and name whose chain holds, and signs', async () => {
    const enterprise = await outsideRoot({ pathLength: 1 });
    const answer = await api(platform, 'POST', intermediates, {
      name: unique('external'),
      external: true,
      subject: { common_name: 'Enterprise Issuing', organization: 'Example', country: 'DE' },
    });
    expect(answer.status, answer.text).toBe(201);
    const row = answer.json() as Row;
    expect(row).toMatchObject({ state: 'created', cert_pem: null });
    const pem = String((await api(platform, 'GET', `/api/v1/intermediates/${row.id}/csr`)).json()['csr_pem']);
    const csr = parseCsr(fromPem('CERTIFICATE REQUEST', pem));
    const certify = (certificate: Uint8Array, chain = enterprise.pem): Promise<Answer> =>
      post(row, 'certificate', { certificate_pem: toPem('CERTIFICATE', certificate), chain_pem: chain });
    const sign = (spki: Uint8Array, commonName = 'Enterprise Issuing') =>
      signCertificate(
        enterprise.signer,
        buildTbsIntermediate(issuerInfo(enterprise.certificate), enterprise.signer.algorithm, {
          serial: newSerial(randomBytes(16)),
          commonName,
          organization: 'Example',
          country: 'DE',
          spki,
          notBefore: days(-1),
          notAfter: days(365),
          pathLength: 0,
        }),
      );
    const strange = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' });
    expect((await certify(await sign(strange))).status).toBe(400);
    expect((await certify(await sign(csr.publicKey.spki, 'Another'))).status).toBe(400);
    const good = await sign(csr.publicKey.spki);
    expect((await certify(good, (await outsideRoot()).pem)).status).toBe(422);
    expect((await child(row)).status).toBe(409);
    const certified = await certify(good);
    expect(certified.json(), certified.text).toMatchObject({ id: row.id, state: 'active', path_len_constraint: 0 });
    expect((await certify(good)).status).toBe(409);
    expect((await choose(row.id)).status).toBe(200);
    try {
      const issued = await issue('under.enterprise.example');
      if (!('pem' in issued)) throw new Error(issued.reason);
      expect(leadsTo(enterprise.certificate, issued.pem)).toBe(true);
    } finally {
      await choose(null);
    }
  });
});
