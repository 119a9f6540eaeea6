import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gatesOf } from '../cloud.ts';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { makeChild, makeRoot, type Authority } from '../revocation/hierarchy.ts';
import { callsTo, certified } from './agent-jobs.ts';
import { makeCsr } from './csr.ts';
import { enrolledAgent } from './signed-agent.ts';

let platform: Platform;
let database: pg.Client;
let root: Authority;
beforeAll(async () => {
  platform = await startPlatform();
  database = await platform.database();
  root = await makeRoot(platform);
  const channel = { name: 'urgent', url: 'https://alerts.example.com/', events: ['certificate.urgent'] };
  expect((await api(platform, 'POST', '/api/v1/notification-channels', channel)).status).toBe(201);
});
afterAll(async () => {
  await database.end();
  await platform.stop();
});

const { get, run, target, ordered } = callsTo(() => platform);

async function send(method: string, path: string, body: object): Promise<Answer> {
  const answer = await api(platform, method, `/api/v1/${path}`, body, method === 'PUT' ? { 'if-match': '*' } : {});
  expect([answer.status < 300, answer.text.slice(0, 300)]).toEqual([true, expect.any(String)]);
  return answer;
}
const choose = (ca: Authority | null): Promise<Answer> => send('PUT', 'issuers/iss-local/issuing-ca', { issuing_ca_id: ca?.id ?? null });
const retire = (ca: Authority): Promise<Answer> => send('POST', `intermediates/${ca.id}/retire`, { stop_leaf: true });

async function issued(name: string, csr: string, more: object = {}): Promise<string> {
  const created = (await send('POST', 'certificates', { name, csr, ...more })).json();
  const { id } = created['certificate'] as { id: string };
  await until('it is issued', async () => ((await get(id))['serial'] === null ? undefined : true));
  return id;
}
const fresh = (name: string, more: object = {}): Promise<string> => issued(name, makeCsr([`${name}.example.com`]).csr, more);
const signerOf = async (id: string): Promise<string> =>
  (await database.query<{ ca_id: string }>(`SELECT ca_id FROM certificates WHERE managed_id = $1 ORDER BY created_at DESC LIMIT 1`, [id]))
    .rows[0]!.ca_id;
const secondsUntilRenewal = async (id: string): Promise<number> => (Date.parse(String((await get(id))['renew_at'])) - Date.now()) / 1000;
const told = async (subject: string): Promise<Record<string, unknown>[]> =>
  (
    await database.query<{ data: Record<string, unknown> }>(
      `SELECT data FROM notifications WHERE event = 'certificate.urgent' AND subject_id = $1`,
      [subject],
    )
  ).rows.map(({ data }) => data);

test('given a CA that retires after another was chosen, its certificates are renewed at once by the other, those of agents too, and nothing beside', async () => {
  const [first, second] = [await makeChild(platform, root), await makeChild(platform, root)];
  const beside = await fresh('beside');
  await choose(first);
  expect((await gatesOf(platform).read('renewalCheck')).hotUntil).toBeGreaterThan(Date.now());
  const byCsr = await fresh('follows');
  const agent = await enrolledAgent(platform, 'follows');
  const { id: byAgent } = await ordered('follows-agent', [await target(agent, 'follows')]);
  await certified(agent, 'follows-agent');
  await choose(second);
  const before = await secondsUntilRenewal(beside);
  await retire(first);
  await run('renewalCheck');
  await until('it is renewed', async () => (await signerOf(byCsr)) === second.id || undefined);
  await certified(agent, 'follows-agent');
  expect(await signerOf(byAgent)).toBe(second.id);
  expect(await secondsUntilRenewal(byCsr)).toBeGreaterThan(50 * 86_400);
  expect(Math.abs((await secondsUntilRenewal(beside)) - before)).toBeLessThan(60);
  expect(await told(first.id)).toEqual([]);
});

