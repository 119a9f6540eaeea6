import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sessionKey, userKey, type AccessKey } from '#infra/local/copy/access-keys.ts';
import { certctl } from '../clients/command.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { otherSettings } from '../other-settings.ts';
import { api, request, startPlatform, type Answer, type Platform } from '../platform.ts';
import { send, signed, type Outgoing, type Signing } from './signed-call.ts';

let platform: Platform;
let secret: Buffer;
let made = 0;
beforeAll(async () => {
  platform = await startPlatform({ args: otherSettings });
  secret = readFileSync(join(platform.home, 'keys', 'access-keys.secret'));
});
afterAll(() => platform.stop());

const mappings = '/api/v1/auth/iam-mappings';
const account = '000000000000';
const soon = (): number => Math.floor(Date.now() / 1000) + 900;
const sessionOf = (role: string, name = 'test'): AccessKey => sessionKey(secret, { role, name, expires: soon() });
const roleArn = (role: string): string => `arn:aws:iam::${account}:role/${role}`;
const call = async (key: AccessKey, method: string, path: string, how: Signing = {}): Promise<Answer> =>
  send(platform, await signed(platform, key, method, `/iam${path}`, how));

interface Mapping {
  readonly id: string;
  readonly actor: string;
  readonly version: number;
}
const freshRole = (): string => `role-${made++}`;
/** Maps a role, as the administrator. */
async function map(role: string, roles: readonly object[], more: object = {}): Promise<Mapping> {
  const answer = await api(platform, 'POST', mappings, { principal: roleArn(role), roles, ...more });
  expect([answer.status, answer.text]).toEqual([201, expect.anything()]);
  return answer.json() as unknown as Mapping;
}

describe('an AWS identity that is mapped', () => {
  test('acts with the rights of its mapping, and the trail names the role and the session', async () => {
    const role = freshRole();
    const { actor } = await map(role, [{ role: 'r-operator' }]);
    const me = await call(sessionOf(role, 'build-7'), 'GET', '/api/v1/auth/me');
    expect([me.status, me.json()]).toMatchObject([200, { id: actor, name: roleArn(role), roles: [{ role: 'r-operator' }] }]);
    expect((await call(sessionOf(role, 'build-7'), 'GET', '/api/v1/auth/keys')).status).toBe(403);
    const team = await call(sessionOf(role, 'build-7'), 'POST', '/api/v1/teams', { body: { name: `of ${role}` } });
    expect(team.status).toBe(201);
    const events = (await api(platform, 'GET', `/api/v1/audit?actor=${encodeURIComponent(actor)}`)).json() as { items: object[] };
    expect(events.items).toMatchObject([
      { action: 'createTeam', actor_type: 'IAM', resource_id: team.json()['id'], details: { session: 'build-7', name: `of ${role}` } },
      { action: 'refused', actor_type: 'IAM', details: { session: 'build-7', code: 'unauthorized' } },
    ]);
    const others = (await api(platform, 'GET', '/api/v1/audit?actor=ak-bootstrap')).json() as {
      items: { actor_type: string; details: object }[];
    };
    expect(others.items.some(({ actor_type, details }) => actor_type !== 'APIKey' || 'session' in details)).toBe(false);
  });

  test('may be a user', async () => {
    const principal = `arn:aws:iam::${account}:user/teams/web/local`;
    const answer = await api(platform, 'POST', mappings, { principal, roles: [{ role: 'r-viewer' }] });
    expect(answer.json()).toMatchObject({ principal: `arn:aws:iam::${account}:user/local`, actor: `IAM:${account}:user/local` });
    expect((await call(userKey(secret), 'GET', '/api/v1/auth/me')).json()).toMatchObject({ id: `IAM:${account}:user/local` });
    // A role of that name is somebody else.
    expect((await call(sessionOf('local'), 'GET', '/api/v1/auth/me')).json()['id']).not.toBe(`IAM:${account}:user/local`);
  });

  test('sees with a grant for one profile what belongs to it, and the rest of the platform not', async () => {
    const role = freshRole();
    await map(role, [{ role: 'r-viewer', scope_type: 'profile', scope_id: 'internal' }]);
    const profiles = (await call(sessionOf(role), 'GET', '/api/v1/profiles')).json() as { items: { id: string }[] };
    expect(profiles.items.map(({ id }) => id)).toEqual(['internal']);
    expect((await call(sessionOf(role), 'GET', '/api/v1/admin/loops')).status).toBe(403);
  });

  test('loses with its mapping what it had, at once, and a role that was replaced counts at once', async () => {
    const role = freshRole();
    const { id, version } = await map(role, [{ role: 'r-operator' }]);
    const jobs = async (): Promise<number> => (await call(sessionOf(role), 'GET', '/api/v1/jobs')).status;
    expect(await jobs()).toBe(200);
    const body = { roles: [{ role: 'r-auditor' }] };
    const replaced = await api(platform, 'PUT', `${mappings}/${id}`, body, { 'if-match': `"v${version}"` });
    expect([replaced.status, await jobs()]).toEqual([200, 403]);
    await api(
      platform,
      'PUT',
      `${mappings}/${id}`,
      { roles: [{ role: 'r-viewer', expires_at: '2020-01-01T00:00:00Z' }] },
      { 'if-match': '*' },
    );
    expect(await jobs()).toBe(403);
    const ended = await api(platform, 'DELETE', `${mappings}/${id}`, undefined, { 'if-match': '*' });
    expect([ended.json()['ended_at'], await jobs()]).toEqual([expect.any(String), 401]);
    // What ended stays ended; the identity may be mapped anew.
    expect((await api(platform, 'PUT', `${mappings}/${id}`, body, { 'if-match': '*' })).status).toBe(409);
    await map(role, [{ role: 'r-viewer' }]);
    expect(await jobs()).toBe(200);
  });
});

