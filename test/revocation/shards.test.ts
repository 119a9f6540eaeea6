import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeShards } from '#adapters/postgres/crl-shards.ts';
import { crlUrlBase } from '#domain/revocation/crl-scope.ts';
import { crlHeader } from '#domain/revocation/crl.ts';
import { reasonCode } from '#domain/revocation/reason.ts';
import { fromPem, toPem } from '#domain/x509/pem.ts';
import { validatePath } from '#domain/x509/path/validate.ts';
import { api, request, rowsOf, runLoop, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { cutCrl, issueBelow, issueInShards, makeChild, makeRoot, type Authority, type IssuedLeaf } from './hierarchy.ts';
import { listOf, ocspStatus, pointOf, publishedList, serialOf } from './status.ts';

const patience = 60;
let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const cut = (ca: Authority, shards: number): Promise<Answer> => cutCrl(platform, ca, shards);
const revoke = async ({ id }: IssuedLeaf, reason: string): Promise<void> => {
  const answer = await api(platform, 'POST', `/api/v1/certificates/${id}/revoke`, { reason });
  if (answer.status !== 200) throw new Error(answer.text);
};
const numberOf = async (list: string): Promise<bigint> => (await publishedList(platform, list)).number;
const listed = (list: string, leaf: Pick<IssuedLeaf, 'leaf'>): Promise<true> =>
  until(`${list} has it`, async () => (await publishedList(platform, list)).entries.has(serialOf(leaf)) || undefined, patience);

const rows = <Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]> =>
  rowsOf<Row>(platform, text, values);

/** A root, a CA below it whose CRL is cut, and certificates that name its shards. */
async function sharded(
  shards: number,
  leaves: number,
): Promise<{ readonly root: Authority; readonly ca: Authority; readonly issued: readonly IssuedLeaf[] }> {
  const root = await makeRoot(platform);
  const ca = await makeChild(platform, root);
  expect((await cut(ca, shards)).status).toBe(200);
  return { root, ca, issued: await issueInShards(platform, ca, leaves) };
}

