import { createHash } from 'node:crypto';
import type { IssuanceStore, IssuedCertificate } from '#domain/issuance/store.ts';
import { authoritySource, noLeaves } from './authority-source.ts';
import type { Database } from './database.ts';

const begin = {
  name: 'acme-finalize-begin',
  text: `WITH o AS (
      UPDATE acme_orders o SET status = 'processing', csr = $5, finalize_started_at = now(), attempts = attempts + 1,
        lease_until = now() + make_interval(secs => $6), updated_at = now()
      FROM acme_accounts a
      WHERE o.id = $4 AND o.status = 'ready' AND o.expires_at > now() AND o.account_id = a.id
        AND a.id = $1 AND a.profile_id = $2 AND a.jwk_thumbprint = $3 AND a.status = 'valid' AND a.blocked_at IS NULL
        AND EXISTS (SELECT FROM profiles WHERE id = o.profile_id AND version = $7)
        AND EXISTS (SELECT FROM certificate_authorities WHERE id = $8 AND signs_leaves)
      RETURNING o.id),
    s AS (INSERT INTO signing_log (idempotency_key, ca_id, serial, tbs) SELECT o.id, $8, $9, $10 FROM o),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'acme:' || $1, 'ACME', 'acme_order_processing', 'acme_order', o.id, jsonb_build_object('serial', $9::text), 'cert_lifecycle' FROM o)
  SELECT count(*)::int AS begun, (SELECT signs_leaves FROM certificate_authorities WHERE id = $8) AS signs_leaves FROM o`,
};

/** A statement that keeps a certificate for the order in the CTE `o`: $2 to $12 are `certificateValues`. */
export const keptCertificate = `
      INSERT INTO certificates (id, ca_id, serial, fingerprint, spki_sha256, certificate, common_name, sans, profile_id, account_id, source, not_before, not_after, crl_shard)
      SELECT $2, $3, $4, $5, $6, $7, $8, $9, o.profile_id, o.account_id, 'ACME', $10, $11, $12 FROM o
      RETURNING id`;

const complete = {
  name: 'acme-finalize-complete',
  text: `WITH o AS (SELECT id, account_id, profile_id, auto_renewal FROM acme_orders WHERE id = $1 AND status = 'processing' FOR UPDATE),
    c AS (${keptCertificate}),
    s AS (UPDATE signing_log SET certificate_id = c.id FROM c WHERE idempotency_key = $1),
    v AS (UPDATE acme_orders SET status = 'valid', certificate_id = c.id, lease_until = NULL, updated_at = now(),
            -- the schedule of one that renews itself begins with its first certificate, and it expires with its last
            first_not_before = CASE WHEN o.auto_renewal IS NOT NULL THEN $10::timestamptz END, renewal_number = CASE WHEN o.auto_renewal IS NOT NULL THEN 0 END,
            expires_at = coalesce((o.auto_renewal ->> 'end-date')::timestamptz, expires_at)
          FROM o, c WHERE acme_orders.id = o.id),
    w AS (INSERT INTO acme_renewals (order_id, number, certificate_id) SELECT o.id, 0, c.id FROM o, c WHERE o.auto_renewal IS NOT NULL),
    a AS (UPDATE acme_accounts SET open_orders = open_orders - 1 FROM o, c WHERE acme_accounts.id = o.account_id AND open_orders > 0),
    j AS (UPDATE jobs SET status = 'completed', completed_at = now() FROM c WHERE type = 'finalize' AND subject_id = $1 AND status IN ('pending', 'running')),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'acme:' || o.account_id, 'ACME', 'acme_order_finalized', 'certificate', c.id,
                 jsonb_build_object('order', o.id, 'serial', $4::text, 'ca', $3::text), 'cert_lifecycle' FROM o, c)
  SELECT count(*)::int AS completed FROM c`,
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
  return {
    ...authoritySource(database),
    async beginFinalize(who, orderId, csr, intent, limits) {
      const [row] = await database.query<{ begun: number; signs_leaves: boolean | null }>(begin, [
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
      ]);
      if (row?.begun !== 1 && row?.signs_leaves !== true) throw noLeaves();
      return row.begun === 1;
    },
    async completeFinalize(orderId, certificate) {
      const [row] = await database.query<{ completed: number }>(complete, [orderId, ...certificateValues(certificate)]);
      return row?.completed === 1;
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

/** id, CA, serial, fingerprint, hash of the key, DER, common name, names, notBefore, notAfter and CRL shard, as the statements number them that keep one. */
export function certificateValues(certificate: IssuedCertificate): readonly unknown[] {
  return [
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
  ];
}
