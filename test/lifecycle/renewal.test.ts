import { X509Certificate } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runToEnd } from '../cloud.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { makeCsr } from './csr.ts';

let platform: Platform;
let database: pg.Client;
beforeAll(async () => {
  platform = await startPlatform();
  database = await platform.database();
});
afterAll(async () => {
  await database.end();
  await platform.stop();
});

interface Certificate {
  id: string;
  health: string;
  state: string;
  serial: string | null;
  renew_at: string | null;
  not_before: string;
  not_after: string;
  last_error: string | null;
}

const get = async (id: string): Promise<Certificate> =>
  (await api(platform, 'GET', `/api/v1/certificates/${id}`)).json() as unknown as Certificate;
const jobOf = async (id: string): Promise<Record<string, unknown>> => (await api(platform, 'GET', `/api/v1/jobs/${id}`)).json();
const versions = async (id: string): Promise<{ pem: string; current: boolean; serial: string }[]> =>
  (await api(platform, 'GET', `/api/v1/certificates/${id}/versions`)).json()['items'] as never;

async function create(name: string, more: object = {}): Promise<{ id: string; job: string; key: string; csr: string }> {
  const made = makeCsr([`${name}.example.com`]);
  const answer = await api(platform, 'POST', '/api/v1/certificates', { name, csr: made.csr, ...more });
  expect([answer.status, answer.text.slice(0, 200)]).toEqual([202, expect.stringContaining(name)]);
  const { certificate, job } = answer.json() as unknown as { certificate: Certificate; job: string };
  return { id: certificate.id, job, ...made };
}

async function issued(name: string, more: object = {}): Promise<{ id: string; key: string }> {
  const { id, key } = await create(name, more);
  await until('it is issued', async () => ((await get(id)).serial === null ? undefined : true));
  return { id, key };
}

const tick = (): Promise<void> => runToEnd(platform, 'renewalCheck');

test('given a CSR, when it is handed in, then a job certifies it, and its renewal is due within the policy’s window', async () => {
  const { id, key } = await issued('first');
  const certificate = await get(id);
  expect([certificate.state, certificate.health, certificate.last_error]).toEqual(['active', 'good', null]);
  const [version] = await versions(id);
  const [leaf, issuing] = version!.pem.split(/(?<=-----END CERTIFICATE-----\n)/).map((pem) => new X509Certificate(pem));
  expect(leaf!.checkIssued(issuing!) && leaf!.verify(issuing!.publicKey)).toBe(true);
  expect(issuing!.verify(new X509Certificate(platform.ca).publicKey)).toBe(true);
  expect(leaf!.publicKey.equals((await import('node:crypto')).createPublicKey(key))).toBe(true);
  expect(leaf!.subjectAltName).toBe('DNS:first.example.com');
  // 90 days, 30 of them window, spread by 1 % of its life.
  const lead = (Date.parse(certificate.not_after) - Date.parse(certificate.renew_at!)) / 86_400_000;
  expect(Math.abs(lead - 30)).toBeLessThanOrEqual(0.91);
});

test('given a renewal that is due, when the loop ticks, then a new version replaces the old one, with one job, one audit row and a new due time', async () => {
  const { id } = await issued('renewing');
  const before = await get(id);
  await database.query(`UPDATE managed_certificates SET renew_at = now() - interval '1 minute' WHERE id = $1`, [id]);
  await tick();
  const after = await until('it is renewed', async () => {
    const now = await get(id);
    return now.serial === before.serial ? undefined : now;
  });
  expect([after.state, after.health]).toEqual(['active', 'good']);
  expect(Date.parse(after.renew_at!)).toBeGreaterThan(Date.now());
  expect((await versions(id)).map((version) => version.current)).toEqual([true, false]);
  const { rows } = await database.query(
    `SELECT action, count(*)::int AS n FROM audit_events WHERE resource_id = $1 GROUP BY action ORDER BY action`,
    [id],
  );
  expect(rows).toEqual([
    { action: 'certificate_issued', n: 1 },
    { action: 'certificate_renewed', n: 1 },
    { action: 'createCertificate', n: 1 },
    { action: 'renewal_job_created', n: 1 },
  ]);
});

