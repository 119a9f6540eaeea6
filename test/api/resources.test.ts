import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acmeClient } from '../acme/client.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { nextMidnight, withinOneWindow } from '../one-window.ts';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

type Json = Record<string, unknown>;
const post = (path: string, body: object = {}): Promise<Answer> => api(platform, 'POST', `/api/v1${path}`, body);
const get = async (path: string): Promise<Json> => (await api(platform, 'GET', `/api/v1${path}`)).json();
const items = async (path: string): Promise<Json[]> => (await get(path))['items'] as Json[];
const put = (path: string, body: object, tag = '*'): Promise<Answer> => api(platform, 'PUT', `/api/v1${path}`, body, { 'if-match': tag });
const remove = (path: string, tag = '*'): Promise<Answer> => api(platform, 'DELETE', `/api/v1${path}`, undefined, { 'if-match': tag });
let made = 0;
/** A certificate that is issued. */
async function certificate(fields: object = {}): Promise<string> {
  const name = `r-${made++}`;
  const answer = await post('/certificates', { name, csr: makeCsr([`${name}.example.com`]).csr, ...fields });
  expect([answer.status, answer.json()['detail']]).toEqual([202, undefined]);
  const { id } = answer.json()['certificate'] as { id: string };
  await until('it is issued', async () => ((await get(`/certificates/${id}`))['state'] === 'active' ? true : undefined));
  return id;
}

describe('teams and owners', () => {
  test('are made, read, replaced at the version that was read, and deleted once nothing is theirs', async () => {
    const team = (await post('/teams', { name: 'Platform' })).json();
    expect((await post('/teams', { name: 'platform' })).status).toBe(409);
    const owner = (await post('/owners', { name: 'Ada', email: 'ada@example.com', team: team['id'] })).json();
    expect((await post('/owners', { name: 'Bob', email: 'bob@example.com', team: 't-nobody' })).status).toBe(400);
    const id = await certificate({ owner: owner['id'], team: team['id'], environment: 'production', tags: { cost: '42' } });
    expect(await get(`/certificates/${id}`)).toMatchObject({
      owner: owner['id'],
      team: team['id'],
      environment: 'production',
      tags: { cost: '42' },
    });
    expect((await items(`/certificates?owner=${String(owner['id'])}`)).map((one) => one['id'])).toEqual([id]);
    for (const path of [`/owners/${String(owner['id'])}`, `/teams/${String(team['id'])}`]) expect((await remove(path)).status).toBe(409);
    const renamed = await put(`/teams/${String(team['id'])}`, { name: 'Core' }, '"v1"');
    expect([renamed.status, renamed.headers['etag']]).toEqual([200, '"v2"']);
    expect((await put(`/teams/${String(team['id'])}`, { name: 'Late' }, '"v1"')).status).toBe(412);
    expect((await put('/teams/t-nobody', { name: 'Late' })).status).toBe(404);
    const certificateNow = await get(`/certificates/${id}`);
    const given = await put(`/certificates/${id}`, { environment: 'staging' }, `"v${String(certificateNow['version'])}"`);
    expect([given.status, given.json()]).toMatchObject([200, { owner: null, team: null, environment: 'staging', tags: {} }]);
    expect((await remove(`/owners/${String(owner['id'])}`)).status).toBe(200);
    expect((await remove(`/teams/${String(team['id'])}`, '"v1"')).status).toBe(412);
    expect((await remove(`/teams/${String(team['id'])}`, '"v2"')).status).toBe(200);
    expect((await items('/audit?resource_type=team')).map(({ action }) => action)).toEqual(['deleteTeam', 'replaceTeam', 'createTeam']);
  });
});

describe('renewal policies', () => {
  test('what a policy says holds at once for those that follow it, and it stays while they do', async () => {
    const policy = (await post('/renewal-policies', { name: 'Short', renewal_window_days: 1, alert_thresholds_days: [] })).json();
    const id = await certificate({ policy: policy['id'] });
    const late = Date.parse(String((await get(`/certificates/${id}`))['renew_at']));
    expect((await put(`/renewal-policies/${String(policy['id'])}`, { name: 'Short', renewal_window_days: 20 })).status).toBe(200);
    const early = Date.parse(String((await get(`/certificates/${id}`))['renew_at']));
    expect((late - early) / 86_400_000).toBeGreaterThan(15);
    await put(`/renewal-policies/${String(policy['id'])}`, { name: 'Short', auto_renew: false });
    expect((await get(`/certificates/${id}`))['renew_at']).toBe(null);
    // Another policy, which renews by itself.
    await put(`/certificates/${id}`, {});
    expect((await get(`/certificates/${id}`))['renew_at']).not.toBe(null);
    expect((await put(`/certificates/${id}`, { policy: 'rp-nobody' })).status).toBe(400);
    expect((await remove('/renewal-policies/rp-default')).status).toBe(409);
    expect((await remove(`/renewal-policies/${String(policy['id'])}`)).status).toBe(200);
    for (const wrong of [{ renewal_window_days: 0 }, { max_retries: 11 }, { retry_interval_seconds: 59 }, { alert_thresholds_days: [-1] }])
      expect((await post('/renewal-policies', { name: 'Wrong', ...wrong })).status).toBe(400);
  });
});

