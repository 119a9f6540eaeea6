import { afterAll, beforeAll, expect, test } from 'vitest';
import { reasonCode } from '#domain/revocation/reason.ts';
import { validatePath } from '#domain/x509/path/validate.ts';
import { fromPem } from '#domain/x509/pem.ts';
import { api, rowsOf, runLoop, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { issueBelow, makeChild, makeRoot, type Authority } from './hierarchy.ts';
import { ocspStatus, publishedList, serialOf } from './status.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

type Json = Record<string, unknown>;
const { caCompromise } = reasonCode;
const compromise = (ca: Authority, body: object = {}): Promise<Answer> =>
  api(platform, 'POST', `/api/v1/intermediates/${ca.id}/compromise`, body);
const get = async (path: string): Promise<Json> => (await api(platform, 'GET', `/api/v1${path}`)).json();
const stateOf = async (ca: Authority): Promise<unknown> => (await get(`/intermediates/${ca.id}`))['state'];

/** Certificates that were signed once upon a time, as many as a page does not hold. */
async function manyLeaves(ca: Authority, count: number): Promise<void> {
  const database = await platform.database();
  try {
    await database.query(
      `INSERT INTO certificates (id, ca_id, serial, fingerprint, spki_sha256, certificate, sans, profile_id, source, not_before, not_after)
       SELECT 'cert-many-' || $1 || '-' || i, $1, 'f' || lpad(to_hex(i), 8, '0'), sha256(convert_to($1 || i, 'UTF8')), sha256('key'), '\\x30', '[]', 'internal', 'API', now(), now() + interval '30 days'
       FROM generate_series(1, $2) AS i`,
      [ca.id, count],
    );
  } finally {
    await database.end();
  }
}

const rows = <Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]> =>
  rowsOf<Row>(platform, text, values);
const revokedLeaves = async (ca: Authority): Promise<number> =>
  (await rows<{ n: number }>('SELECT count(*)::int AS n FROM revocations WHERE ca_id = $1 AND reason = $2', [ca.id, caCompromise]))[0]?.n ??
  0;

test('a CA in the middle of three falls with all below it, and nothing beside it', async () => {
  const root = await makeRoot(platform);
  const [policy, beside] = [await makeChild(platform, root), await makeChild(platform, root)];
  const [issuing, other] = [await makeChild(platform, policy), await makeChild(platform, policy)];
  const [[leaf], [otherLeaf], [besideLeaf]] = [
    await issueBelow(platform, issuing, 2),
    await issueBelow(platform, other, 1),
    await issueBelow(platform, beside, 1),
  ];
  if (leaf === undefined || otherLeaf === undefined || besideLeaf === undefined) throw new Error('no leaf');
  await api(platform, 'POST', `/api/v1/certificates/${leaf.id}/revoke`, { reason: 'certificateHold' });

  const look = await compromise(policy, { dry_run: true });
  expect([look.status, look.json()]).toEqual([
    200,
    {
      dry_run: true,
      authorities: [policy, ...[issuing, other].sort((one, two) => (one.id < two.id ? -1 : 1))].map(({ id }) => ({
        id,
        name: expect.any(String) as string,
        state: 'active',
        listed_by: id === policy.id ? root.id : policy.id,
        leaves: id === issuing.id ? 2 : id === other.id ? 1 : 0,
      })),
      leaves: 3,
      warnings: [],
      jobs: [],
    },
  ]);
  expect([await stateOf(policy), ocspStatus(platform, otherLeaf)]).toEqual(['active', 'good']);

  const declared = (await compromise(policy)).json();
  expect(declared).toMatchObject({ dry_run: false, leaves: 3 });
  for (const ca of [policy, issuing, other]) expect(await get(`/intermediates/${ca.id}`)).toMatchObject({ state: 'revoked', revocation_reason: 2, signs_leaves: false }); // prettier-ignore
  await until('the leaves are revoked', () => ocspStatus(platform, otherLeaf) === 'revoked:caCompromise' || undefined);
  await until('one that was held too', () => ocspStatus(platform, leaf) === 'revoked:caCompromise' || undefined);
  expect(ocspStatus(platform, { leaf: policy.certificate, issuer: root.certificate, ca: root.id })).toBe('revoked:caCompromise');
  expect(ocspStatus(platform, { leaf: issuing.certificate, issuer: policy.certificate, ca: policy.id })).toBe('revoked:caCompromise');
  await until('the lists have all of them', async () => {
    const lists = await Promise.all([root, policy, other].map(({ id }) => publishedList(platform, id)));
    const wanted = [policy, issuing, { certificate: otherLeaf.leaf }].map(({ certificate }) => serialOf({ leaf: certificate }));
    return lists.every(({ entries }, index) => entries.get(wanted[index] ?? '') === caCompromise) || undefined;
  });
  const verdict = validatePath({
    certificate: fromPem('CERTIFICATE', otherLeaf.leaf),
    intermediates: [policy, other].map(({ certificate }) => fromPem('CERTIFICATE', certificate)),
    anchors: [fromPem('CERTIFICATE', root.certificate)],
    options: { at: new Date() },
    revocation: { crls: [(await publishedList(platform, root.id)).der], required: true },
  });
  expect(verdict).toMatchObject({ valid: false, code: 'revoked' });

  expect([await stateOf(beside), ocspStatus(platform, besideLeaf)]).toEqual(['active', 'good']);
  // What renews by itself waits for another CA, or has a version of one already.
  expect(['revoked', 'renewing', 'good']).toContain((await get(`/certificates/${otherLeaf.id}`))['health']);
  await until('the jobs end', async () => {
    const states = await Promise.all((declared['jobs'] as string[]).map(async (id) => (await get(`/jobs/${id}`))['status']));
    return states.every((status) => status === 'completed') || undefined;
  });
  expect((await compromise(policy, { dry_run: true })).json()).toMatchObject({ leaves: 0 });
});