test('an identity without a mapping, and one whose mapping ended, get the answer of a wrong key', async () => {
  const role = freshRole();
  const { id } = await map(role, [{ role: 'r-viewer' }]);
  await api(platform, 'DELETE', `${mappings}/${id}`, undefined, { 'if-match': '*' });
  const answers = await Promise.all([
    api(platform, 'GET', '/api/v1/jobs', undefined, { authorization: `Bearer ck_00000000_${'A'.repeat(43)}` }),
    call(sessionOf(role), 'GET', '/api/v1/jobs'),
    call(sessionOf(freshRole()), 'GET', '/api/v1/jobs'),
  ]);
  const shown = answers.map((answer) => [answer.status, answer.headers['www-authenticate'], { ...answer.json(), instance: '' }]);
  expect(shown[1]).toEqual(shown[0]);
  expect(shown[2]).toEqual(shown[0]);
  expect(shown[0]).toMatchObject([401, 'Bearer realm="certctl"', { type: 'urn:certctl:error:unauthenticated' }]);
});

describe('who is mapped, and by whom', () => {
  test('nobody maps an identity to more than they have, or changes one that has more, or their own', async () => {
    const [clerkRole, adminRole] = [freshRole(), freshRole()];
    const own = await map(clerkRole, [{ role: 'r-cli' }]);
    const admin = await map(adminRole, [{ role: 'r-admin' }]);
    const clerk = sessionOf(clerkRole);
    const wanted = (role: string): object => ({ principal: roleArn(freshRole()), roles: [{ role }] });
    expect((await call(clerk, 'POST', mappings, { body: wanted('r-viewer') })).status).toBe(201);
    for (const role of ['r-admin', 'r-auditor']) expect((await call(clerk, 'POST', mappings, { body: wanted(role) })).status).toBe(403);
    const key = { name: `by-${clerkRole}`, roles: [{ role: 'r-admin' }] };
    expect((await call(clerk, 'POST', '/api/v1/auth/keys', { body: key })).status).toBe(403);
    // With rights to assign roles, too: not to oneself.
    const change = { body: { roles: [{ role: 'r-viewer' }] }, headers: { 'if-match': '*' } };
    expect((await call(sessionOf(adminRole), 'PUT', `${mappings}/${admin.id}`, change)).status).toBe(403);
    expect((await call(sessionOf(adminRole), 'DELETE', `${mappings}/${admin.id}`, { headers: { 'if-match': '*' } })).status).toBe(403);
    expect((await call(sessionOf(adminRole), 'PUT', `${mappings}/${own.id}`, change)).status).toBe(200);
    // An administrator of one profile takes nothing from the administrator of all.
    const partRole = freshRole();
    await map(partRole, [{ role: 'r-admin', scope_type: 'profile', scope_id: 'default' }]);
    expect((await call(sessionOf(partRole), 'PUT', `${mappings}/${admin.id}`, change)).status).toBe(403);
  });

  test('a mapping is changed at a version, is one for an identity, and names what there is', async () => {
    const role = freshRole();
    const { id } = await map(role, [{ role: 'r-viewer' }]);
    const body = { roles: [{ role: 'r-viewer' }] };
    expect((await api(platform, 'GET', `${mappings}/${id}`)).headers['etag']).toBe('"v1"');
    expect((await api(platform, 'PUT', `${mappings}/${id}`, body)).status).toBe(428);
    expect((await api(platform, 'PUT', `${mappings}/${id}`, body, { 'if-match': '"v2"' })).status).toBe(412);
    expect((await api(platform, 'PUT', `${mappings}/${id}`, { ...body, principal: roleArn('other') }, { 'if-match': '*' })).status).toBe(
      400,
    );
    expect((await api(platform, 'POST', mappings, { principal: roleArn(role), ...body })).status).toBe(409);
    const listed = (await api(platform, 'GET', `${mappings}?principal=${encodeURIComponent(roleArn(`with/path/${role}`))}`)).json();
    expect(listed['items']).toMatchObject([{ id, principal: roleArn(role) }]);
    const scoped = { role: 'r-viewer', scope_type: 'profile', scope_id: 'nowhere' };
    for (const wrong of [
      { principal: roleArn(freshRole()), roles: [scoped] },
      { principal: roleArn(freshRole()), ...body, owner: 'o-nobody' },
      { principal: roleArn('*'), ...body },
      { principal: `arn:aws:sts::${account}:assumed-role/x/y`, ...body },
      { principal: `arn:aws:iam::${account}:root`, ...body },
    ])
      expect([wrong, (await api(platform, 'POST', mappings, wrong)).status]).toEqual([wrong, 400]);
    expect((await api(platform, 'PUT', `${mappings}/${id}`, { roles: [scoped] }, { 'if-match': '*' })).status).toBe(400);
  });

  test('one person with a key and an AWS identity is one person to the rule of two, also when the mapping they asked by has ended', async () => {
    const owner = (await api(platform, 'POST', '/api/v1/owners', { name: 'Ada', email: 'ada@example.com' })).json()['id'];
    const [asking, deciding, other] = [freshRole(), freshRole(), freshRole()];
    const asker = await map(asking, [{ role: 'r-operator' }], { owner });
    await map(deciding, [{ role: 'r-operator' }], { owner });
    const second = await map(other, [{ role: 'r-operator' }]);
    const key = await api(platform, 'POST', '/api/v1/auth/keys', { name: 'ada', roles: [{ role: 'r-operator' }], owner });
    await api(platform, 'POST', '/api/v1/profiles', { id: 'gated-iam', name: 'Gated', requires_approval: true });
    const wanted = { name: 'gated', profile: 'gated-iam', csr: makeCsr(['gated.example.com']).csr };
    expect((await call(sessionOf(asking, 'asks'), 'POST', '/api/v1/certificates', { body: wanted })).status).toBe(202);
    const { items } = (await api(platform, 'GET', '/api/v1/approvals')).json() as { items: { id: string; requested_by: string }[] };
    const waiting = items.find(({ requested_by }) => requested_by === asker.actor)!;
    const approve = `/api/v1/approvals/${waiting.id}/approve`;
    expect((await call(sessionOf(asking), 'POST', approve, { body: {} })).status).toBe(403);
    await api(platform, 'DELETE', `${mappings}/${asker.id}`, undefined, { 'if-match': '*' });
    expect((await call(sessionOf(deciding), 'POST', approve, { body: {} })).status).toBe(403);
    const byKey = { authorization: `Bearer ${String(key.json()['token'])}` };
    expect((await api(platform, 'POST', approve, {}, byKey)).status).toBe(403);
    expect((await call(sessionOf(other, 'decides'), 'POST', approve, { body: {} })).status).toBe(200);
    // What triggers of the database write has the session of who caused it, and of nobody else.
    const trail = (await api(platform, 'GET', `/api/v1/audit?resource_type=approval&resource_id=${waiting.id}`)).json();
    expect(trail['items']).toMatchObject([
      { action: 'approve', actor: second.actor, actor_type: 'IAM', details: { session: 'decides' } },
      { action: 'approval_requested', actor: asker.actor, actor_type: 'IAM', details: { session: 'asks' } },
    ]);
  });
});

