import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { validatePath } from '#domain/x509/path/validate.ts';
import { certificatesOfPem, fromPem } from '#domain/x509/pem.ts';
import { api, request, startPlatform, until, type Platform } from '../platform.ts';
import { authorityCalls, leadsTo, type Row } from './authority-calls.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const { root, child, made, post, state, auditOf, issue, choose } = authorityCalls(() => platform);

describe('retiring', () => {
  test('a CA first drains, then ends with confirm; each step once, children first', async () => {
    const parent = await root();
    const row = await made(child(parent));
    expect((await post(parent, 'retire', { note: 'end of life', confirm: true })).json()).toMatchObject({
      state: 'retiring',
      confirmed: false,
    });
    expect((await post(parent, 'retire')).status).toBe(409);
    // A year that the database does not know is the caller's mistake, not ours.
    for (const drain_until of ['0000-01-01T00:00:00Z', '1969-12-31T23:59:59Z'])
      expect((await post(row, 'retire', { drain_until })).status).toBe(400);
    expect((await child(parent)).status).toBe(409);
    expect((await post(parent, 'retire', { confirm: true })).status).toBe(409);
    expect((await post(row, 'retire')).status).toBe(200);
    expect((await post(parent, 'retire', { confirm: true })).status).toBe(409);
    expect((await post(row, 'retire', { confirm: true })).json()).toMatchObject({ state: 'retired', confirmed: true });
    expect((await post(parent, 'retire', { confirm: true })).json()).toMatchObject({ state: 'retired' });
    expect((await post(parent, 'retire')).status).toBe(409);
    expect((await post(parent, 'reactivate')).status).toBe(409);
    const events = await auditOf(parent.id);
    expect(events.map(({ action, details }) => [action, details['state_before'], details['state']])).toEqual([
      ['intermediate_ca_root_created', undefined, 'active'],
      ['intermediate_ca_retiring', 'active', 'retiring'],
      ['intermediate_ca_retired', 'retiring', 'retired'],
    ]);
    const pki = platform.pkiUrl;
    expect((await request(platform, `${pki}/.well-known/pki/crl/${parent.id}.crl`)).status).toBe(200);
    expect((await request(platform, `${pki}/.well-known/pki/ca/${parent.id}.cer`)).status).toBe(200);
  });

  test('a CA that drains can come back', async () => {
    const parent = await root();
    await post(parent, 'retire');
    expect((await post(parent, 'reactivate')).json()).toMatchObject({ state: 'active', signs_leaves: true });
    expect((await child(parent)).status).toBe(201);
    expect((await api(platform, 'POST', '/api/v1/intermediates/nobody/retire', {})).status).toBe(404);
  });

  test('a CA that an issuer or profile has chosen does not end', async () => {
    const [issuing] = [await made(child(await root()))];
    expect((await choose(issuing.id)).status).toBe(200);
    await post(issuing, 'retire');
    expect((await post(issuing, 'retire', { confirm: true })).json()).toMatchObject({
      status: 409,
      detail: expect.stringContaining('chosen by') as unknown,
    });
    expect((await choose(null)).status).toBe(200);
    expect((await post(issuing, 'retire', { confirm: true })).status).toBe(200);
  });

  test('however a child’s creation and its parent’s end race, no active child stands under a retired parent', async () => {
    const rounds = await Promise.all(Array.from({ length: 6 }, () => root()));
    await Promise.all(
      rounds.map(async (parent) => {
        await post(parent, 'retire');
        await post(parent, 'reactivate');
        const [retired, ...created] = await Promise.all([
          post(parent, 'retire').then(() => post(parent, 'retire', { confirm: true })),
          child(parent),
          child(parent),
        ]);
        const children = (await api(platform, 'GET', `/api/v1/intermediates/${parent.id}/children`)).json()['data'] as Row[];
        expect(children).toHaveLength(created.filter(({ status }) => status === 201).length);
        expect(await state(parent)).toBe(children.length === 0 ? 'retired' : 'retiring');
        expect(retired.status).toBe(children.length === 0 ? 200 : 409);
      }),
    );
  });
});

describe('leaves', () => {
  test('are signed by the CA that the issuer has chosen, at once, and lead to its root', async () => {
    const parent = await root();
    const issuing = await made(child(await made(child(parent, { name_constraints: [{ permitted: ['corp.example'] }] }))));
    expect((await choose(issuing.id)).status).toBe(200);
    try {
      const issued = await issue('www.corp.example');
      if (!('pem' in issued)) throw new Error(issued.reason);
      expect(certificatesOfPem(issued.pem)).toHaveLength(3);
      expect(leadsTo(fromPem('CERTIFICATE', parent.cert_pem), issued.pem)).toBe(true);
      const leaf = new X509Certificate(certificatesOfPem(issued.pem)[0]!);
      expect(leaf.checkIssued(new X509Certificate(issuing.cert_pem))).toBe(true);
      const refused = await issue('www.evil.example');
      expect(refused).toMatchObject({ reason: expect.stringContaining('name_constraint_violation') as unknown });
      await post(issuing, 'retire');
      expect(await issue('drained.corp.example')).toMatchObject({
        reason: expect.stringContaining('signs no certificates any more') as unknown,
      });
    } finally {
      expect((await choose(null)).status).toBe(200);
    }
  });

  test('a CA of another issuer, or one that drains, cannot be chosen', async () => {
    const parent = await root();
    await post(parent, 'retire');
    expect((await choose(parent.id)).status).toBe(409);
    expect((await choose('nobody')).status).toBe(404);
  });
});

describe('revocation', () => {
  test('a revoked CA is on its parent’s CRL, and nothing below it signs any more', async () => {
    const parent = await root();
    const row = await made(child(parent));
    const below = await made(child(row));
    const revoked = await post(row, 'revoke', { reason: 'caCompromise' });
    expect(revoked.json()).toMatchObject({ state: 'revoked', revocation_reason: 2, signs_leaves: false });
    expect((await api(platform, 'GET', `/api/v1/intermediates/${below.id}`)).json()).toMatchObject({
      state: 'active',
      signs_leaves: false,
    });
    expect((await post(row, 'revoke', { reason: 'caCompromise' })).status).toBe(409);
    expect((await child(row)).status).toBe(409);
    const chain = await api(platform, 'GET', `/api/v1/intermediates/${below.id}/chain`);
    expect([chain.status, chain.json()['detail']]).toEqual([409, expect.stringContaining(row.id)]);
    await until('the parent’s CRL lists the CA', async () => {
      const crl = (await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/${parent.id}.crl`)).body;
      const result = validatePath({
        certificate: fromPem('CERTIFICATE', row.cert_pem),
        intermediates: [],
        anchors: [fromPem('CERTIFICATE', parent.cert_pem)],
        options: { at: new Date() },
        revocation: { crls: [crl], required: true },
      });
      return !result.valid && result.code === 'revoked' ? true : undefined;
    });
    expect((await post(parent, 'revoke', { reason: 'caCompromise' })).status).toBe(422);
  });
});
