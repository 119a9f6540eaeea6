import { keptAutoRenewal, type AutoRenewalObject } from '#domain/acme/auto-renewal.ts';
import { caaFreshSeconds } from '#domain/acme/caa-freshness.ts';
import type { Identifier } from '#domain/acme/identifier.ts';
import type { StarOrder, StarStore } from '#domain/acme/star-store.ts';
import { AccountChanged } from '#domain/acme/store.ts';
import { reasonCode } from '#domain/revocation/reason.ts';
import { noLeaves } from './authority-source.ts';
import type { Database } from './database.ts';
import { certificateColumns, givenCertificates, keptCertificates } from './issuance.ts';
import { cancelingFrom } from './order-cancellation.ts';

interface Row {
  id: string;
  profile_id: string;
  status: string;
  identifiers: Identifier[];
  auto_renewal: AutoRenewalObject;
  first_not_before: Date;
  csr: Buffer;
  renewal_number: number;
  certificate: Buffer;
  ca_id: string;
  not_before: Date;
  not_after: Date;
  revoked: boolean;
  key_blocked: boolean;
  proofs_are_fresh: boolean;
  profile_version: number;
  account_id: string;
  account_profile_id: string;
  jwk_thumbprint: string;
  usable: boolean;
  allowed_names: string[] | null;
}

const find = {
  name: 'acme-star',
  text: `SELECT o.id, o.profile_id, o.status, o.identifiers, o.auto_renewal, o.first_not_before, o.csr, o.renewal_number, c.certificate, c.ca_id, c.not_before, c.not_after,
      -- those that may still be valid; what was revoked for its CA's sake has a successor from the next CA
      EXISTS (SELECT FROM acme_renewals w JOIN certificates k ON k.id = w.certificate_id JOIN revocations r ON r.ca_id = k.ca_id AND r.serial = k.serial
              WHERE w.order_id = o.id AND w.number > o.renewal_number - 3 AND r.reason <> ${reasonCode.caCompromise}) AS revoked,
      EXISTS (SELECT FROM blocked_keys b WHERE b.spki_sha256 = c.spki_sha256) AS key_blocked,
      o.auth_mode <> 'challenge' OR NOT EXISTS (
        SELECT FROM acme_authorizations z WHERE z.order_id = o.id AND z.identifier_type = 'dns' AND NOT EXISTS (
          SELECT FROM acme_challenges h WHERE h.authorization_id = z.id AND h.status = 'valid' AND h.validated_at > now() - make_interval(secs => $2))) AS proofs_are_fresh,
      p.version AS profile_version, a.id AS account_id, a.profile_id AS account_profile_id, a.jwk_thumbprint,
      a.status = 'valid' AND a.blocked_at IS NULL AS usable, a.allowed_names
    FROM acme_orders o JOIN certificates c ON c.id = o.certificate_id JOIN profiles p ON p.id = o.profile_id JOIN acme_accounts a ON a.id = o.account_id
    WHERE o.star_id = $1`,
};
// The row of the order is what copies of the platform contend for: one of them takes the lease, and whoever comes later finds the number.
const begin = {
  name: 'acme-star-begin',
  text: `WITH o AS (
      UPDATE acme_orders o SET lease_until = now() + make_interval(secs => $3)
      FROM acme_accounts a
      WHERE o.id = $1 AND o.status = 'valid' AND o.renewal_number < $2 AND (o.lease_until IS NULL OR o.lease_until <= now())
        AND a.id = o.account_id AND a.status = 'valid' AND a.blocked_at IS NULL
        AND EXISTS (SELECT FROM profiles WHERE id = o.profile_id AND version = $4)
        AND EXISTS (SELECT FROM certificate_authorities WHERE id = $6 AND signs_leaves)
      RETURNING o.id),
    s AS (INSERT INTO signing_log (idempotency_key, ca_id, serial, tbs) SELECT $5, $6, $7, $8 FROM o ON CONFLICT (idempotency_key) DO NOTHING RETURNING idempotency_key),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:auto-renewal', 'System', 'acme_order_renewing', 'acme_order', $1, jsonb_build_object('serial', $7::text, 'number', $2::int), 'cert_lifecycle' FROM s)
  SELECT (SELECT count(*)::int FROM o) AS begun, (SELECT count(*)::int FROM s) AS reserved,
    (SELECT signs_leaves FROM certificate_authorities WHERE id = $6) AS signs_leaves`,
};
const reserved = {
  name: 'acme-star-reserved',
  text: `SELECT ca_id, serial, tbs FROM signing_log WHERE idempotency_key = $1 AND certificate_id IS NULL`,
};
const complete = {
  name: 'acme-star-complete',
  text: `WITH o AS (SELECT id, account_id, profile_id FROM acme_orders WHERE id = $1 AND renewal_number < $13 FOR UPDATE),
    k AS (SELECT k.*, o.id AS order_id, o.account_id, o.profile_id FROM ${givenCertificates}, o),
    c AS (${keptCertificates}),
    s AS (UPDATE signing_log SET certificate_id = k.id FROM k WHERE idempotency_key = $14),
    w AS (INSERT INTO acme_renewals (order_id, number, certificate_id) SELECT order_id, $13, id FROM k),
    v AS (UPDATE acme_orders SET certificate_id = k.id, renewal_number = $13, lease_until = NULL, updated_at = now() FROM k WHERE acme_orders.id = k.order_id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:auto-renewal', 'System', 'acme_order_renewed', 'certificate', id,
                 jsonb_build_object('order', order_id, 'serial', serial, 'ca', ca_id, 'number', $13::int), 'cert_lifecycle' FROM k)
  SELECT count(*) FROM k`,
};
const cancel = {
  name: 'acme-star-cancel',
  text: `WITH principal AS (
      SELECT id FROM acme_accounts WHERE id = $1 AND profile_id = $2 AND jwk_thumbprint = $3 AND status = 'valid' AND blocked_at IS NULL),
    o AS (${cancelingFrom('id = $4 AND account_id IN (SELECT id FROM principal)')}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT 'acme:' || $1, 'ACME', 'acme_order_canceled', 'acme_order', id, 'cert_lifecycle' FROM o)
  SELECT (SELECT count(*)::int FROM principal) AS principal, (SELECT count(*)::int FROM o) AS canceled`,
};

