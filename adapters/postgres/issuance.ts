import { createHash } from 'node:crypto';
import type { Principal } from '#domain/acme/store.ts';
import type { IssuanceStore, IssuedCertificate, SigningIntent } from '#domain/issuance/store.ts';
import { authoritySource, noLeaves } from './authority-source.ts';
import type { Database } from './database.ts';
import { gathered } from './gathered.ts';

// While one half of a burst is in the database, the other is signed.
const together = { most: 8, running: 2 };

const begin = {
  name: 'acme-finalize-begin',
  text: `WITH r AS (
      SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::float8[], $7::int[], $8::text[], $9::text[], $10::bytea[])
        WITH ORDINALITY AS r(account_id, profile_id, thumbprint, order_id, csr, lease_seconds, profile_version, ca_id, serial, tbs, n)),
    -- each looked up by its key, and in one sequence wherever several are locked, so that two commits never wait for each other
    t AS (SELECT r.n, r.csr, r.lease_seconds, r.account_id, r.ca_id, r.serial, r.tbs, o.id
      FROM (SELECT * FROM r ORDER BY order_id) r
      CROSS JOIN LATERAL (SELECT id, account_id, profile_id FROM acme_orders WHERE id = r.order_id AND status = 'ready' AND expires_at > now() FOR NO KEY UPDATE) o
      WHERE o.account_id = r.account_id
        AND EXISTS (SELECT FROM acme_accounts WHERE id = r.account_id AND profile_id = r.profile_id AND jwk_thumbprint = r.thumbprint
                      AND status = 'valid' AND blocked_at IS NULL)
        AND EXISTS (SELECT FROM profiles WHERE id = o.profile_id AND version = r.profile_version)
        AND EXISTS (SELECT FROM certificate_authorities WHERE id = r.ca_id AND signs_leaves)),
    o AS (
      UPDATE acme_orders o SET status = 'processing', csr = t.csr, finalize_started_at = now(), attempts = attempts + 1,
        lease_until = now() + make_interval(secs => t.lease_seconds), updated_at = now()
      FROM t WHERE o.id = t.id
      RETURNING t.n, o.id, o.account_id, t.ca_id, t.serial, t.tbs),
    s AS (INSERT INTO signing_log (idempotency_key, ca_id, serial, tbs) SELECT id, ca_id, serial, tbs FROM o),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'acme:' || account_id, 'ACME', 'acme_order_processing', 'acme_order', id, jsonb_build_object('serial', serial), 'cert_lifecycle' FROM o)
  SELECT o.n IS NOT NULL AS begun, (SELECT signs_leaves FROM certificate_authorities WHERE id = r.ca_id) AS signs_leaves
  FROM r LEFT JOIN o USING (n) ORDER BY r.n`,
};

/** Certificates as rows of `k`: $2 to $12 are `certificateColumns`. */
export const givenCertificates = `unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[], $8::text[], $9::jsonb[], $10::timestamptz[], $11::timestamptz[], $12::int[])
        WITH ORDINALITY AS k(id, ca_id, serial, fingerprint, spki_sha256, certificate, common_name, sans, not_before, not_after, crl_shard, n)`;

/** A statement that keeps the certificates of the CTE `k`, each for an order of which `k` has profile and account too. */
export const keptCertificates = `
      INSERT INTO certificates (id, ca_id, serial, fingerprint, spki_sha256, certificate, common_name, sans, profile_id, account_id, source, not_before, not_after, crl_shard)
      SELECT id, ca_id, serial, fingerprint, spki_sha256, certificate, common_name, sans, profile_id, account_id, 'ACME', not_before, not_after, crl_shard FROM k`;

const complete = {
  name: 'acme-finalize-complete',
  text: `WITH r AS (SELECT g.order_id, k.* FROM ${givenCertificates} JOIN unnest($1::text[]) WITH ORDINALITY AS g(order_id, n) USING (n)),
    k AS (SELECT DISTINCT ON (r.order_id) r.*, o.account_id, o.profile_id, o.auto_renewal FROM (SELECT * FROM r ORDER BY order_id, n) r
      CROSS JOIN LATERAL (SELECT account_id, profile_id, auto_renewal FROM acme_orders WHERE id = r.order_id AND status = 'processing' FOR NO KEY UPDATE) o
      ORDER BY r.order_id, r.n),
    c AS (${keptCertificates}),
    s AS (UPDATE signing_log SET certificate_id = k.id FROM k WHERE idempotency_key = k.order_id),
    v AS (UPDATE acme_orders SET status = 'valid', certificate_id = k.id, lease_until = NULL, updated_at = now(),
            -- the schedule of one that renews itself begins with its first certificate, and it expires with its last
            first_not_before = CASE WHEN k.auto_renewal IS NOT NULL THEN k.not_before END, renewal_number = CASE WHEN k.auto_renewal IS NOT NULL THEN 0 END,
            expires_at = coalesce((k.auto_renewal ->> 'end-date')::timestamptz, expires_at)
          FROM k WHERE acme_orders.id = k.order_id),
    w AS (INSERT INTO acme_renewals (order_id, number, certificate_id) SELECT order_id, 0, id FROM k WHERE auto_renewal IS NOT NULL),
    a AS (SELECT id FROM acme_accounts WHERE id IN (SELECT account_id FROM k) ORDER BY id FOR NO KEY UPDATE),
    b AS (UPDATE acme_accounts SET open_orders = greatest(open_orders - ended.count, 0)
          FROM (SELECT account_id, count(*)::int FROM k JOIN a ON a.id = k.account_id GROUP BY account_id) ended WHERE acme_accounts.id = ended.account_id),
    j AS (UPDATE jobs SET status = 'completed', completed_at = now() FROM k WHERE type = 'finalize' AND subject_id = k.order_id AND jobs.status IN ('pending', 'running')),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'acme:' || account_id, 'ACME', 'acme_order_finalized', 'certificate', id,
                 jsonb_build_object('order', order_id, 'serial', serial, 'ca', ca_id), 'cert_lifecycle' FROM k)
  SELECT k.n IS NOT NULL AS completed FROM r LEFT JOIN k USING (n) ORDER BY r.n`,
};

