import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Database } from '#adapters/postgres/database.ts';
import { issuanceStore } from '#adapters/postgres/issuance.ts';
import type { Principal } from '#domain/acme/store.ts';
import type { IssuanceStore, IssuedCertificate, SigningIntent } from '#domain/issuance/store.ts';
import { startPlatform, type Platform } from '../platform.ts';

let platform: Platform;
let owner: pg.Client;
let profileVersion: number;
beforeAll(async () => {
  platform = await startPlatform();
  owner = await platform.database();
  const { rows } = await owner.query<{ version: number }>(`SELECT version FROM profiles WHERE id = 'internal'`);
  profileVersion = Number(rows[0]?.version);
});
afterAll(async () => {
  await owner.end();
  await platform.stop();
});

interface Copy {
  readonly store: IssuanceStore;
  /** How many statements of each name were said. */
  readonly said: Record<string, number>;
  readonly database: Database;
}

/** One process of the functions, as PostgreSQL sees it. */
function copy(): Copy {
  const database = openDatabase({
    host: platform.instance.socketFolder,
    port: 5432,
    database: 'certctl',
    credentials: () => Promise.resolve({ user: 'certctl_runtime', password: undefined }),
    tls: false,
    connections: 4,
    connectTimeoutMs: 20_000,
    application: 'a-copy',
  });
  const said: Record<string, number> = {};
  const query: Database['query'] = (statement, values) => {
    said[statement.name] = (said[statement.name] ?? 0) + 1;
    return database.query(statement, values);
  };
  return { store: issuanceStore({ ...database, query }), said, database };
}

interface Ready {
  readonly who: Principal;
  readonly id: string;
}

async function readyOrders(accounts: number, count: number): Promise<readonly Ready[]> {
  const run = randomBytes(6).toString('hex');
  const account = (n: number): string => `together-${run}-${n % accounts}`;
  await owner.query(
    `INSERT INTO acme_accounts (id, profile_id, jwk, jwk_thumbprint, open_orders)
     SELECT id, 'internal', '{}', id, (SELECT count(*) FROM generate_series(0, $3::int - 1) m WHERE m % $2 = n)
     FROM (SELECT n, 'together-' || $1::text || '-' || n AS id FROM generate_series(0, $2::int - 1) n) a`,
    [run, accounts, count],
  );
  await owner.query(
    `INSERT INTO acme_orders (id, account_id, profile_id, auth_mode, status, identifiers, expires_at)
     SELECT 'order-' || $1::text || '-' || n, 'together-' || $1 || '-' || (n % $2::int), 'internal', 'trust_authenticated', 'ready', '[]', now() + interval '1 day'
     FROM generate_series(0, $3::int - 1) n`,
    [run, accounts, count],
  );
  return Array.from({ length: count }, (_, n) => ({
    who: { accountId: account(n), profileId: 'internal', thumbprint: account(n) },
    id: `order-${run}-${n}`,
  }));
}

const newSerial = (): string => `7${randomBytes(16).toString('hex').slice(1)}`;
const intentOf = ({ id }: Ready, serial = newSerial()): SigningIntent => ({
  idempotencyKey: id,
  caId: 'issuing-1',
  serial,
  tbs: randomBytes(400),
});
const certificateOf = ({ serial }: SigningIntent): IssuedCertificate => ({
  id: `cert-${randomBytes(10).toString('hex')}`,
  caId: 'issuing-1',
  serial,
  certificate: randomBytes(500),
  commonName: 'together.example',
  sans: [{ type: 'dns', value: 'together.example' }],
  spkiSha256: randomBytes(32),
  notBefore: new Date(),
  notAfter: new Date(Date.now() + 86_400_000),
  crlShard: undefined,
});

const begin = (store: IssuanceStore, order: Ready, intent: SigningIntent, version = profileVersion): Promise<boolean> =>
  store.beginFinalize(order.who, order.id, randomBytes(200), intent, { profileVersion: version, leaseSeconds: 30 });

async function stateOf(
  orders: readonly Ready[],
): Promise<{ readonly valid: number; readonly open: number; readonly linked: number; readonly audited: number }> {
  const ids = orders.map(({ id }) => id);
  const accounts = orders.map(({ who }) => who.accountId);
  const { rows } = await owner.query<{ valid: number; open: number; linked: number; audited: number }>(
    `SELECT (SELECT count(*)::int FROM acme_orders o JOIN certificates c ON c.id = o.certificate_id AND c.account_id = o.account_id WHERE o.id = ANY($1) AND status = 'valid') AS valid,
       (SELECT sum(open_orders)::int FROM acme_accounts WHERE id = ANY($2)) AS open,
       (SELECT count(*)::int FROM signing_log s JOIN acme_orders o ON o.id = s.idempotency_key AND o.certificate_id = s.certificate_id
          JOIN certificates c ON c.id = s.certificate_id AND c.serial = s.serial WHERE s.idempotency_key = ANY($1)) AS linked,
       (SELECT count(*)::int FROM audit_events WHERE action = 'acme_order_finalized' AND details ->> 'order' = ANY($1)) AS audited`,
    [ids, accounts],
  );
  return rows[0]!;
}

test('given 24 orders of five accounts at once, each gets its own certificate, in few statements', async () => {
  const { store, said, database } = copy();
  const orders = await readyOrders(5, 24);
  const intents = orders.map((order) => intentOf(order));
  expect(await Promise.all(orders.map((order, n) => begin(store, order, intents[n]!)))).toEqual(orders.map(() => true));
  const certificates = intents.map(certificateOf);
  expect(await Promise.all(orders.map(({ id }, n) => store.completeFinalize(id, certificates[n]!)))).toEqual(orders.map(() => true));
  expect(await stateOf(orders)).toEqual({ valid: 24, open: 0, linked: 24, audited: 24 });
  expect(said).toEqual({ 'acme-finalize-begin': 3, 'acme-finalize-complete': 3 });
  await database.close();
});

