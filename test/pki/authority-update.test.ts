import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, type Answer, type Platform } from '../platform.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

type Json = Record<string, unknown>;
let counter = 0;
const unique = (name: string): string => `${name}-${++counter}`;
const pathOf = (ca: Json): string => `/api/v1/intermediates/${String(ca['id'])}`;
const update = (ca: Json, body: object, tag?: string): Promise<Answer> =>
  api(platform, 'PATCH', pathOf(ca), body, tag === undefined ? {} : { 'if-match': tag });

async function makeCa(more: object = {}): Promise<Json> {
  const body = { name: unique('updated'), parent_ca_id: 'root-1', subject: { common_name: unique('Updated CA') }, ...more };
  const answer = await api(platform, 'POST', '/api/v1/issuers/iss-local/intermediates', body);
  expect(answer.status, answer.text).toBe(201);
  return answer.json();
}

test('what is said changes, what is not said stays, and each change is a version and an audit row', async () => {
  const ca = await makeCa({ metadata: { owner: 'team-a' } });
  const read = await api(platform, 'GET', pathOf(ca));
  expect([read.headers['etag'], read.json()['version'], read.json()['crl_shards']]).toEqual(['"v1"', 1, 1]);
  const name = unique('renamed');
  const renamed = await update(ca, { name }, '"v1"');
  expect([renamed.status, renamed.headers['etag']]).toEqual([200, '"v2"']);
  const { warnings: _, updated_at: __, ...asMade } = ca;
  const { updated_at: ___, ...now } = renamed.json();
  expect(now).toEqual({ ...asMade, name, version: 2 });
  const noted = await update(ca, { metadata: { owner: 'team-b' }, crl_shards: 2 }, '"v2"');
  expect([noted.json()['name'], noted.json()['metadata'], noted.json()['crl_shards'], noted.json()['version']]).toEqual([
    name,
    { owner: 'team-b' },
    2,
    3,
  ]);
  const audited = (await api(platform, 'GET', `/api/v1/audit?resource_id=${String(ca['id'])}`)).json()['items'] as {
    action: string;
    details: Json;
  }[];
  const updates = audited.filter(({ action }) => action === 'intermediate_ca_updated').map(({ details }) => details);
  expect(updates.map((details) => [details['name_before'], details['name'], details['crl_shards_before'], details['crl_shards']])).toEqual(
    expect.arrayContaining([[ca['name'], name, 1, 1], [name, name, 1, 2]]),
  ); // prettier-ignore
});

test('whoever has not seen the newest version changes nothing; of many at once one does', async () => {
  const ca = await makeCa();
  expect((await update(ca, { name: unique('blind') })).status).toBe(428);
  const answers = await Promise.all([1, 2, 3, 4].map(() => update(ca, { name: unique('raced') }, '"v1"')));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
  expect((await api(platform, 'POST', `${pathOf(ca)}/retire`, {})).status).toBe(200);
  // Retiring was a change, too.
  expect((await update(ca, { name: unique('late') }, '"v2"')).status).toBe(412);
  expect((await update(ca, { name: unique('late') }, '*')).status).toBe(200);
});

test('a name that is taken, a body that changes nothing or what the certificate says, and CAs that are not there are refused', async () => {
  const [ca, other] = [await makeCa(), await makeCa()];
  expect((await update(ca, { name: other['name'] }, '*')).status).toBe(409);
  for (const body of [
    {},
    { name: '' },
    { path_len_constraint: 1 },
    { state: 'active' },
    { crl_shards: '2' },
    { metadata: { 'No Key': 'x' } },
  ])
    expect([body, (await update(ca, body, '*')).status]).toEqual([body, 400]);
  expect((await update({ id: 'ica-nobody' }, { name: unique('nobody') }, '*')).status).toBe(404);
  const waiting = await makeCa({ parent_ca_id: undefined, external: true, crl_shards: 3 });
  expect((await update(waiting, { name: unique('waiting') }, '*')).status).toBe(409);
  expect((await api(platform, 'GET', pathOf(waiting))).json()['crl_shards']).toBe(3);
  expect((await api(platform, 'GET', pathOf(ca))).json()['version']).toBe(1);
});

test('a CA that ended is renamed, and its CRL is not cut any more', async () => {
  const ca = await makeCa();
  expect((await api(platform, 'POST', `${pathOf(ca)}/revoke`, { reason: 'superseded' })).status).toBe(200);
  expect((await update(ca, { crl_shards: 2 }, '*')).status).toBe(409);
  expect((await update(ca, { name: unique('ended') }, '*')).status).toBe(200);
});
