import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { policiesOf, urlsOf, usages } from '#domain/x509/lint-rules/facts.ts';
import { Oid } from '#domain/x509/oids.ts';
import { validatePath } from '#domain/x509/path/validate.ts';
import { certificatesOfPem, fromPem } from '#domain/x509/pem.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, request, startPlatform, until, type Answer, type Platform } from '../platform.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

interface Row extends Record<string, unknown> {
  readonly id: string;
  readonly cert_pem: string;
}

let counter = 0;
const unique = (name: string): string => `${name}-${++counter}`;
const derOf = ({ cert_pem }: Row): Uint8Array => fromPem('CERTIFICATE', cert_pem);
const get = async (id: string): Promise<Row> => (await api(platform, 'GET', `/api/v1/intermediates/${id}`)).json() as Row;
const rekey = (id: string, body: object = {}): Promise<Answer> =>
  api(platform, 'POST', `/api/v1/intermediates/${id}/rekey`, { name: unique('generation'), ...body });

/** A CA below the platform's root, and a profile whose certificates it signs. */
async function generation(more: object = {}): Promise<{ readonly ca: Row; readonly profile: string }> {
  const answer = await api(platform, 'POST', '/api/v1/issuers/iss-local/intermediates', {
    name: unique('first'),
    parent_ca_id: 'root-1',
    subject: { common_name: unique('Rekeyed CA'), organization: 'Example', country: 'DE' },
    ...more,
  });
  expect(answer.status, answer.text).toBe(201);
  const ca = answer.json() as Row;
  const profile = unique('profile');
  expect((await api(platform, 'POST', '/api/v1/profiles', { id: profile, name: profile, ca_id: ca.id })).status).toBe(201);
  return { ca, profile };
}

/** Asks for a certificate and waits for it. @returns its id, and PEM with its chain */
async function issue(profile: string): Promise<{ readonly id: string; readonly pem: string }> {
  const name = unique('leaf');
  const created = await api(platform, 'POST', '/api/v1/certificates', { name, profile, csr: makeCsr([`${name}.example.com`]).csr });
  expect(created.status, created.text).toBe(202);
  const { id } = created.json()['certificate'] as { id: string };
  const pem = await until(`the certificate ${name}`, async () => {
    const [version] = (await api(platform, 'GET', `/api/v1/certificates/${id}/versions`)).json()['items'] as { pem: string }[];
    return version?.pem;
  }, 60); // prettier-ignore
  return { id, pem };
}

const signedBy = (pem: string, ca: Row): boolean => {
  const [leaf] = certificatesOfPem(pem);
  return new X509Certificate(leaf!).verify(new X509Certificate(ca.cert_pem).publicKey);
};

test('after a rekey the same subject signs with a new key, and the old key still signs the CRL of what it issued', async () => {
  const { ca, profile } = await generation();
  const before = await issue(profile);
  const answer = await rekey(ca.id, { algorithm: 'ECDSA-P384' });
  expect(answer.status, answer.text).toBe(201);
  const successor = answer.json() as Row;
  expect(successor).toMatchObject({ state: 'active', predecessor: ca.id, parent_ca_id: 'root-1', algorithm: 'ECDSA-P384', profiles: [profile], issuers: [] });
  expect(parseCertificate(derOf(successor)).subject.equals(parseCertificate(derOf(ca)).subject)).toBe(true);
  expect(await get(ca.id)).toMatchObject({ state: 'retiring', signs_leaves: false, retire_note: `its successor is ${successor.id}` });

  const after = await issue(profile);
  expect([signedBy(after.pem, successor), signedBy(after.pem, ca)]).toEqual([true, false]);
  const root = fromPem('CERTIFICATE', (await get('root-1')).cert_pem);
  for (const { pem } of [before, after]) {
    const [leaf, ...intermediates] = certificatesOfPem(pem);
    expect(validatePath({ certificate: leaf!, intermediates, anchors: [root], options: { at: new Date() } }).valid).toBe(true);
  }

  // What the old key signed is revoked on a list that the old key signs.
  expect((await api(platform, 'POST', `/api/v1/certificates/${before.id}/revoke`, { reason: 'superseded' })).status).toBe(200);
  const [leaf] = certificatesOfPem(before.pem);
  const [url = ''] = urlsOf(parseCertificate(leaf!), Oid.cRLDistributionPoints);
  expect(url).toContain(ca.id);
  await until('the old CA’s CRL lists its certificate', async () => {
    const crl = (await request(platform, url)).body;
    const options = { at: new Date() };
    const result = validatePath({ certificate: leaf!, intermediates: [], anchors: [derOf(ca)], options, revocation: { crls: [crl], required: true } });
    return !result.valid && result.code === 'revoked' ? true : undefined;
  });
}); // prettier-ignore

