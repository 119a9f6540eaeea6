import type { OcspResponseStore } from '#domain/revocation/ocsp-store.ts';
import type { Database } from './database.ts';
import { issuedHere } from './revocations.ts';

interface Row {
  revoked_at: Date | null;
  reason: number | null;
  known: boolean;
  mark: string;
  response: Buffer | null;
  this_update: Date | null;
  next_update: Date | null;
}

const find = {
  name: 'ocsp-response-find',
  text: `SELECT r.revoked_at, r.reason, m.mark, p.response, p.this_update, p.next_update, r.serial IS NOT NULL OR ${issuedHere} AS known
         FROM (SELECT $1::text AS ca_id, $2::text AS serial) q
         LEFT JOIN revocations r USING (ca_id, serial)
         CROSS JOIN LATERAL (SELECT coalesce((extract(epoch FROM r.revoked_at) * 1000000)::bigint || '/' || r.reason, 'good') AS mark) m
         LEFT JOIN ocsp_responses p ON p.ca_id = $1 AND p.serial = $2 AND p.cert_id = $3 AND p.responder_id = $4 AND p.status = m.mark
           AND $5 < p.this_update + (p.next_update - p.this_update) / 2`,
};
const keep = {
  name: 'ocsp-response-keep',
  text: `INSERT INTO ocsp_responses (ca_id, serial, cert_id, responder_id, status, response, this_update, next_update)
         SELECT c.ca_id, c.serial, $3, $4, $5, $6, $7, $8 FROM certificates c WHERE c.ca_id = $1 AND c.serial = $2 AND c.not_after > $7
         ON CONFLICT (ca_id, serial, cert_id) DO UPDATE
           SET responder_id = excluded.responder_id, status = excluded.status, response = excluded.response,
               this_update = excluded.this_update, next_update = excluded.next_update
           WHERE ocsp_responses.this_update <= excluded.this_update`,
};
const prune = {
  name: 'ocsp-response-prune',
  text: `WITH d AS (SELECT ctid FROM ocsp_responses WHERE next_update <= $1 ORDER BY next_update LIMIT $2 FOR UPDATE SKIP LOCKED),
    x AS (DELETE FROM ocsp_responses o USING d WHERE o.ctid = d.ctid RETURNING 1)
  SELECT count(*)::int AS n FROM x`,
};

/** OCSP responses at rest: at most one for each CertID of a certificate that lives, and none that a revocation could leave wrong. */
export function ocspResponseStore(database: Database): OcspResponseStore {
  return {
    async find({ caId, certId, responderId }, now) {
      const [row] = await database.query<Row>(find, [caId, certId.serial, certId.der, responderId, now]);
      if (row?.known !== true) return { status: undefined, mark: 'unknown', prepared: undefined };
      const { response, this_update: thisUpdate, next_update: nextUpdate } = row;
      return {
        status: row.revoked_at === null ? 'good' : { revokedAt: row.revoked_at, reason: row.reason ?? 0 },
        mark: row.mark,
        prepared: response === null || thisUpdate === null || nextUpdate === null ? undefined : { response, thisUpdate, nextUpdate },
      };
    },
    async keep({ caId, certId, responderId }, mark, { response, thisUpdate, nextUpdate }) {
      await database.query(keep, [caId, certId.serial, certId.der, responderId, mark, response, thisUpdate, nextUpdate]);
    },
    async prune(now, limit) {
      const [row] = await database.query<{ n: number }>(prune, [now, limit]);
      return row?.n ?? 0;
    },
  };
}
