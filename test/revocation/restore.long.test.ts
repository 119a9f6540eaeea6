import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crlHeader } from '#domain/revocation/crl.ts';
import { reasonCode } from '#domain/revocation/reason.ts';
import { api, request, runLoop, startPlatform, until, type Platform } from '../platform.ts';
import { cutCrl, issueBelow, issueInShards, makeChild, makeRoot, type IssuedLeaf } from './hierarchy.ts';
import { listOf, ocspStatus, pointOf, publishedList, serialOf } from './status.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

/** Statements while nobody is connected to the platform's database. */
async function alone(...statements: readonly string[]): Promise<void> {
  const admin = new pg.Client({ host: platform.instance.socketFolder, user: 'certctl_owner', database: 'postgres' });
  await admin.connect();
  try {
    await admin.query('ALTER DATABASE certctl ALLOW_CONNECTIONS false');
    for (;;) {
      await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'certctl'`);
      const { rows } = await admin.query(`SELECT FROM pg_stat_activity WHERE datname = 'certctl'`);
      if (rows.length === 0) break;
    }
    for (const statement of statements) await admin.query(statement);
  } finally {
    await admin.query('ALTER DATABASE certctl ALLOW_CONNECTIONS true');
    await admin.end();
  }
}
const backUp = (): Promise<void> => alone('CREATE DATABASE backup TEMPLATE certctl');
const restore = (): Promise<void> => alone('ALTER DATABASE certctl RENAME TO lost', 'ALTER DATABASE backup RENAME TO certctl');

const revoke = async ({ id }: IssuedLeaf, reason: string): Promise<void> => {
  const answer = await api(platform, 'POST', `/api/v1/certificates/${id}/revoke`, { reason });
  if (answer.status !== 200) throw new Error(answer.text);
};
const listed = (list: string, leaf: Pick<IssuedLeaf, 'leaf'>, reason: number): Promise<bigint> =>
  until('it is listed', async () => {
    const { entries, number } = await publishedList(platform, list);
    return entries.get(serialOf(leaf)) === reason ? number : undefined;
  });

test('an old backup that is restored un-revokes nothing: not at OCSP, not on the CRL, whose numbers go on, and not in the inventory', async () => {
  const root = await makeRoot(platform);
  const [issuing, fallen] = [await makeChild(platform, root), await makeChild(platform, root)];
  const [cut, cutLater] = [await makeChild(platform, root), await makeChild(platform, root)];
  await cutCrl(platform, cut, 2);
  const [sharded] = await issueInShards(platform, cut, 1);
  if (sharded === undefined) throw new Error('no leaf');
  const [before, after, held, good] = await issueBelow(platform, issuing, 4);
  if (before === undefined || after === undefined || held === undefined || good === undefined) throw new Error('no leaves');
  await revoke(before, 'superseded');
  await listed(issuing.id, before, reasonCode.superseded);
  expect([after, held, good].map((leaf) => ocspStatus(platform, leaf))).toEqual(['good', 'good', 'good']);
  await backUp();
  const [late] = await issueBelow(platform, issuing, 1);
  if (late === undefined) throw new Error('no leaf');
  await cutCrl(platform, cutLater, 2);
  const [inNewShard] = await issueInShards(platform, cutLater, 1);
  if (inNewShard === undefined) throw new Error('no leaf');
  await revoke(sharded, 'keyCompromise');
  await revoke(inNewShard, 'superseded');
  await publishedList(platform, `${cutLater.id}/2`);
  const lastOfShards = await Promise.all([
    listed(listOf(pointOf(sharded)), sharded, 1),
    listed(listOf(pointOf(inNewShard)), inNewShard, 4),
  ]);
  await revoke(after, 'keyCompromise');
  await revoke(late, 'superseded');
  await revoke(held, 'certificateHold');
  await api(platform, 'POST', `/api/v1/intermediates/${fallen.id}/revoke`, { reason: 'caCompromise' });
  const fallenLeaf = { leaf: fallen.certificate, issuer: root.certificate, ca: root.id };
  await listed(issuing.id, after, reasonCode.keyCompromise);
  await listed(issuing.id, late, reasonCode.superseded);
  const last = await listed(issuing.id, held, reasonCode.certificateHold);
  await listed(root.id, { leaf: fallen.certificate }, reasonCode.caCompromise);

  await restore();
  const seen = new Set<string>();
  await until('OCSP is certain again', () => {
    const status = ocspStatus(platform, after);
    seen.add(status);
    return status.startsWith('revoked') || undefined;
  });
  // Whatever it said first, it was not that.
  expect([...seen].filter((status) => status === 'good' || status === 'unknown')).toEqual([]);
  expect([before, after, late, held, good, fallenLeaf].map((leaf) => ocspStatus(platform, leaf))).toEqual([
    'revoked:superseded',
    'revoked:keyCompromise',
    'revoked:superseded',
    'revoked:certificateHold',
    'good',
    'revoked:caCompromise',
  ]);
  expect([sharded, inNewShard].map((leaf) => ocspStatus(platform, leaf))).toEqual(['revoked:keyCompromise', 'revoked:superseded']);
  await runLoop(platform, 'crlGeneration');
  for (const [index, leaf] of [sharded, inNewShard].entries()) {
    const list = listOf(pointOf(leaf));
    await until('the shard’s numbers go on above', async () => (await publishedList(platform, list)).number > (lastOfShards[index] ?? 0n) + 999n || undefined, 60); // prettier-ignore
    const [shard, complete] = [await publishedList(platform, list), await publishedList(platform, leaf.ca)];
    expect([shard, complete].map(({ entries }) => entries.get(serialOf(leaf)))).toEqual(
      [
        [1, 1],
        [4, 4],
      ][index],
    );
    expect(crlHeader(shard.der).point).toBe(pointOf(leaf));
  }
  expect((await api(platform, 'GET', `/api/v1/intermediates/${cutLater.id}`)).json()['crl_shards']).toBe(2);
  await revoke(good, 'cessationOfOperation');
  const next = await listed(issuing.id, good, reasonCode.cessationOfOperation);
  expect(next > last + 999n).toBe(true);
  const { entries } = await publishedList(platform, issuing.id);
  expect([before, after, late, held].map((leaf) => entries.get(serialOf(leaf)))).toEqual([4, 1, 4, 6]);
  const stateOf = async ({ id }: { readonly id: string }, what: string): Promise<unknown> =>
    (await api(platform, 'GET', `/api/v1/${what}/${id}`)).json()['state'];
  expect([await stateOf(after, 'certificates'), await stateOf(held, 'certificates'), await stateOf(fallen, 'intermediates')]).toEqual([
    'revoked',
    'held',
    'revoked',
  ]);
  const audited = (await api(platform, 'GET', `/api/v1/audit?resource_id=${issuing.id}`)).json()['items'] as Record<string, unknown>[];
  expect(audited.map(({ action }) => action)).toContain('revocations_taken_back');
});

test('a published list that the CA did not sign is believed by nobody: OCSP says tryLater, and no CRL is signed', async () => {
  const root = await makeRoot(platform);
  const [issuing, other] = [await makeChild(platform, root), await makeChild(platform, root)];
  const [leaf] = await issueBelow(platform, issuing, 1);
  if (leaf === undefined) throw new Error('no leaf');
  await publishedList(platform, issuing.id);
  const { body } = await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/${other.id}.crl`);
  putList(issuing.id, body);
  const database = await platform.database();
  await database.query('UPDATE crls SET number = 0 WHERE ca_id = $1', [issuing.id]);
  await database.end();
  // Whoever connects anew looks anew.
  await alone();
  await until('the platform answers', async () => (await api(platform, 'GET', '/api/v1/profiles')).status === 200 || undefined);
  expect(ocspStatus(platform, leaf)).toContain('trylater');
  await revoke(leaf, 'superseded');
  expect(ocspStatus(platform, leaf)).toContain('trylater');
  const now = await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/${issuing.id}.crl`);
  expect(now.body.equals(body)).toBe(true);
});

/** Puts a list where a CA's newest one lies. */
function putList(caId: string, body: Uint8Array): void {
  const objects = join(platform.home, 'objects');
  for (const bucket of readdirSync(objects)) {
    const file = join(objects, bucket, 'crl', `${caId}.crl`);
    if (!existsSync(`${file}#note`)) continue;
    const { etag } = JSON.parse(readFileSync(`${file}#note`, 'utf8')) as { etag: string };
    writeFileSync(`${file}#${etag}`, body);
    return;
  }
  throw new Error('no list');
}