test('the successor has the limits of its predecessor and ends with drain first', async () => {
  const limits = {
    path_len_constraint: 0,
    name_constraints: [{ permitted: ['dns:example.com'], excluded: ['dns:secret.example.com'] }],
    extended_key_usages: [Oid.serverAuth],
    policies: ['1.3.6.1.4.1.99999.1'],
    metadata: { team: 'pki' },
  };
  const { ca } = await generation(limits);
  const successor = (await rekey(ca.id)).json() as Row;
  for (const field of ['path_len_constraint', 'name_constraints', 'algorithm', 'subject', 'metadata', 'owning_issuer_id'])
    expect([field, successor[field]]).toEqual([field, ca[field]]);
  const [old, made] = [ca, successor].map((row) => parseCertificate(derOf(row)));
  expect([usages(made!), policiesOf(made!)]).toEqual([usages(old!), policiesOf(old!)]);
  expect(made!.spki.equals(old!.spki)).toBe(false);
  // The old CA is nobody's choice any more, so that it can end; the new one is in use.
  expect((await api(platform, 'POST', `/api/v1/intermediates/${ca.id}/retire`, { confirm: true })).json()['state']).toBe('retired');
  expect((await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/${ca.id}.crl`)).status).toBe(200);
});

test('of two simultaneous rekeys one wins, and a CA that drains, a root and an unknown CA get no new key', async () => {
  const { ca, profile } = await generation();
  const answers = await Promise.all([rekey(ca.id), rekey(ca.id)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  expect((await rekey(ca.id)).status).toBe(409);
  const winner = answers.find(({ status }) => status === 201)!.json() as Row;
  expect((await api(platform, 'GET', `/api/v1/profiles/${profile}`)).json()).toMatchObject({ ca_id: winner.id, version: 2 });
  expect((await rekey('root-1')).status).toBe(409);
  expect((await rekey('nobody')).status).toBe(404);
  expect((await rekey(winner.id, { name: 'Issuing', ttl_days: 0 })).status).toBe(400);
});

test('an issuer that had chosen the CA has chosen its successor, and the audit trail tells of each', async () => {
  const { ca } = await generation();
  const choose = (id: string | null): Promise<Answer> =>
    api(platform, 'PUT', '/api/v1/issuers/iss-local/issuing-ca', { issuing_ca_id: id });
  expect((await choose(ca.id)).status).toBe(200);
  try {
    const successor = (await rekey(ca.id)).json() as Row;
    expect(successor['issuers']).toEqual(['iss-local']);
    const database = await platform.database();
    try {
      const { rows } = await database.query<{ action: string }>('SELECT action FROM audit_events WHERE resource_id = ANY($1) ORDER BY id', [
        [ca.id, successor.id],
      ]);
      expect(rows.map(({ action }) => action)).toEqual([
        'intermediate_ca_child_created',
        'intermediate_ca_rekeyed',
        'intermediate_ca_retiring',
      ]);
    } finally {
      await database.end();
    }
  } finally {
    await choose(null);
  }
});