describe('policy rules', () => {
  test('a rule that blocks refuses, one that audits tells; a violation is open once, and resolved when it is', async () => {
    const id = await certificate();
    const rule = (
      await post('/policies', { name: 'Costs', type: 'required_metadata', config: { required_keys: ['cost'] }, severity: 'error' })
    ).json();
    const open = (): Promise<Json[]> => items(`/policy-violations?certificate=${id}&open=true`);
    expect((await open()).map(({ rule_name, severity }) => [rule_name, severity])).toEqual([['Costs', 'error']]);
    await put(`/certificates/${id}`, { environment: 'x' });
    expect(await open()).toHaveLength(1);
    await put(`/certificates/${id}`, { tags: { cost: '1' } });
    expect(await open()).toEqual([]);
    expect((await items(`/policy-violations?certificate=${id}&open=false`)).length).toBe(1);
    const blocking = { name: 'Costs', type: 'required_metadata', config: { required_keys: ['cost'] }, enforcement: 'block' };
    expect((await put(`/policies/${String(rule['id'])}`, blocking)).status).toBe(200);
    const refused = await post('/certificates', { name: 'no-tags', csr: makeCsr(['no-tags.example.com']).csr });
    expect([refused.status, refused.json()['detail']]).toEqual([422, expect.stringContaining('Costs')]);
    expect(await items('/certificates?name=no-tags')).toEqual([]);
    expect((await put(`/certificates/${id}`, {})).status).toBe(422);
    expect((await put(`/policies/${String(rule['id'])}`, { ...blocking, enabled: false })).status).toBe(200);
    expect((await put(`/certificates/${id}`, {})).status).toBe(200);
    expect((await remove(`/policies/${String(rule['id'])}`)).status).toBe(200);
  });

  test.each([
    ['allowed_issuers', { allowed_issuer_ids: ['iss-other'] }, true],
    ['allowed_issuers', { allowed_issuer_ids: ['iss-local'] }, false],
    ['allowed_domains', { allowed_domains: ['example.org'] }, true],
    ['allowed_domains', { allowed_domains: ['ample.com'] }, true],
    ['allowed_domains', { allowed_domains: ['example.com'] }, false],
    ['allowed_environments', { allowed: ['production'] }, true],
    ['renewal_lead_time', { lead_time_days: 3650 }, true],
    ['renewal_lead_time', { lead_time_days: 1 }, false],
    ['certificate_lifetime', { max_days: 10 }, true],
    ['certificate_lifetime', { max_days: 400 }, false],
  ])('%s with %j breaks: %s', async (type, config, breaks) => {
    const id = await certificate();
    const rule = (await post('/policies', { name: `Rule ${made++}`, type, config })).json();
    try {
      expect(await items(`/policy-violations?rule=${String(rule['id'])}&certificate=${id}`)).toHaveLength(breaks ? 1 : 0);
    } finally {
      await remove(`/policies/${String(rule['id'])}`);
    }
  });

  test('a rule that makes no sense is refused', async () => {
    const wrong = { name: 'Wrong', type: 'allowed_issuers', config: { max_days: 3 } };
    expect((await post('/policies', wrong)).status).toBe(400);
    const late = { name: 'Late', type: 'renewal_lead_time', config: { lead_time_days: 3 }, enforcement: 'block' };
    expect((await post('/policies', late)).status).toBe(422);
  });
});