describe('the authorizer', () => {
  const minutes = (count: number): Date => new Date(Date.now() + count * 60_000);
  const one = (): AccessKey => sessionOf('authorized', 'first');
  const without = (outgoing: Outgoing, ...names: readonly string[]): Outgoing => ({
    ...outgoing,
    headers: Object.fromEntries(Object.entries(outgoing.headers).filter(([name]) => !names.includes(name))),
  });
  const saying = (outgoing: Outgoing, headers: Record<string, string>): Outgoing => ({
    ...outgoing,
    headers: { ...outgoing.headers, ...headers },
  });
  const path = '/iam/api/v1/teams?limit=5';
  const sign = (key: AccessKey, how: Signing = {}, method = 'GET', at = path): Promise<Outgoing> => signed(platform, key, method, at, how);

  beforeAll(async () => {
    await map('authorized', [{ role: 'r-admin' }]);
  });

  test.each<[string, () => Promise<Outgoing>]>([
    ['what an SDK signs', () => sign(one())],
    ['a body', () => sign(one(), { body: { name: 'signed' } }, 'POST', '/iam/api/v1/teams')],
    ['a clock four minutes behind', () => sign(one(), { at: minutes(-4) })],
    ['a clock four minutes ahead', () => sign(one(), { at: minutes(4) })],
    ['letters that are escaped', () => sign(one(), {}, 'GET', '/iam/api/v1/audit?actor=a%20b%2Bc%2F%C3%BC')],
    ['a header that nobody signed and AWS does not mean', async () => saying(await sign(one()), { 'x-other': 'one' })],
  ])('lets through %s', async (_, outgoing) => expect((await send(platform, await outgoing())).status).toBeLessThan(300));

  test.each<[string, () => Promise<Outgoing>]>([
    ['no signature', async () => without(await sign(one()), 'authorization')],
    ['the token of an API key instead', async () => saying(await sign(one()), { authorization: `Bearer ${platform.token}` })],
    ['another secret', () => sign({ ...one(), secretAccessKey: userKey(secret).secretAccessKey })],
    ['a key that nobody was given', () => sign({ ...userKey(secret), accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' })],
    ['a session without its token', () => sign({ ...one(), sessionToken: undefined })],
    ['the token of another session', () => sign({ ...one(), sessionToken: sessionOf('authorized', 'second').sessionToken })],
    [
      'a token that was not sealed here',
      () => sign({ ...one(), sessionToken: `${Buffer.from('["authorized","x",9e9]').toString('base64url')}.AAAA` }),
    ],
    ['a token that was not signed', async () => saying(await sign(userKey(secret)), { 'x-amz-security-token': one().sessionToken ?? '' })],
    [
      'a session that is over',
      () => sign(sessionKey(secret, { role: 'authorized', name: 'old', expires: Math.floor(Date.now() / 1000) - 1 })),
    ],
    ['a signature of six minutes ago', () => sign(one(), { at: minutes(-6) })],
    ['a signature of six minutes ahead', () => sign(one(), { at: minutes(6) })],
    [
      'an old signature under a new date',
      async () => saying(await sign(one(), { at: minutes(-6) }), { 'x-amz-date': amzDate(new Date()) }),
    ],
    ['another region', () => sign(one(), { region: 'eu-central-1' })],
    ['another service', () => sign(one(), { service: 's3' })],
    ['another path', async () => ({ ...(await sign(one())), path: '/iam/api/v1/owners?limit=5' })],
    ['another query', async () => ({ ...(await sign(one())), path: '/iam/api/v1/teams?limit=6' })],
    ['another method', async () => ({ ...(await sign(one())), method: 'POST' })],
    ['another host', async () => saying(await sign(one()), { host: 'localhost:1' })],
    ['another body', async () => ({ ...(await sign(one(), { body: { name: 'a' } }, 'POST', '/iam/api/v1/teams')), body: '{"name":"b"}' })],
    [
      'another body under its own digest',
      async () => {
        const outgoing = await sign(one(), { body: { name: 'a' } }, 'POST', '/iam/api/v1/teams');
        const body = '{"name":"b"}';
        return { ...saying(outgoing, { 'x-amz-content-sha256': createHash('sha256').update(body).digest('hex') }), body };
      },
    ],
    [
      'a body that is not signed',
      () => sign(one(), { body: { name: 'a' }, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }, 'POST', '/iam/api/v1/teams'),
    ],
    ['a signed header that changed', async () => saying(await sign(one(), { headers: { 'x-signed': 'a' } }), { 'x-signed': 'b' })],
    ['a signed header that is gone', async () => without(await sign(one(), { headers: { 'x-signed': 'a' } }), 'x-signed')],
    ['a header for AWS that nobody signed', async () => saying(await sign(one()), { 'x-amz-target': 'other' })],
    [
      'a signature that leaves out the host',
      async () => {
        const outgoing = await sign(one());
        const authorization = outgoing.headers['authorization'] ?? '';
        return saying(outgoing, { authorization: authorization.replace('SignedHeaders=host;', 'SignedHeaders=') });
      },
    ],
    [
      'half a signature',
      async () => {
        const outgoing = await sign(one());
        return saying(outgoing, { authorization: (outgoing.headers['authorization'] ?? '').slice(0, -32) });
      },
    ],
  ])('lets %s not through, and says no more than that', async (_, outgoing) => {
    const answer = await send(platform, await outgoing());
    expect([answer.status, answer.json()]).toEqual([403, { message: 'Forbidden' }]);
  });

  test('takes a request again while its signature is fresh, as API Gateway does, and an idempotency key makes that harmless', async () => {
    const outgoing = await sign(
      one(),
      { body: { name: 'twice' }, headers: { 'idempotency-key': 'sent-two-times' } },
      'POST',
      '/iam/api/v1/teams',
    );
    const [first, second] = [await send(platform, outgoing), await send(platform, outgoing)];
    expect([first.status, second.status, second.headers['idempotency-replayed']]).toEqual([201, 201, 'true']);
    expect(second.json()['id']).toBe(first.json()['id']);
  });

  test('stands before its own paths alone: elsewhere a signature, or an identity that a header claims, is nobody', async () => {
    const answers = await Promise.all([
      send(platform, await sign(one(), {}, 'GET', '/api/v1/teams')),
      request(platform, `${platform.url}/api/v1/teams`, {
        headers: {
          'x-amzn-iam-user-arn': `arn:aws:sts::${account}:assumed-role/authorized/x`,
          'x-amz-security-token': one().sessionToken ?? '',
        },
      }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401]);
    // What agents prove by signatures of their own is not for AWS identities.
    const agent = await call(one(), 'POST', '/api/v1/agents/agent-1/work', { body: {}, headers: { 'signature-input': 'x=()' } });
    expect(agent.status).toBe(403);
  });
});

describe('on the command line', () => {
  const aws = (profile: string): Record<string, string> => ({
    AWS_SHARED_CREDENTIALS_FILE: join(platform.home, 'aws-credentials'),
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_PROFILE: profile,
    AWS_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    CERTCTL_TOKEN: 'not-looked-at-with-aws',
  });

  test('--aws signs as whom the SDKs find, and the keys of this machine lie where nobody else reads them', async () => {
    for (const file of ['aws-credentials', 'keys/access-keys.secret'])
      expect([file, statSync(join(platform.home, file)).mode & 0o777]).toEqual([file, 0o600]);
    await map('local', [{ role: 'r-operator' }]);
    const me = await certctl(platform, ['--aws', '-o', 'json', 'auth', 'me'], aws('role'));
    expect([me.err, (JSON.parse(me.out) as { id: string }).id]).toEqual(['', `IAM:${account}:local`]);
    const team = await certctl(platform, ['--aws', '-o', 'json', 'teams', 'create', '--name', 'Café & + 100%'], aws('role'));
    expect([team.err, JSON.parse(team.out)]).toEqual(['', expect.objectContaining({ name: 'Café & + 100%' })]);
    const found = await certctl(platform, ['--aws', 'audit', 'list', '--actor', 'a b+c/ü'], aws('role'));
    expect([found.code, found.out]).toEqual([0, 'none\n']);
  });

  test('without an identity or a region it says what is missing, and sends nothing', async () => {
    const nobody = { ...aws('default'), AWS_SHARED_CREDENTIALS_FILE: '/nonexistent' };
    expect(await certctl(platform, ['--aws', 'auth', 'me'], nobody)).toMatchObject({
      code: 2,
      err: expect.stringContaining('no AWS identity') as string,
    });
    const { AWS_REGION: _, ...nowhere } = aws('role');
    expect(await certctl(platform, ['--aws', 'auth', 'me'], nowhere)).toMatchObject({
      code: 2,
      err: expect.stringContaining('AWS_REGION') as string,
    });
    const forged = await certctl(platform, ['--aws', 'auth', 'me'], { ...aws('role'), AWS_REGION: 'eu-central-1' });
    expect(forged).toMatchObject({ code: 1, err: expect.stringContaining('the gateway says: Forbidden') as string });
  });
});

function amzDate(date: Date): string {
  return date.toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}
