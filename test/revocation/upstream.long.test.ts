import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startPrivateCa, type Behaviour, type PrivateCa } from '../fakes/private-ca.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { childrenOf } from '../process-tree.ts';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';

let platform: Platform;
let ca: PrivateCa;
let issuer: string;
const behaviour: Behaviour = {};
beforeAll(async () => {
  ca = await startPrivateCa(behaviour);
  platform = await startPlatform({ env: { AWS_ENDPOINT_URL_ACM_PCA: ca.url } });
  const made = await api(platform, 'POST', '/api/v1/issuers', { name: 'Private', type: 'aws-private-ca', config: { caArn: ca.arn } });
  issuer = String(made.json()['id']);
});
afterEach(() => {
  for (const key of Object.keys(behaviour) as (keyof Behaviour)[]) behaviour[key] = undefined;
});
afterAll(async () => {
  await platform.stop();
  await ca.stop();
});

type Json = Record<string, unknown>;
const get = async (path: string): Promise<Json> => (await api(platform, 'GET', `/api/v1${path}`)).json();
const revoke = (id: string, reason: string): Promise<Answer> => api(platform, 'POST', `/api/v1/certificates/${id}/revoke`, { reason });
let made = 0;

/** A certificate that the CA elsewhere has signed. */
async function issued(): Promise<{ readonly id: string; readonly version: string; readonly serial: string }> {
  const name = `upstream-${++made}`;
  const answer = await api(platform, 'POST', '/api/v1/certificates', { name, issuer, csr: makeCsr([`${name}.example.com`]).csr });
  const { id } = answer.json()['certificate'] as { id: string };
  const version = await until('it is issued', async () => ((await get(`/certificates/${id}/versions`))['items'] as Json[])[0], 60);
  const serial = ca.log.find(({ names }) => names.includes(`${name}.example.com`))?.serial;
  if (serial === undefined) throw new Error('the CA never signed it');
  return { id, version: String(version['id']), serial };
}
const jobOf = async (version: string): Promise<Json | undefined> =>
  ((await get(`/jobs?type=revocation&subject=${version}`))['items'] as Json[])[0];

test('a CA elsewhere is told of a revocation, with its reason, once', async () => {
  const { id, version, serial } = await issued();
  const answer = await revoke(id, 'keyCompromise');
  expect([answer.status, answer.json()]).toMatchObject([200, { state: 'revoked' }]);
  await until('the CA knows', () => ca.revoked.get(serial) === 'KEY_COMPROMISE' || undefined);
  await until('the job ends', async () => (await jobOf(version))?.['status'] === 'completed' || undefined);
  expect((await revoke(id, 'keyCompromise')).status).toBe(200);
  expect(((await get(`/jobs?type=revocation&subject=${version}`))['items'] as Json[]).length).toBe(1);
  const { items } = (await get(`/audit?resource_id=${version}`)) as { items: Json[] };
  expect(items.map(({ action }) => action)).toContain('issuer_told_of_revocation');
});

test('a CA that is busy is asked again; one that knows already has been told', async () => {
  const { id, version, serial } = await issued();
  let refusals = 1;
  behaviour.busy = () => refusals-- > 0;
  expect((await revoke(id, 'superseded')).status).toBe(200);
  await until('it was asked and refused', () => refusals < 1 || undefined);
  // Somebody else tells it in between.
  (ca.revoked as Map<string, string>).set(serial, 'SUPERSEDED');
  await until(
    'the job ends well',
    async () => {
      await api(platform, 'POST', '/api/v1/admin/loops/jobProcessor/run');
      return (await jobOf(version))?.['status'] === 'completed' || undefined;
    },
    60,
  );
});

test('a worker that dies after the CA took it tells it again, and nothing is lost', async () => {
  const { id, version, serial } = await issued();
  let died = false;
  behaviour.beforeRevocationAnswer = async () => {
    if (died) return;
    died = true;
    for (const pid of childrenOf(platform.instance.pid)) if (pid !== platform.instance.postgres) process.kill(pid, 'SIGKILL');
  };
  await revoke(id, 'superseded').catch(() => undefined);
  await until('the CA knows', () => ca.revoked.get(serial) === 'SUPERSEDED' || undefined);
  const database = await platform.database();
  try {
    await until(
      'the job ends well',
      async () => {
        await database.query(
          `UPDATE jobs SET lease_expires_at = now() - interval '1 second' WHERE type = 'revocation' AND status = 'running'`,
        );
        await api(platform, 'POST', '/api/v1/admin/loops/jobProcessor/run').catch(() => undefined);
        return (await jobOf(version).catch(() => undefined))?.['status'] === 'completed' || undefined;
      },
      60,
    );
  } finally {
    await database.end();
  }
});

test('a CA that refuses leaves a failed job and a certificate that says so, revoked here all the same, until the job is tried again', async () => {
  const { id, version, serial } = await issued();
  behaviour.refusesRevocation = true;
  expect((await revoke(id, 'unspecified')).json()).toMatchObject({ state: 'revoked' });
  await until('the job fails', async () => (await jobOf(version))?.['status'] === 'failed' || undefined);
  expect(await get(`/certificates/${id}`)).toMatchObject({
    state: 'revoked',
    last_error: expect.stringContaining('InvalidStateException') as unknown,
  });
  behaviour.refusesRevocation = false;
  const job = String((await jobOf(version))?.['id']);
  expect((await api(platform, 'POST', `/api/v1/jobs/${job}/retry`)).status).toBe(202);
  await until('the CA knows', () => ca.revoked.get(serial) === 'UNSPECIFIED' || undefined);
  await until('nothing is wrong any more', async () => (await get(`/certificates/${id}`))['last_error'] === null || undefined);
});

test('nothing is held elsewhere', async () => {
  const { id } = await issued();
  expect((await revoke(id, 'certificateHold')).json()).toMatchObject({
    status: 409,
    detail: expect.stringContaining('elsewhere') as unknown,
  });
  expect(await get(`/certificates/${id}`)).toMatchObject({ state: 'active' });
});