test('given a CA that retires with no other chosen, nothing is tried in vain: it is said what to do, told once, and done when it is done', async () => {
  const [first, second] = [await makeChild(platform, root), await makeChild(platform, root)];
  await choose(first);
  const id = await fresh('alone');
  await retire(first);
  await run('renewalCheck');
  await run('renewalCheck');
  const stuck = await get(id);
  expect(stuck['last_error']).toBe(`renewal is urgent: the CA ${first.id} is retiring: choose another for the issuer iss-local`);
  expect(await secondsUntilRenewal(id)).toBeGreaterThan(50 * 86_400);
  expect((await database.query(`SELECT FROM jobs WHERE subject_id = $1 AND type = 'renewal'`, [id])).rowCount).toBe(0);
  expect(await told(first.id)).toMatchObject([{ ca: first.id, hastened: 0, left_alone: 1, names: ['alone'] }]);
  await choose(second);
  await run('renewalCheck');
  await until('it is renewed', async () => (await signerOf(id)) === second.id || undefined);
  expect((await get(id))['last_error']).toBeNull();
});

test('given a CA that retires by mistake and signs again, nothing is urgent any more', async () => {
  const ca = await makeChild(platform, root);
  await choose(ca);
  const id = await fresh('mistaken');
  await send('POST', `intermediates/${ca.id}/retire`, {});
  await run('renewalCheck');
  expect((await get(id))['last_error']).toMatch(/^renewal is urgent: /);
  await send('POST', `intermediates/${ca.id}/reactivate`, {});
  await run('renewalCheck');
  expect((await get(id))['last_error']).toBeNull();
  expect(await secondsUntilRenewal(id)).toBeGreaterThan(50 * 86_400);
});

test('given a policy that renews nothing by itself, an urgent certificate is left alone and somebody is told; when the policy renews again it is soon due', async () => {
  const [first, second] = [await makeChild(platform, root), await makeChild(platform, root)];
  const policy = { name: 'by-hand', renewal_window_days: 30, auto_renew: false };
  const { id: policyId } = (await send('POST', 'renewal-policies', policy)).json() as { id: string };
  await choose(first);
  const id = await fresh('by-hand', { policy: policyId });
  await choose(second);
  await retire(first);
  await run('renewalCheck');
  expect(await get(id)).toMatchObject({ renew_at: null, last_error: 'renewal is urgent: its policy does not renew it: renew it by hand' });
  expect(await told(first.id)).toMatchObject([{ left_alone: 1, names: ['by-hand'] }]);
  await send('PUT', `renewal-policies/${policyId}`, { ...policy, auto_renew: true });
  expect(await secondsUntilRenewal(id)).toBeLessThanOrEqual(3600);
});

test('given a change of its policy while it is urgent, its turn is not put off', async () => {
  const [first, second] = [await makeChild(platform, root), await makeChild(platform, root)];
  const policy = { name: 'changing', renewal_window_days: 30 };
  const { id: policyId } = (await send('POST', 'renewal-policies', policy)).json() as { id: string };
  await choose(first);
  const id = await fresh('changing', { policy: policyId });
  await choose(second);
  await database.query(`UPDATE managed_certificates SET urgent_since = now(), renew_at = now() + interval '10 minutes' WHERE id = $1`, [
    id,
  ]);
  await send('PUT', `renewal-policies/${policyId}`, { ...policy, renewal_window_days: 5 });
  expect(await secondsUntilRenewal(id)).toBeLessThanOrEqual(600);
  const { id: other } = (await send('POST', 'renewal-policies', { name: 'changed', renewal_window_days: 30 })).json() as { id: string };
  await send('PUT', `certificates/${id}`, { policy: other });
  expect(await secondsUntilRenewal(id)).toBeLessThanOrEqual(600);
});