test('given one order asked for several times at once, one begins it, and one certificate is kept', async () => {
  const { store, database } = copy();
  const [order, other] = (await readyOrders(2, 2)) as [Ready, Ready];
  const both = await Promise.all([other, order, order, order].map((one) => begin(store, one, intentOf(one))));
  expect(both.filter(Boolean)).toHaveLength(2);
  const { rows } = await owner.query<{ serial: string }>('SELECT serial FROM signing_log WHERE idempotency_key = $1', [order.id]);
  const intent = { ...intentOf(order), serial: rows[0]!.serial };
  const kept = await Promise.all([1, 2, 3, 4].map(() => store.completeFinalize(order.id, certificateOf(intent))));
  expect(kept.filter(Boolean)).toHaveLength(1);
  const certificates = await owner.query('SELECT FROM certificates WHERE serial = $1', [intent.serial]);
  expect([certificates.rowCount, await stateOf([order])]).toEqual([1, { valid: 1, open: 0, linked: 1, audited: 1 }]);
  await database.close();
});

test('given orders that must not begin among others, they do not, and the others do', async () => {
  const { store, database } = copy();
  const orders = await readyOrders(6, 6);
  const [good, expired, anothers, changed, blocked, last] = orders as [Ready, Ready, Ready, Ready, Ready, Ready];
  await owner.query(`UPDATE acme_orders SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired.id]);
  await owner.query(`UPDATE acme_accounts SET blocked_at = now() WHERE id = $1`, [blocked.who.accountId]);
  const begun = await Promise.all([
    begin(store, good, intentOf(good)),
    begin(store, expired, intentOf(expired)),
    begin(store, { ...anothers, who: good.who }, intentOf(anothers)),
    begin(store, changed, intentOf(changed), profileVersion + 1),
    begin(store, blocked, intentOf(blocked)),
    begin(store, last, intentOf(last)),
  ]);
  expect(begun).toEqual([true, false, false, false, false, true]);
  const log = await owner.query<{ key: string }>(
    'SELECT idempotency_key AS key FROM signing_log WHERE idempotency_key = ANY($1) ORDER BY 1',
    [orders.map(({ id }) => id)],
  );
  expect(log.rows.map(({ key }) => key)).toEqual([good.id, last.id].toSorted());
  await database.close();
});

test('given a CA that signs no leaves, who asks it is refused, and who asks another CA at the same time is not', async () => {
  const { store, database } = copy();
  const orders = await readyOrders(1, 3);
  const [first, refused, third] = orders as [Ready, Ready, Ready];
  const asked = [
    begin(store, first, intentOf(first)),
    begin(store, refused, { ...intentOf(refused), caId: 'retired-1' }),
    begin(store, third, intentOf(third)),
  ];
  expect(
    (await Promise.allSettled(asked)).map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as { code?: string }).code)),
  ).toEqual([true, 'unavailable', true]);
  await database.close();
});

test('given a serial that is taken, its order alone fails to begin', async () => {
  const { store, database } = copy();
  const [taken, first, second, third] = (await readyOrders(1, 4)) as [Ready, Ready, Ready, Ready];
  const intent = intentOf(taken);
  await begin(store, taken, intent);
  const asked = [
    begin(store, first, intentOf(first)),
    begin(store, second, intentOf(second, intent.serial)),
    begin(store, third, intentOf(third)),
  ];
  const said = (await Promise.allSettled(asked)).map((one) =>
    one.status === 'fulfilled' ? one.value : (one.reason as { code?: string }).code,
  );
  expect(said).toEqual([true, '23505', true]);
  const { rows } = await owner.query<{ status: string }>('SELECT status FROM acme_orders WHERE id = $1', [second.id]);
  expect(rows).toEqual([{ status: 'ready' }]);
  await database.close();
});

test('given two copies that finalize the same orders in opposite order, none waits for the other in a circle, and each order is finalized once', async () => {
  const copies = [copy(), copy()] as const;
  for (let round = 0; round < 8; round++) {
    const orders = await readyOrders(6, 40);
    const intents = new Map(orders.map((order) => [order.id, intentOf(order)]));
    const turns = [orders, orders.toReversed()] as const;
    const begun = await Promise.all(
      copies.map(({ store }, n) =>
        Promise.all(turns[n]!.map((order) => begin(store, order, { ...intents.get(order.id)!, serial: newSerial() }))),
      ),
    );
    expect(begun.flat().filter(Boolean)).toHaveLength(40);
    const reserved = await owner.query<{ id: string; serial: string }>(
      'SELECT idempotency_key AS id, serial FROM signing_log WHERE idempotency_key = ANY($1)',
      [orders.map(({ id }) => id)],
    );
    const serials = new Map(reserved.rows.map(({ id, serial }) => [id, serial]));
    const completed = await Promise.all(
      copies.map(({ store }, n) =>
        Promise.all(
          turns[n]!.map(({ id }) => store.completeFinalize(id, certificateOf({ ...intents.get(id)!, serial: serials.get(id)! }))),
        ),
      ),
    );
    expect(completed.flat().filter(Boolean)).toHaveLength(40);
    expect(await stateOf(orders)).toEqual({ valid: 40, open: 0, linked: 40, audited: 40 });
  }
  await Promise.all(copies.map(({ database }) => database.close()));
});
