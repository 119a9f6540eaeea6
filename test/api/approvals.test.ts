import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromPem } from '#domain/x509/pem.ts';
import { acmeClient, freshName } from '../acme/client.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, runLoop, startPlatform, until, type Answer, type Platform } from '../platform.ts';

let platform: Platform;
let asker: { id: string; token: string };
let second: { id: string; token: string };
let made = 0;

const call = (token: string, method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> =>
  api(platform, method, path, body, { authorization: `Bearer ${token}`, ...headers });
const makeKey = async (fields: object = {}): Promise<{ id: string; token: string }> =>
  (await api(platform, 'POST', '/api/v1/auth/keys', { name: `key-${made++}`, roles: [{ role: 'r-operator' }], ...fields })).json() as never;
const newCertificate = async (profile: string, token = asker.token): Promise<{ certificate: { id: string }; job: string }> => {
  const answer = await call(token, 'POST', '/api/v1/certificates', {
    name: `gated-${made++}`,
    profile,
    csr: makeCsr([`g${made}.example.com`]).csr,
  });
  expect(answer.status).toBe(202);
  return answer.json() as never;
};
const approvalOf = async (job: string): Promise<Record<string, unknown>> => {
  const { items } = (await api(platform, 'GET', '/api/v1/approvals?limit=500')).json() as { items: Record<string, unknown>[] };
  return items.find((item) => item['job'] === job)!;
};
const jobOf = async (id: string): Promise<Record<string, unknown>> => (await api(platform, 'GET', `/api/v1/jobs/${id}`)).json();
const decide = (token: string, id: unknown, how: string, note?: string): Promise<Answer> =>
  call(token, 'POST', `/api/v1/approvals/${String(id)}/${how}`, note === undefined ? {} : { note });
const completed = (job: string): Promise<true> =>
  until('the job completes', async () => ((await jobOf(job))['status'] === 'completed' ? true : undefined));

beforeAll(async () => {
  platform = await startPlatform();
  asker = await makeKey();
  second = await makeKey();
  await api(platform, 'POST', '/api/v1/profiles', { id: 'gated', name: 'Gated', requires_approval: true });
});
afterAll(() => platform.stop());

test('a certificate waits for a second person, is issued on their yes, and the trail names both', async () => {
  const { certificate, job } = await newCertificate('gated');
  expect((await jobOf(job))['status']).toBe('awaiting_approval');
  const waiting = await approvalOf(job);
  expect(waiting).toMatchObject({
    kind: 'issuance',
    state: 'pending',
    requested_by: asker.id,
    certificate: certificate.id,
    profile: 'gated',
  });
  const own = await decide(asker.token, waiting['id'], 'approve');
  expect([own.status, own.json()['detail']]).toEqual([403, expect.stringContaining('second person')]);
  expect((await decide(asker.token, waiting['id'], 'reject')).status).toBe(403);
  const yes = await decide(second.token, waiting['id'], 'approve', 'seen');
  expect([yes.status, yes.json()]).toMatchObject([200, { state: 'approved', decided_by: second.id, note: 'seen' }]);
  expect((await decide(second.token, waiting['id'], 'reject')).status).toBe(409);
  await completed(job);
  const trail = (await api(platform, 'GET', `/api/v1/audit?resource_type=approval&resource_id=${String(waiting['id'])}`)).json()['items'];
  expect((trail as { actor: string; action: string }[]).map(({ actor, action }) => [actor, action])).toEqual([
    [second.id, 'approve'],
    [asker.id, 'approval_requested'],
  ]);
});

test('a no cancels the job, and trying it again does not get around the no', async () => {
  const { certificate, job } = await newCertificate('gated');
  const no = await decide(second.token, (await approvalOf(job))['id'], 'reject');
  expect(no.json()).toMatchObject({ state: 'rejected' });
  expect((await jobOf(job))['status']).toBe('cancelled');
  expect((await call(asker.token, 'POST', `/api/v1/jobs/${job}/retry`)).status).toBe(409);
  // Asking again is a new question.
  const again = (await call(asker.token, 'POST', `/api/v1/certificates/${certificate.id}/renew`)).json()['job'] as string;
  expect((await jobOf(again))['status']).toBe('awaiting_approval');
  expect((await call(asker.token, 'POST', `/api/v1/jobs/${again}/cancel`)).status).toBe(200);
  expect((await approvalOf(again))['state']).toBe('cancelled');
});

test('the scheduler’s renewals wait too, and whoever asked for the certificate does not decide them', async () => {
  const { certificate, job } = await newCertificate('gated');
  await decide(second.token, (await approvalOf(job))['id'], 'approve');
  await completed(job);
  const database = await platform.database();
  try {
    await database.query('UPDATE managed_certificates SET renew_at = now() WHERE id = $1', [certificate.id]);
    await runLoop(platform, 'renewalCheck');
    const renewal = await until('a renewal is asked for', async () => {
      const { rows } = await database.query<{ id: string; status: string }>(
        `SELECT id, status FROM jobs WHERE subject_id = $1 AND type = 'renewal'`,
        [certificate.id],
      );
      return rows[0];
    });
    expect(renewal.status).toBe('awaiting_approval');
    const waiting = await approvalOf(renewal.id);
    expect(waiting).toMatchObject({ state: 'pending', requested_by: asker.id });
    expect((await decide(asker.token, waiting['id'], 'approve')).status).toBe(403);
    // Nor does any statement move it, whoever writes it.
    for (const set of [`status = 'pending'`, `status = 'running'`, `status = 'failed', retryable = true`])
      await expect(database.query(`UPDATE jobs SET ${set} WHERE id = $1`, [renewal.id])).rejects.toThrow('no approval');
    await expect(database.query(`DELETE FROM approvals WHERE job_id = $1`, [renewal.id])).rejects.toThrow('decided');
    // Nobody answered in time.
    await database.query(`UPDATE jobs SET state_entered_at = now() - interval '8 days' WHERE id = $1`, [renewal.id]);
    await runLoop(platform, 'jobTimeout');
    await until('it ends', async () => ((await jobOf(renewal.id))['status'] === 'failed' ? true : undefined));
    expect((await approvalOf(renewal.id))['state']).toBe('expired');
    expect((await call(asker.token, 'POST', `/api/v1/jobs/${renewal.id}/retry`)).json()['detail']).toMatch(/nobody has approved/);
  } finally {
    await database.end();
  }
});

test('many at once are asked for one by one, and two who decide at once decide once', async () => {
  const { certificate, job } = await newCertificate('gated');
  const third = await makeKey();
  const { id } = await approvalOf(job);
  const answers = await Promise.all([
    decide(second.token, id, 'approve'),
    decide(third.token, id, 'reject'),
    decide(third.token, id, 'approve'),
  ]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
  await until('the job ends', async () => (['completed', 'cancelled'].includes(String((await jobOf(job))['status'])) ? true : undefined));
  const renewed = await call(asker.token, 'POST', '/api/v1/certificates/bulk-renew', { ids: [certificate.id] });
  expect(renewed.json()).toMatchObject({ matched: 1, done: 1 });
  const waiting = (await api(platform, 'GET', `/api/v1/approvals?state=pending&certificate=${certificate.id}`)).json()[
    'items'
  ] as unknown[];
  expect(waiting).toHaveLength(1);
});

test('a person with two keys is one person, and a key that is made to agree does not', async () => {
  const owner = (await api(platform, 'POST', '/api/v1/owners', { name: 'Ada', email: 'ada@example.com' })).json()['id'];
  const [left, right] = [await makeKey({ owner }), await makeKey({ owner })];
  const { job } = await newCertificate('gated', left.token);
  const { id } = await approvalOf(job);
  expect((await decide(right.token, id, 'approve')).status).toBe(403);
  const admin = await makeKey({ roles: [{ role: 'r-admin' }] });
  const theirs = await newCertificate('gated', admin.token);
  const puppet = (
    await call(admin.token, 'POST', '/api/v1/auth/keys', { name: `puppet-${made++}`, roles: [{ role: 'r-operator' }] })
  ).json();
  expect((await decide(String(puppet['token']), (await approvalOf(theirs.job))['id'], 'approve')).status).toBe(403);
  expect((await decide(second.token, id, 'approve')).status).toBe(200);
});

test('what was approved are its names: another CSR with others is refused', async () => {
  const name = `names-${made++}`;
  const answer = await call(asker.token, 'POST', '/api/v1/certificates', {
    name,
    profile: 'gated',
    csr: makeCsr([`${name}.example.com`]).csr,
    keep_csr: false,
  });
  const { certificate, job } = answer.json() as { certificate: { id: string }; job: string };
  await decide(second.token, (await approvalOf(job))['id'], 'approve');
  await completed(job);
  const renewal = (await call(asker.token, 'POST', `/api/v1/certificates/${certificate.id}/renew`)).json()['job'] as string;
  await decide(second.token, (await approvalOf(renewal))['id'], 'approve');
  await until('it waits for a CSR', async () => ((await jobOf(renewal))['status'] === 'awaiting_csr' ? true : undefined));
  await call(asker.token, 'POST', `/api/v1/jobs/${renewal}/csr`, { csr: makeCsr(['other.example.com']).csr });
  const ended = await until('it fails', async () => {
    const job = await jobOf(renewal);
    return job['status'] === 'failed' ? job : undefined;
  });
  expect(ended['last_error']).toMatch(/names|badCsr/);
});

test('ACME, which cannot wait for a person, is refused: a new order, and one that was ready before', async () => {
  await api(platform, 'POST', '/api/v1/profiles', {
    id: 'later',
    name: 'Later',
    acme_auth_mode: 'trust_authenticated',
    allowed_names: ['.example.com'],
    acknowledge_trust: true,
  });
  const client = await acmeClient(platform, { profile: 'later' });
  await client.register();
  const name = `${freshName().split('.')[0]!}.example.com`;
  const order = await client.post(String(client.directory['newOrder']), { identifiers: [{ type: 'dns', value: name }] });
  expect(order.json()['status']).toBe('ready');
  const { acme_directory: _d, id: _i, version: _v, ...fields } = (await api(platform, 'GET', '/api/v1/profiles/later')).json();
  const put = await call(
    asker.token,
    'PUT',
    '/api/v1/profiles/later',
    { ...fields, requires_approval: true, acknowledge_trust: true },
    { 'if-match': '"v1"' },
  );
  expect([put.status, put.json()['status']]).toEqual([202, 'pending_approval']);
  expect((await decide(second.token, put.json()['approval'], 'approve')).status).toBe(200);
  const csr = Buffer.from(fromPem('CERTIFICATE REQUEST', makeCsr([name]).csr)).toString('base64url');
  const finalized = await client.post(String(order.json()['finalize']), { csr });
  expect([finalized.status, finalized.json()['detail']]).toEqual([403, expect.stringContaining('approval')]);
  const next = await client.post(String(client.directory['newOrder']), { identifiers: [{ type: 'dns', value: name }] });
  expect(next.status).toBe(403);
});

test('a profile that wants approvals is changed, relaxed and disabled by two persons only, and never over a newer version', async () => {
  await api(platform, 'POST', '/api/v1/profiles', { id: 'strict', name: 'Strict', requires_approval: true });
  const put = (body: object): Promise<Answer> => call(asker.token, 'PUT', '/api/v1/profiles/strict', body, { 'if-match': '*' });
  const relaxed = await put({ name: 'Strict', requires_approval: false });
  expect(relaxed.status).toBe(202);
  expect((await put({ name: 'Strict', enabled: false })).status).toBe(409);
  const id = relaxed.json()['approval'];
  expect((await decide(asker.token, id, 'approve')).status).toBe(403);
  expect((await api(platform, 'GET', `/api/v1/approvals/${String(id)}`)).json()).toMatchObject({
    kind: 'profile_edit',
    proposed: { id: 'strict', requires_approval: false },
  });
  const database = await platform.database();
  try {
    await database.query(`UPDATE profiles SET version = version + 1 WHERE id = 'strict'`);
    const stale = await decide(second.token, id, 'approve');
    expect([stale.status, stale.json()['detail']]).toEqual([409, expect.stringContaining('asked anew')]);
    expect((await decide(second.token, id, 'reject')).status).toBe(200);
    const again = await put({ name: 'Strict', requires_approval: false });
    await database.query(`UPDATE approvals SET expires_at = now() WHERE id = $1`, [again.json()['approval']]);
    expect((await decide(second.token, again.json()['approval'], 'approve')).json()['detail']).toMatch(/expired/);
    const last = await put({ name: 'Strict', enabled: false });
    expect((await decide(second.token, last.json()['approval'], 'approve')).status).toBe(200);
    expect((await api(platform, 'GET', '/api/v1/profiles/strict')).json()).toMatchObject({ enabled: false, requires_approval: false });
  } finally {
    await database.end();
  }
});