/** Orders that renew their certificates by themselves (RFC 8739) in PostgreSQL. */
export function starStore(database: Database): StarStore {
  return {
    async find(starId) {
      const [row] = await database.query<Row>(find, [starId, caaFreshSeconds]);
      return row && starOrder(row);
    },
    async begin(orderId, number, intent, limits) {
      const [row] = await database.query<{ begun: number; reserved: number; signs_leaves: boolean | null }>(begin, [
        orderId,
        number,
        limits.leaseSeconds,
        limits.profileVersion,
        intent.idempotencyKey,
        intent.caId,
        intent.serial,
        intent.tbs,
      ]);
      if (row?.begun !== 1) {
        if (row?.signs_leaves !== true) throw noLeaves();
        return undefined;
      }
      if (row.reserved === 1) return intent;
      const [kept] = await database.query<{ ca_id: string; serial: string; tbs: Buffer }>(reserved, [intent.idempotencyKey]);
      return kept && { idempotencyKey: intent.idempotencyKey, caId: kept.ca_id, serial: kept.serial, tbs: kept.tbs };
    },
    async complete(orderId, number, certificate) {
      await database.query(complete, [orderId, ...certificateColumns([certificate]), number, `${orderId}/${number}`]);
    },
    async cancel(who, orderId) {
      const [row] = await database.query<{ principal: number; canceled: number }>(cancel, [
        who.accountId,
        who.profileId,
        who.thumbprint,
        orderId,
      ]);
      if (row?.principal !== 1) throw new AccountChanged();
      return row.canceled === 1;
    },
  };
}

function starOrder(row: Row): StarOrder {
  return {
    id: row.id,
    profileId: row.profile_id,
    canceled: row.status === 'canceled',
    identifiers: row.identifiers,
    renewal: keptAutoRenewal(row.auto_renewal),
    first: row.first_not_before,
    csr: row.csr,
    latest: {
      number: row.renewal_number,
      certificate: row.certificate,
      caId: row.ca_id,
      notBefore: row.not_before,
      notAfter: row.not_after,
    },
    revoked: row.revoked,
    keyBlocked: row.key_blocked,
    proofsAreFresh: row.proofs_are_fresh,
    profileVersion: row.profile_version,
    account: {
      id: row.account_id,
      profileId: row.account_profile_id,
      thumbprint: row.jwk_thumbprint,
      usable: row.usable,
      allowedNames: row.allowed_names ?? undefined,
    },
  };
}
