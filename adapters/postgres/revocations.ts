import { reasonCode } from '#domain/revocation/reason.ts';
import type { RevocableCertificate, RevocationStore } from '#domain/revocation/store.ts';
import type { Database } from './database.ts';
import { revokedNotices, revokingFrom } from './revoking.ts';

interface CertificateRow {
  id: string;
  ca_id: string;
  serial: string;
  certificate: Buffer;
  profile_id: string;
  account_id: string | null;
  sans: { type: string; value: string }[];
  not_after: Date;
  revoked: boolean;
  auto_renewed: boolean;
}

const revocable = {
  name: 'revocable',
  text: `SELECT c.id, c.ca_id, c.serial, c.certificate, c.profile_id, c.account_id, c.sans, c.not_after, coalesce(r.reason <> ${reasonCode.certificateHold}, false) AS revoked,
           EXISTS (SELECT FROM acme_renewals w WHERE w.certificate_id = c.id) AS auto_renewed
         FROM certificates c LEFT JOIN revocations r ON r.ca_id = c.ca_id AND r.serial = c.serial WHERE c.fingerprint = $1`,
};
// A wildcard is held by a wildcard authorization of its base, a plain name by a plain one.
const holds = {
  name: 'holds-authorizations',
  text: `SELECT NOT EXISTS (
           SELECT FROM jsonb_to_recordset($2::jsonb) AS n(type text, value text)
           WHERE NOT EXISTS (
             SELECT FROM acme_authorizations z JOIN acme_orders o ON o.id = z.order_id
             -- what a profile grants on trust says nothing about another's certificates
             WHERE (o.auth_mode = 'challenge' OR o.profile_id = $3) AND z.account_id = $1 AND z.status = 'valid' AND z.expires_at > now() AND z.identifier_type = n.type
               AND CASE WHEN n.value LIKE '*.%' THEN z.wildcard AND z.identifier_value = substr(n.value, 3)
                        ELSE NOT z.wildcard AND z.identifier_value = n.value END)) AS held`,
};
const revoke = {
  name: 'revoke',
  text: `WITH v AS (SELECT id, ca_id, serial, not_after, spki_sha256, crl_shard FROM certificates WHERE id = $1),
    ${revokingFrom('v', '$2::int', '$3::text')},
    n AS (${revokedNotices}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'ACME', 'certificate_revoked', 'certificate', certificate_id, jsonb_build_object('serial', serial, 'reason', reason), 'cert_lifecycle' FROM r)
  SELECT (SELECT count(*)::int FROM r) AS revoked, (SELECT id FROM j) AS job`,
};
/** Whether a CA issued a serial: to a subscriber, to a CA below it, or to a responder. $1 the CA, $2 the serial */
export const issuedHere = `(EXISTS (SELECT FROM certificates c WHERE c.ca_id = $1 AND c.serial = $2)
            OR EXISTS (SELECT FROM certificate_authorities a WHERE a.parent_id = $1 AND a.serial = $2)
            OR EXISTS (SELECT FROM ocsp_responders o WHERE o.ca_id = $1 AND o.serial = $2))`;
const status = {
  name: 'certificate-status',
  text: `SELECT r.revoked_at, r.reason
         FROM (SELECT $1::text AS ca_id, $2::text AS serial) q
         LEFT JOIN revocations r USING (ca_id, serial)
         WHERE r.serial IS NOT NULL OR ${issuedHere}`,
};

/** Revocations, and what anybody may ask about a certificate's status. */
export function revocationStore(database: Database): RevocationStore {
  return {
    async revocable(fingerprint) {
      const [row] = await database.query<CertificateRow>(revocable, [fingerprint]);
      return row && certificate(row);
    },
    async holdsAuthorizations(accountId, certificate) {
      const { names, profileId } = certificate;
      const [row] = await database.query<{ held: boolean }>(holds, [accountId, JSON.stringify(names), profileId]);
      return names.length > 0 && row?.held === true;
    },
    async revoke({ certificate, reason, actor }) {
      const [row] = await database.query<{ revoked: number; job: string | null }>(revoke, [certificate.id, reason, actor]);
      return row?.revoked === 1 ? { jobId: row.job ?? undefined } : undefined;
    },
    async status(caId, serial) {
      const [row] = await database.query<{ revoked_at: Date | null; reason: number | null }>(status, [caId, serial]);
      if (row === undefined) return undefined;
      return row.revoked_at === null ? 'good' : { revokedAt: row.revoked_at, reason: row.reason ?? 0 };
    },
  };
}

function certificate(row: CertificateRow): RevocableCertificate {
  return {
    id: row.id,
    caId: row.ca_id,
    serial: row.serial,
    certificate: row.certificate,
    profileId: row.profile_id,
    accountId: row.account_id ?? undefined,
    names: row.sans,
    notAfter: row.not_after,
    revoked: row.revoked,
    autoRenewed: row.auto_renewed,
  };
}