describe('revocation', () => {
  test('one certificate: every version that has not ended is on the list, its reason with it, once', async () => {
    const id = await certificate();
    await post(`/certificates/${id}/renew`);
    await until('it is renewed', async () => ((await items(`/certificates/${id}/versions`)).length === 2 ? true : undefined));
    await until('the job ends', async () => ((await get(`/certificates/${id}`))['health'] === 'good' ? true : undefined));
    expect((await post(`/certificates/${id}/revoke`)).status).toBe(400);
    const revoked = await post(`/certificates/${id}/revoke`, { reason: 'superseded' });
    expect([revoked.status, revoked.json()]).toMatchObject([200, { state: 'revoked', renew_at: null }]);
    expect((await post(`/certificates/${id}/revoke`, { reason: 'superseded' })).status).toBe(200);
    expect((await post(`/certificates/${id}/revoke`, { reason: 'unspecified' })).status).toBe(409);
    expect((await post(`/certificates/${id}/renew`)).status).toBe(409);
    const listed = await items(`/revocations?certificate=${id}`);
    expect(listed.map(({ reason, revoked_by }) => [reason, revoked_by])).toEqual([
      [4, 'ak-bootstrap'],
      [4, 'ak-bootstrap'],
    ]);
    expect((await items('/revocations?limit=1&sort=revoked_at')).length).toBe(1);
  });

  test('many: a look changes nothing, all criteria must hold, and what is left as it is has its reason', async () => {
    const [one, two, gone] = [
      await certificate({ environment: 'bulk' }),
      await certificate({ environment: 'bulk' }),
      await certificate({ environment: 'bulk' }),
    ];
    await post(`/certificates/${gone}/revoke`, { reason: 'unspecified' });
    const look = { environment: 'bulk', reason: 'cessationOfOperation', dry_run: true };
    expect((await post('/certificates/bulk-revoke', look)).json()).toEqual({
      dry_run: true,
      matched: 3,
      done: 0,
      skipped: [{ id: gone, reason: 'it is revoked already' }],
      ids: [one, two],
    });
    expect((await get(`/certificates/${one}`))['state']).toBe('active');
    expect((await post('/certificates/bulk-revoke', { reason: 'superseded' })).status).toBe(400);
    expect((await post('/certificates/bulk-revoke', { ...look, profile: 'internal' })).json()).toMatchObject({ matched: 0 });
    expect((await post('/certificates/bulk-revoke', { ...look, dry_run: false })).json()).toMatchObject({
      matched: 3,
      done: 2,
      ids: [one, two],
    });
    const renewed = await post('/certificates/bulk-renew', { ids: [one, two] });
    expect(renewed.json()).toMatchObject({ done: 0, skipped: [{ reason: 'it is revoked' }, { reason: 'it is revoked' }] });
  });

  test('many are given to another owner, and whoever is theirs already is left alone', async () => {
    const owner = (await post('/owners', { name: 'Heir', email: 'heir@example.com' })).json()['id'];
    const ids = [await certificate(), await certificate({ owner })];
    const given = await post('/certificates/bulk-reassign', { ids, new_owner: owner });
    expect(given.json()).toMatchObject({ matched: 2, done: 1, ids: [ids[0]], skipped: [{ id: ids[1] }] });
    expect((await post('/certificates/bulk-reassign', { ids, new_owner: 'o-nobody' })).status).toBe(400);
  });
});

describe('ACME administration', () => {
  test('accounts and orders are listed, and a deactivated account can do nothing more', async () => {
    const client = await acmeClient(platform);
    await client.register();
    const url = String(client.directory['newOrder']);
    expect((await client.post(url, { identifiers: [{ type: 'dns', value: 'admin.example.com' }] })).status).toBe(201);
    const [account] = await items('/acme/accounts?profile=default&status=valid&limit=1');
    const [order] = await items(`/acme/orders?account=${String(account!['id'])}`);
    expect(order).toMatchObject({ status: 'pending', profile: 'default', identifiers: [{ type: 'dns', value: 'admin.example.com' }] });
    expect(await get(`/acme/accounts/${String(account!['id'])}`)).toMatchObject({ open_orders: 1, status: 'valid' });
    expect((await post(`/acme/accounts/${String(account!['id'])}/deactivate`)).json()).toMatchObject({
      status: 'deactivated',
      open_orders: 0,
    });
    expect((await post(`/acme/accounts/${String(account!['id'])}/deactivate`)).status).toBe(409);
    expect((await items(`/acme/orders?account=${String(account!['id'])}&status=invalid`)).length).toBe(1);
    expect((await client.post(url, { identifiers: [{ type: 'dns', value: 'more.example.com' }] })).status).toBe(401);
  });
});

test('statistics count what there is, day by day', () =>
  withinOneWindow(async () => {
    await certificate();
    const now = (await get('/stats/summary')) as { certificates: { active: number; expiring_30_days: number } };
    expect(now.certificates.active).toBeGreaterThanOrEqual(1);
    const { past, ahead } = (await get('/stats/timeline?days=120')) as {
      past: { issued: number; day: string }[];
      ahead: { expiring: number }[];
    };
    expect([past.length, ahead.length, past.at(-1)!.day]).toEqual([120, 120, new Date().toISOString().slice(0, 10)]);
    expect(past.at(-1)!.issued).toBeGreaterThanOrEqual(1);
    expect(ahead.reduce((sum, { expiring }) => sum + expiring, 0)).toBe(now.certificates.active);
  }, nextMidnight));

test('a failed job is tried again by hand, one that ended well is not', async () => {
  const id = await certificate();
  const version = (await items('/issuers?type=local'))[0]!['version'] as number;
  await put('/issuers/iss-local/enabled', { enabled: false }, `"v${version}"`);
  try {
    const job = (await post(`/certificates/${id}/renew`)).json()['job'] as string;
    await until('it fails', async () => ((await get(`/jobs/${job}`))['status'] === 'failed' ? true : undefined));
    expect((await put('/issuers/iss-local/enabled', { enabled: true }, `"v${version}"`)).status).toBe(412);
    await put('/issuers/iss-local/enabled', { enabled: true });
    expect((await post(`/jobs/${job}/retry`)).status).toBe(202);
    await until('it completes', async () => ((await get(`/jobs/${job}`))['status'] === 'completed' ? true : undefined));
    expect((await post(`/jobs/${job}/retry`)).status).toBe(409);
  } finally {
    await put('/issuers/iss-local/enabled', { enabled: true });
  }
});