/** What openssl says of a certificate by the CRL at a URL. */
async function crlCheck(
  { leaf }: IssuedLeaf,
  { root, ca }: { readonly root: Authority; readonly ca: Authority },
  url: string,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'shards-'));
  try {
    const crl = await request(platform, url);
    for (const [name, text] of Object.entries({ leaf, ca: ca.certificate, root: root.certificate, crl: toPem('X509 CRL', crl.body) }))
      writeFileSync(join(folder, name), text);
    const { stdout, stderr } = spawnSync('openssl', ['verify', '-crl_check', '-CRLfile', 'crl', '-CAfile', 'root', '-untrusted', 'ca', 'leaf'], { cwd: folder, encoding: 'utf8' }); // prettier-ignore
    return stdout + stderr;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** How the path validator decides by the CRL at a URL. */
async function decided(
  { leaf }: IssuedLeaf,
  { root, ca }: { readonly root: Authority; readonly ca: Authority },
  url: string,
): Promise<string> {
  const crls = [(await request(platform, url)).body, (await publishedList(platform, root.id)).der];
  const der = (pem: string): Uint8Array => fromPem('CERTIFICATE', pem);
  const question = { certificate: der(leaf), intermediates: [der(ca.certificate)], anchors: [der(root.certificate)] };
  const result = validatePath({ ...question, options: { at: new Date() }, revocation: { crls, required: true } });
  return result.valid ? 'valid' : result.code;
}

test('a certificate names its shard for life; a revocation re-signs that shard and no other list, as openssl and the path validator see', async () => {
  const { root, ca, issued } = await sharded(3, 9);
  const points = issued.map(pointOf);
  for (const [index, leaf] of issued.entries()) {
    const { body, status } = await request(platform, points[index] ?? '');
    expect([status, crlHeader(body).point]).toEqual([200, points[index]]);
    expect(await crlCheck(leaf, { root, ca }, pointOf(leaf))).toContain(': OK');
  }
  const lists = [1, 2, 3].map((shard) => `${ca.id}/${shard}`);
  const all = [ca.id, ...lists];
  const [revoked] = issued;
  if (revoked === undefined) throw new Error('no leaf');
  const [own, other] = [listOf(pointOf(revoked)), lists.find((list) => list !== listOf(pointOf(revoked))) ?? ''];
  const numbers = await Promise.all(all.map(numberOf));
  await revoke(revoked, 'superseded');
  await listed(own, revoked);
  expect(ocspStatus(platform, revoked)).toBe('revoked:superseded');
  const after = await Promise.all(all.map(numberOf));
  expect(all.filter((_, index) => after[index] !== numbers[index])).toEqual([own]);
  const otherUrl = pointOf(revoked).replace(own, other);
  expect(await crlCheck(revoked, { root, ca }, pointOf(revoked))).toContain('certificate revoked');
  expect(await crlCheck(revoked, { root, ca }, otherUrl)).toMatch(/different CRL scope/i);
  expect([await decided(revoked, { root, ca }, pointOf(revoked)), await decided(revoked, { root, ca }, otherUrl)]).toEqual([
    'revoked',
    'revocation_unknown',
  ]);
});

test('certificates from before stay on the complete CRL; shards get more and never fewer, and none moves', async () => {
  const root = await makeRoot(platform);
  const ca = await makeChild(platform, root);
  const [before] = await issueBelow(platform, ca, 1);
  if (before === undefined) throw new Error('no leaf');
  expect((await cut(ca, 2)).json()['crl_shards']).toBe(2);
  const [first] = await issueInShards(platform, ca, 1);
  expect((await cut(ca, 4)).json()['crl_shards']).toBe(4);
  expect((await cut(ca, 3)).status).toBe(409);
  for (const shards of [0, 129, 1.5]) expect((await cut(ca, shards)).status).toBe(400);
  if (first === undefined) throw new Error('no leaf');
  await revoke(before, 'superseded');
  await listed(ca.id, before);
  await revoke(first, 'superseded');
  await listed(listOf(pointOf(first)), first);
  expect([listOf(pointOf(before)), /^.+\/[12]$/.test(listOf(pointOf(first)))]).toEqual([ca.id, true]);
  const lists = await Promise.all([1, 2, 3, 4].map((shard) => publishedList(platform, `${ca.id}/${shard}`)));
  expect(lists.filter(({ entries }) => entries.has(serialOf(before)))).toEqual([]);
  for (const path of [`${ca.id}/5`, `${ca.id}/999999`, `${ca.id}/0`, `${ca.id}/01`, 'nobody/1'])
    expect([path, (await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/${path}.crl`)).status]).toEqual([path, 404]);
});

test('a hold leaves its shard when it is released', async () => {
  const { issued } = await sharded(2, 1);
  const [leaf] = issued;
  if (leaf === undefined) throw new Error('no leaf');
  await revoke(leaf, 'certificateHold');
  await listed(listOf(pointOf(leaf)), leaf);
  expect((await api(platform, 'POST', `/api/v1/certificates/${leaf.id}/release`)).status).toBe(200);
  await until('it is off again', async () => !(await publishedList(platform, listOf(pointOf(leaf)))).entries.has(serialOf(leaf)) || undefined, patience); // prettier-ignore
});

test('each revoked serial is on exactly one shard, all of them together are what the complete CRL lists, and what ended leaves after one CRL', async () => {
  const { ca } = await sharded(5, 1);
  await rows(
    `WITH c AS (INSERT INTO certificates (id, ca_id, serial, fingerprint, spki_sha256, certificate, sans, profile_id, source, not_before, not_after, crl_shard)
       SELECT 'cert-shard-' || $1 || '-' || i, $1, 'e' || lpad(to_hex(i * 7919), 8, '0'), sha256(convert_to('shard' || $1 || i, 'UTF8')), sha256('key'), '\\x30', '[]', 'internal', 'API', now() - interval '1 day',
              now() + CASE WHEN i % 10 = 0 THEN interval '-1 hour' ELSE interval '30 days' END, nullif(i % 6, 0) FROM generate_series(1, 3000) AS i RETURNING *)
     INSERT INTO revocations (ca_id, serial, certificate_id, reason, revoked_by, not_after, crl_shard) SELECT ca_id, serial, id, 4, 'a test', not_after, crl_shard FROM c`,
    [ca.id],
  );
  const publish = async (): Promise<readonly ReadonlyMap<string, number>[]> => {
    await rows('UPDATE crls SET status_epoch = status_epoch + 1 WHERE ca_id = $1', [ca.id]);
    await rows('UPDATE crl_shards SET status_epoch = status_epoch + 1 WHERE ca_id = $1', [ca.id]);
    await runLoop(platform, 'crlGeneration');
    await until('all is published', async () => {
      const [row] = await rows<{ n: number }>(
        `SELECT count(*)::int AS n FROM (SELECT ca_id, status_epoch, published_epoch FROM crls UNION ALL SELECT ca_id, status_epoch, published_epoch FROM crl_shards) c
         WHERE ca_id = $1 AND published_epoch < status_epoch`,
        [ca.id],
      );
      return row?.n === 0 || undefined;
    }, patience); // prettier-ignore
    const lists = await Promise.all([ca.id, ...[1, 2, 3, 4, 5].map((n) => `${ca.id}/${n}`)].map((list) => publishedList(platform, list)));
    return lists.map(({ entries }) => entries);
  };
  const unsharded = await rows<{ serial: string; crl_shard: number | null; ended: boolean }>('SELECT serial, crl_shard, not_after <= now() AS ended FROM revocations WHERE ca_id = $1', [ca.id]); // prettier-ignore
  const live = unsharded.filter(({ ended }) => !ended);
  const isLive = new Set(live.map(({ serial }) => serial));
  for (const round of ['first', 'second']) {
    const lists = await publish();
    // Somebody else's publication may have been the one that what ended was still on.
    const [complete = [], ...shards] = lists.map((entries) =>
      [...entries.keys()].filter((serial) => round === 'second' || isLive.has(serial)),
    );
    expect(complete.sort()).toEqual(live.map(({ serial }) => serial).sort());
    const found = shards.flatMap((serials, index) => serials.map((serial) => `${serial} ${index + 1}`));
    expect(found.sort()).toEqual(live.flatMap(({ serial, crl_shard }) => (crl_shard === null ? [] : [`${serial} ${crl_shard}`])).sort());
  }
});

test('a compromised CA’s certificates are on their shards, whichever those are', async () => {
  const { ca, issued } = await sharded(2, 4);
  expect((await api(platform, 'POST', `/api/v1/intermediates/${ca.id}/compromise`, {})).status).toBe(200);
  for (const leaf of issued) await listed(listOf(pointOf(leaf)), leaf);
  const entries = await Promise.all(issued.map(async (leaf) => (await publishedList(platform, listOf(pointOf(leaf)))).entries.get(serialOf(leaf)))); // prettier-ignore
  expect(new Set(entries)).toEqual(new Set([reasonCode.caCompromise]));
});

test('under another address of the platform a CA has as many shards again, once, and those before stay', async () => {
  const { ca } = await sharded(2, 0);
  const [moved] = await rows<{ url: string }>('SELECT url FROM crl_shards WHERE ca_id = $1 AND shard = 1', [ca.id]);
  const base = crlUrlBase('http://moved.example');
  for (let deployment = 0; deployment < 2; deployment++) await rows(makeShards.text, [base, ca.id]);
  const urls = await rows<{ url: string }>('SELECT url FROM crl_shards WHERE ca_id = $1 ORDER BY shard', [ca.id]);
  expect(urls.map(({ url }) => url)).toEqual(
    [1, 2, 3, 4].map((n) => (n < 3 ? moved?.url.replace('1.crl', `${n}.crl`) : `${base}${ca.id}/${n}.crl`)),
  );
  const third = await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/${ca.id}/3.crl`);
  expect([third.status, crlHeader(third.body).point]).toEqual([200, `${base}${ca.id}/3.crl`]);
});

test('a new key of a CA has as many shards of its own, from the first certificate on', async () => {
  const { ca } = await sharded(2, 0);
  const answer = await api(platform, 'POST', `/api/v1/intermediates/${ca.id}/rekey`, { name: `${ca.id}-next` });
  expect([answer.status, answer.json()['crl_shards']]).toEqual([201, 2]);
  const next = { id: String(answer.json()['id']), certificate: String(answer.json()['cert_pem']) };
  const [leaf] = await issueBelow(platform, next, 1);
  expect(leaf === undefined ? '' : listOf(pointOf(leaf))).toMatch(new RegExp(`^${next.id}/[12]$`));
});