/** Certificates of a CA that were signed once upon a time, from one number to another. */
async function many(ca: Authority, name: string, from: number, to: number): Promise<void> {
  await database.query(
    `WITH v AS (INSERT INTO certificates (id, ca_id, serial, fingerprint, spki_sha256, certificate, sans, profile_id, source, not_before, not_after)
       SELECT 'cert-' || $1 || '-' || i, $2, 'f' || lpad(to_hex(i), 8, '0'), sha256(convert_to($1 || i, 'UTF8')), sha256(convert_to('key' || $1 || i, 'UTF8')), '\\x30', '[]', 'internal', 'API',
              now(), now() + interval '90 days' FROM generate_series($3::int, $4::int) AS i RETURNING id, not_before, not_after)
     INSERT INTO managed_certificates (id, name, state, profile_id, issuer_id, policy_id, sans, created_by, current_id, not_before, not_after, renew_at)
     SELECT 'mc-' || id, id, 'active', 'internal', 'iss-local', (SELECT id FROM renewal_policies ORDER BY created_at LIMIT 1), '[]', 'test', id, not_before, not_after, now() + interval '60 days' FROM v`,
    [name, ca.id, from, to],
  );
}
const urgentOnes = async (name: string): Promise<number> =>
  (await database.query(`SELECT FROM managed_certificates WHERE name LIKE $1 AND urgent_since IS NOT NULL`, [`cert-${name}-%`])).rowCount ??
  0;

test('given many, those of six hundred a minute have their turn together, whatever the page', async () => {
  await choose(null);
  const ca = await makeChild(platform, root);
  await many(ca, 'many', 1, 2500);
  await retire(ca);
  await run('renewalCheck');
  const { rows } = await database.query<{ minute: number; n: number }>(
    `SELECT round(extract(epoch FROM coalesce(m.renew_at, j.created_at) - m.urgent_since) / 60)::int AS minute, count(*)::int AS n
     FROM managed_certificates m LEFT JOIN jobs j ON j.subject_id = m.id WHERE m.name LIKE 'cert-many-%' GROUP BY 1 ORDER BY 1`,
  );
  expect(rows).toEqual([
    { minute: 0, n: 600 },
    { minute: 1, n: 600 },
    { minute: 2, n: 600 },
    { minute: 3, n: 600 },
    { minute: 4, n: 100 },
  ]);
});

test('given a pass that died in the middle, the next goes on there; what was being signed when the CA fell is met by a second pass, and then it is over', async () => {
  const ca = await makeChild(platform, root);
  await many(ca, 'died', 1, 50);
  await retire(ca);
  const causes = async (): Promise<number> => (await database.query('SELECT FROM renewal_causes WHERE ca_id = $1', [ca.id])).rowCount ?? 0;
  await database.query(`UPDATE renewal_causes SET after = 'f00000010' WHERE ca_id = $1 AND after = ''`, [ca.id]);
  await run('renewalCheck');
  expect([await urgentOnes('died'), await causes()]).toEqual([34, 1]);
  await many(ca, 'died', 51, 60);
  await database.query(
    `UPDATE renewal_causes SET noted_at = noted_at - interval '5 minutes', due_at = due_at - interval '5 minutes' WHERE ca_id = $1`,
    [ca.id],
  );
  await run('renewalCheck');
  expect([await urgentOnes('died'), await causes()]).toEqual([60, 0]);
});

test('given a key that is blocked, whoever else has it is renewed at once, and waits for a CSR of a new one', async () => {
  await choose(null);
  const shared = makeCsr(['shared.example.com']);
  const id = await issued('shared', shared.csr);
  const twin = await issued('shared-twin', shared.csr);
  await send('POST', `certificates/${twin}/revoke`, { reason: 'keyCompromise' });
  await run('renewalCheck');
  const job = await until('its renewal waits', async () => {
    const { items } = (await api(platform, 'GET', `/api/v1/jobs?subject=${id}&status=awaiting_csr`)).json() as { items: { id: string }[] };
    return items[0]?.id;
  });
  expect((await get(id))['last_error']).toMatch(/the key was revoked for keyCompromise: hand in a CSR of a new key/);
  const [alert] = (
    await database.query<{ data: object }>(
      `SELECT data FROM notifications WHERE event = 'certificate.urgent' AND data ->> 'spki_sha256' IS NOT NULL`,
    )
  ).rows;
  expect(alert!.data).toMatchObject({ ca: null, names: ['shared'] });
  await send('POST', `jobs/${job}/csr`, { csr: makeCsr(['shared.example.com']).csr });
  await until('it is renewed', async () => ((await get(id))['health'] === 'good' ? true : undefined));
  expect((await get(id))['last_error']).toBeNull();
});
