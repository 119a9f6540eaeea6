import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reasons } from '#contract/certificates.ts';
import { reasonCode } from '#domain/revocation/reason.ts';
import { certificatesOfPem, toPem } from '#domain/x509/pem.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { ocspStatus, publishedList, serialOf, type Judged } from './status.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

type Json = Record<string, unknown>;
const post = (path: string, body: object = {}): Promise<Answer> => api(platform, 'POST', `/api/v1${path}`, body);
const get = async (path: string): Promise<Json> => (await api(platform, 'GET', `/api/v1${path}`)).json();
let made = 0;

/** A managed certificate that is issued. */
async function issued(): Promise<{ readonly id: string; readonly judged: Judged; readonly serial: string }> {
  const name = `hold-${++made}`;
  const answer = await post('/certificates', { name, csr: makeCsr([`${name}.example.com`]).csr });
  const { id } = answer.json()['certificate'] as { id: string };
  const judged = await until('it is issued', async () => {
    const [version] = (await get(`/certificates/${id}/versions`))['items'] as { pem: string }[];
    const [leaf, issuer] = certificatesOfPem(version?.pem ?? '').map((der) => toPem('CERTIFICATE', der));
    return leaf !== undefined && issuer !== undefined && { leaf, issuer, ca: 'issuing-1' };
  });
  if (judged === false) throw new Error('unreachable');
  return { id, judged, serial: serialOf(judged) };
}

const listed = async (serial: string): Promise<number | undefined> => (await publishedList(platform, 'issuing-1')).entries.get(serial);
const untilListed = (serial: string, reason: number | undefined): Promise<unknown> =>
  until(`the CRL has it with reason ${reason}`, async () => (await listed(serial)) === reason || undefined);

describe('a certificate that is held', () => {
  test('is on the CRL and revoked at OCSP, renewed by nothing, and good again when it is released', async () => {
    const { id, judged, serial } = await issued();
    const held = await post(`/certificates/${id}/revoke`, { reason: 'certificateHold' });
    expect([held.status, held.json()]).toMatchObject([200, { state: 'held', health: 'held', renew_at: null }]);
    expect(ocspStatus(platform, judged)).toBe('revoked:certificateHold');
    await untilListed(serial, reasonCode.certificateHold);
    expect((await post(`/certificates/${id}/renew`)).status).toBe(409);
    expect((await post('/certificates/bulk-renew', { ids: [id] })).json()).toMatchObject({ done: 0, skipped: [{ reason: 'it is held' }] });

    const released = await post(`/certificates/${id}/release`);
    expect([released.status, released.json()]).toMatchObject([200, { state: 'active', health: 'good' }]);
    expect(released.json()['renew_at']).not.toBe(null);
    expect(ocspStatus(platform, judged)).toBe('good');
    await untilListed(serial, undefined);
    expect((await get(`/revocations?certificate=${id}`))['items']).toEqual([]);
    const { items } = (await get(`/audit?resource_id=${id}`)) as { items: Json[] };
    expect(items.map(({ action }) => action)).toEqual(expect.arrayContaining(['revokeCertificate', 'releaseCertificate']));
  });

  test('may be held again, and revoked for good from there: the moment stays that of the hold, and nothing releases it', async () => {
    const { id, judged, serial } = await issued();
    const hold = (): Promise<Answer> => post(`/certificates/${id}/revoke`, { reason: 'certificateHold' });
    expect((await hold()).status).toBe(200);
    expect((await hold()).json()).toMatchObject({ state: 'held' });
    expect((await post(`/certificates/${id}/release`)).status).toBe(200);
    expect((await hold()).status).toBe(200);
    const [{ revoked_at: since }] = (await get(`/revocations?certificate=${id}`))['items'] as [Json];
    expect((await post(`/certificates/${id}/revoke`, { reason: 'superseded' })).json()).toMatchObject({ state: 'revoked' });
    expect((await get(`/revocations?certificate=${id}`))['items']).toMatchObject([{ reason: 4, revoked_at: since }]);
    expect(ocspStatus(platform, judged)).toBe('revoked:superseded');
    await untilListed(serial, reasonCode.superseded);
    expect((await post(`/certificates/${id}/release`)).status).toBe(409);
    expect((await hold()).status).toBe(409);
  });

  test('is not what a live one is: that cannot be released, and a key that is compromised blocks whatever the reason was', async () => {
    const { id, judged } = await issued();
    expect((await post(`/certificates/${id}/release`)).json()).toMatchObject({
      status: 409,
      detail: expect.stringContaining('active') as unknown,
    });
    expect((await post('/certificates/mc-nobody/release')).status).toBe(404);
    await post(`/certificates/${id}/revoke`, { reason: 'unspecified' });
    expect((await post(`/certificates/${id}/revoke`, { reason: 'keyCompromise' })).json()).toMatchObject({ state: 'revoked' });
    expect(ocspStatus(platform, judged)).toBe('revoked:keyCompromise');
    const database = await platform.database();
    try {
      const { rows } = await database.query(
        `SELECT b.reason FROM blocked_keys b JOIN certificates c USING (spki_sha256) WHERE c.managed_id = $1`,
        [id],
      );
      expect(rows).toEqual([{ reason: 'keyCompromise' }]);
    } finally {
      await database.end();
    }
  });
});

test('many at once are revoked for every reason there is, and removeFromCRL and aACompromise are none', async () => {
  const some = await Promise.all(reasons.map(async (reason) => ({ reason, ...(await issued()) })));
  for (const { id, reason } of some)
    expect((await post('/certificates/bulk-revoke', { ids: [id], reason })).json(), reason).toMatchObject({
      done: 1,
      ids: [id],
      skipped: [],
    });
  for (const { reason, judged } of some)
    // OpenSSL 3.0 has no name for privilegeWithdrawn; the CRL says it below.
    expect(ocspStatus(platform, judged)).toBe(['unspecified', 'privilegeWithdrawn'].includes(reason) ? 'revoked' : `revoked:${reason}`);
  for (const { reason, serial } of some) await untilListed(serial, reasonCode[reason]);
  for (const reason of ['removeFromCRL', 'aACompromise', 'holdInstructionReject'])
    expect((await post('/certificates/bulk-revoke', { ids: [some[0]?.id], reason })).status).toBe(400);
});

test('however many hold, release and revoke at the same moment, the inventory, OCSP and the CRL agree in the end', async () => {
  const { id, judged, serial } = await issued();
  for (let round = 0; round < 4; round++)
    await Promise.all([
      post(`/certificates/${id}/revoke`, { reason: 'certificateHold' }),
      post(`/certificates/${id}/release`),
      post(`/certificates/${id}/release`),
      post(`/certificates/${id}/revoke`, { reason: 'certificateHold' }),
    ]);
  const { state } = await get(`/certificates/${id}`);
  const held = state === 'held';
  expect([held, state]).toEqual([held, held ? 'held' : 'active']);
  expect(ocspStatus(platform, judged)).toBe(held ? 'revoked:certificateHold' : 'good');
  await untilListed(serial, held ? reasonCode.certificateHold : undefined);
});