const fail = {
  name: 'acme-order-fail',
  text: `WITH o AS (UPDATE acme_orders SET status = 'invalid', error = $2, lease_until = NULL, updated_at = now()
                    WHERE id = $1 AND status = 'processing' RETURNING id, account_id),
    a AS (UPDATE acme_accounts SET open_orders = open_orders - 1 FROM o WHERE acme_accounts.id = o.account_id AND open_orders > 0),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT 'system:worker', 'System', 'acme_order_failed', 'acme_order', id, 'cert_lifecycle' FROM o)
  SELECT count(*) FROM o`,
};

const claim = {
  name: 'acme-finalize-claim',
  text: `WITH o AS (
      UPDATE acme_orders SET lease_until = now() + make_interval(secs => $2), attempts = attempts + 1
      WHERE id = $1 AND status = 'processing' AND (lease_until IS NULL OR lease_until <= now()) RETURNING id, attempts)
  SELECT o.attempts, s.idempotency_key, s.ca_id, s.serial, s.tbs FROM o JOIN signing_log s ON s.idempotency_key = o.id`,
};

/** CAs, the signing log and what finalize commits. */
export function issuanceStore(database: Database): IssuanceStore {
  const began = gathered<Begin, { begun: boolean; signs_leaves: boolean | null }>(
    (asks) =>
      database.query(
        begin,
        columns(asks, 10, ({ who, orderId, csr, intent, limits }) => [
          who.accountId,
          who.profileId,
          who.thumbprint,
          orderId,
          csr,
          limits.leaseSeconds,
          limits.profileVersion,
          intent.caId,
          intent.serial,
          intent.tbs,
        ]),
      ),
    together,
  );
  const completed = gathered<{ orderId: string; certificate: IssuedCertificate }, { completed: boolean }>(
    (asks) =>
      database.query(complete, [asks.map(({ orderId }) => orderId), ...certificateColumns(asks.map(({ certificate }) => certificate))]),
    together,
  );
  return {
    ...authoritySource(database),
    async beginFinalize(who, orderId, csr, intent, limits) {
      const { begun, signs_leaves } = await began({ who, orderId, csr, intent, limits });
      if (!begun && signs_leaves !== true) throw noLeaves();
      return begun;
    },
    async completeFinalize(orderId, certificate) {
      return (await completed({ orderId, certificate })).completed;
    },
    async failOrder(orderId, error) {
      await database.query(fail, [orderId, JSON.stringify(error)]);
    },
    async claimProcessing(orderId, leaseSeconds) {
      const [row] = await database.query<{ attempts: number; idempotency_key: string; ca_id: string; serial: string; tbs: Buffer }>(claim, [
        orderId,
        leaseSeconds,
      ]);
      return (
        row && {
          intent: { idempotencyKey: row.idempotency_key, caId: row.ca_id, serial: row.serial, tbs: row.tbs },
          attempts: row.attempts,
        }
      );
    },
  };
}

interface Begin {
  readonly who: Principal;
  readonly orderId: string;
  readonly csr: Uint8Array;
  readonly intent: SigningIntent;
  readonly limits: { readonly profileVersion: number; readonly leaseSeconds: number };
}

/** Columns of ids, CAs, serials, fingerprints, hashes of keys, DER, common names, names, notBefore, notAfter and CRL shards, as `givenCertificates` numbers them. */
export function certificateColumns(certificates: readonly IssuedCertificate[]): unknown[][] {
  return columns(certificates, 11, (certificate) => [
    certificate.id,
    certificate.caId,
    certificate.serial,
    createHash('sha256').update(certificate.certificate).digest(),
    certificate.spkiSha256,
    certificate.certificate,
    certificate.commonName ?? null,
    JSON.stringify(certificate.sans),
    certificate.notBefore,
    certificate.notAfter,
    certificate.crlShard ?? null,
  ]);
}

function columns<Item>(items: readonly Item[], width: number, row: (item: Item) => readonly unknown[]): unknown[][] {
  const rows = items.map(row);
  return Array.from({ length: width }, (_, column) => rows.map((values) => values[column]));
}