test('given two renewal checks at one instant, one job comes of it (case 12)', async () => {
  const made = await Promise.all(['twice-a', 'twice-b', 'twice-c'].map((name) => issued(name)));
  const ids = made.map(({ id }) => id);
  await database.query(
    `UPDATE managed_certificates SET renew_at = now() - interval '1 minute', alert_at = not_after - interval '30 days' WHERE id = ANY ($1)`,
    [ids],
  );
  await database.query(`UPDATE managed_certificates SET alert_at = now() WHERE id = ANY ($1)`, [ids]);
  await Promise.all([tick(), tick(), tick(), tick()]);
  const { rows } = await database.query(`SELECT count(*)::int AS n FROM jobs WHERE type = 'renewal' AND subject_id = ANY ($1)`, [ids]);
  expect(rows).toEqual([{ n: 3 }]);
  await until('all are renewed', async () => ((await Promise.all(ids.map(get))).every((now) => now.health === 'good') ? true : undefined));
});

test('given no kept CSR, a renewal waits for one, and goes on when it is handed in (case 15)', async () => {
  const { id } = await issued('awaiting', { keep_csr: false });
  const before = await get(id);
  const { job } = (await api(platform, 'POST', `/api/v1/certificates/${id}/renew`)).json() as { job: string };
  await until('it waits', async () => ((await jobOf(job))['status'] === 'awaiting_csr' ? true : undefined));
  expect((await get(id)).health).toBe('renewing');
  const fresh = makeCsr(['awaiting.example.com']);
  const answer = await api(platform, 'POST', `/api/v1/jobs/${job}/csr`, { csr: fresh.csr });
  expect([answer.status, answer.json()['status']]).toEqual([202, 'pending']);
  await until('it is renewed', async () => ((await get(id)).serial === before.serial ? undefined : true));
  expect((await jobOf(job))['attempts']).toBe(1);
});

test('given a key that was revoked for keyCompromise, nothing certifies it again: a kept CSR waits for another, which is kept in its place', async () => {
  const { csr } = makeCsr(['blocked.example.com']);
  const made = async (name: string): Promise<{ id: string; job: string }> => {
    const { certificate, job } = (await api(platform, 'POST', '/api/v1/certificates', { name, csr })).json() as never as {
      certificate: Certificate;
      job: string;
    };
    return { id: certificate.id, job };
  };
  const [first, { id }] = [await made('blocked'), await made('blocked-twin')];
  for (const each of [first.id, id]) await until('it is issued', async () => ((await get(each)).serial === null ? undefined : true));
  expect((await api(platform, 'POST', `/api/v1/certificates/${first.id}/revoke`, { reason: 'keyCompromise' })).status).toBe(200);
  const renewed = async (): Promise<string> =>
    ((await api(platform, 'POST', `/api/v1/certificates/${id}/renew`)).json() as { job: string }).job;
  const job = await renewed();
  await until('it waits', async () => ((await jobOf(job))['status'] === 'awaiting_csr' ? true : undefined));
  expect((await get(id)).last_error).toBe('the key was revoked for keyCompromise: hand in a CSR of a new key');
  const before = (await get(id)).serial;
  await api(platform, 'POST', `/api/v1/jobs/${job}/csr`, { csr: makeCsr(['blocked.example.com']).csr });
  const second = await until('it is renewed', async () => {
    const { serial } = await get(id);
    return serial === before ? undefined : serial;
  });
  await renewed();
  await until('it is renewed by itself', async () => ((await get(id)).serial === second ? undefined : true));

  const again = await made('blocked-again');
  await until('it failed', async () => ((await jobOf(again.job))['status'] === 'failed' ? true : undefined));
  expect((await get(again.id)).last_error).toMatch(/hand in a CSR of a new key/);
});