test('alone it falls without those below, which sign no more; a root is on nobody’s list, and who has it sign is named', async () => {
  const root = await makeRoot(platform);
  const policy = await makeChild(platform, root);
  const issuing = await makeChild(platform, policy);
  await manyLeaves(issuing, 1);
  expect((await compromise(policy, { descendants: false })).json()).toMatchObject({ authorities: [{ id: policy.id }], leaves: 0 });
  expect(await get(`/intermediates/${issuing.id}`)).toMatchObject({ state: 'active', signs_leaves: false });
  expect(await revokedLeaves(issuing)).toBe(0);
  const whole = (await compromise(root)).json();
  expect(whole['warnings']).toEqual([expect.stringContaining(root.id)]);
  expect([await stateOf(root), await stateOf(issuing)]).toEqual(['revoked', 'revoked']);
  await until('its leaf falls too', async () => (await revokedLeaves(issuing)) === 1 || undefined);
  expect((await compromise({ id: 'nobody', certificate: '' })).status).toBe(404);
});

test('a job that died in the middle is gone on with: every leaf is revoked once, and the list has them all', async () => {
  const root = await makeRoot(platform);
  const issuing = await makeChild(platform, root);
  await manyLeaves(issuing, 1700);
  const [job] = ((await compromise(issuing)).json()['jobs'] as string[]).slice(-1);
  await until('all are revoked', async () => (await revokedLeaves(issuing)) === 1700 || undefined);
  await until('the job ends', async () => (await get(`/jobs/${String(job)}`))['status'] === 'completed' || undefined);
  // Half of it undone, held by a worker that is dead.
  await rows(`DELETE FROM revocations WHERE ca_id = $1 AND serial > 'f00000300'`, [issuing.id]);
  await rows(
    `UPDATE jobs SET status = 'running', completed_at = NULL, lease_token = 'dead', lease_expires_at = now() - interval '1 second' WHERE type = 'compromise' AND subject_id = $1`,
    [issuing.id],
  );
  await runLoop(platform, 'jobProcessor');
  await until('all are revoked again', async () => (await revokedLeaves(issuing)) === 1700 || undefined);
  await until('the list has them', async () => (await publishedList(platform, issuing.id)).entries.size === 1700 || undefined);
  const audited = await rows<{ n: number }>(
    `SELECT coalesce(sum(jsonb_array_length(details -> 'serials')), 0)::int AS n FROM audit_events WHERE action = 'certificates_revoked' AND resource_id = $1`,
    [issuing.id],
  );
  expect(audited[0]?.n).toBe(1700 + (1700 - 0x300));
});