test('given a job that waited a day for a CSR, it fails for good; its successor waits a full new day (case 15)', async () => {
  const { id } = await issued('late', { keep_csr: false });
  const renew = async (): Promise<string> =>
    ((await api(platform, 'POST', `/api/v1/certificates/${id}/renew`)).json() as { job: string }).job;
  const waits = (job: string): Promise<true> =>
    until('it waits', async () => ((await jobOf(job))['status'] === 'awaiting_csr' ? true : undefined));
  const first = await renew();
  await waits(first);
  await database.query(
    `UPDATE jobs SET state_entered_at = now() - interval '24 hours 1 second', created_at = now() - interval '3 days' WHERE id = $1`,
    [first],
  );
  await runToEnd(platform, 'jobTimeout');
  expect(await jobOf(first)).toMatchObject({ status: 'failed', retryable: false, last_error: 'csr_timeout' });
  // It is not given up: it becomes due again.
  expect(Date.parse((await get(id)).renew_at!)).toBeGreaterThan(Date.now() + 5 * 3_600_000);
  const second = await renew();
  expect(second).not.toBe(first);
  await waits(second);
  await database.query(`UPDATE jobs SET created_at = now() - interval '3 days' WHERE id = $1`, [second]);
  await runToEnd(platform, 'jobTimeout');
  expect((await jobOf(second))['status']).toBe('awaiting_csr');
});

test('given a profile that refuses the name by now, the job fails for good without a retry, and the certificate says why', async () => {
  const name = 'refused';
  const profile = { id: 'narrow', name: 'Narrow', allowed_names: ['.example.com'] };
  expect((await api(platform, 'POST', '/api/v1/profiles', profile)).status).toBe(201);
  const { id } = await issued(name, { profile: 'narrow' });
  await database.query(`UPDATE profiles SET allowed_names = '{.example.net}', version = version + 1 WHERE id = 'narrow'`);
  const { job } = (await api(platform, 'POST', `/api/v1/certificates/${id}/renew`)).json() as { job: string };
  await until('it failed', async () => ((await jobOf(job))['status'] === 'failed' ? true : undefined));
  expect(await jobOf(job)).toMatchObject({
    retryable: false,
    attempts: 1,
    last_error: expect.stringContaining('rejectedIdentifier') as string,
  });
  const certificate = await get(id);
  expect([certificate.state, certificate.last_error]).toEqual(['active', expect.stringContaining('refused.example.com')]);
  // It is not given up: it becomes due again.
  expect(Date.parse(certificate.renew_at!)).toBeGreaterThan(Date.now() + 5 * 3_600_000);
});

test('given an archived certificate, nothing renews it, by hand or by the loop', async () => {
  const { id } = await issued('archived');
  expect((await api(platform, 'DELETE', `/api/v1/certificates/${id}`)).json()).toMatchObject({ state: 'archived', renew_at: null });
  const answer = await api(platform, 'POST', `/api/v1/certificates/${id}/renew`);
  expect([answer.status, answer.json()['detail']]).toEqual([409, 'the certificate is archived']);
});

test('given a CSR that the profile does not allow, it is refused at once with a reason, and nothing is stored', async () => {
  const bad = [
    ['not-pem', 'hello', 400],
    ['no-such-profile', makeCsr(['a.example.com']).csr, 400],
  ] as const;
  for (const [name, csr, status] of bad) {
    const answer = await api(platform, 'POST', '/api/v1/certificates', {
      name,
      csr,
      ...(name === 'no-such-profile' && { profile: 'nothing' }),
    });
    expect([name, answer.status, answer.headers['content-type']]).toEqual([name, status, 'application/problem+json']);
  }
  const { rows } = await database.query(`SELECT name FROM managed_certificates WHERE name IN ('not-pem', 'no-such-profile')`);
  expect(rows).toEqual([]);
});

test('given a name that is taken, the second certificate is a conflict', async () => {
  await issued('taken');
  const answer = await api(platform, 'POST', '/api/v1/certificates', { name: 'taken', csr: makeCsr(['taken.example.com']).csr });
  expect(answer.status).toBe(409);
});
