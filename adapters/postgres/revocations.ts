import { reasonCode } from '#domain/revocation/reason.ts';
import { crlEntryList } from '#domain/revocation/crl-entries.ts';
import type { CrlDraft, CrlStore, RevocableCertificate, RevocationStore } from '#domain/revocation/store.ts';
import type { Database } from './database.ts';
import { raise, takeBack } from './taken-back.ts';
import { revokedNotices, revokingFrom } from './revoking.ts';

interface EntryRow {
  serial: string;
  revoked_at: Date;
  reason: number;
}
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
}

const revocable = {
  name: 'revocable',
  text: `SELECT c.id, c.ca_id, c.serial, c.certificate, c.profile_id, c.account_id, c.sans, c.not_after, coalesce(r.reason <> ${reasonCode.certificateHold}, false) AS revoked
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
  text: `WITH v AS (SELECT id, ca_id, serial, not_after, spki_sha256 FROM certificates WHERE id = $1),
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

const reserveNumber = {
  name: 'crl-number',
  text: `INSERT INTO crls (ca_id, number) VALUES ($1, 1) ON CONFLICT (ca_id) DO UPDATE SET number = crls.number + 1
         RETURNING number, status_epoch`,
};
const markLast = {
  name: 'crl-mark-last',
  text: `UPDATE revocations SET last_crl = $2 WHERE ca_id = $1 AND last_crl IS NULL AND not_after <= $3`,
};
const entries = {
  name: 'crl-entries',
  text: `SELECT serial, revoked_at, reason FROM revocations WHERE ca_id = $1 AND (last_crl IS NULL OR last_crl >= $2) AND serial > $3
         ORDER BY serial LIMIT $4`,
};
const entriesPerPage = 10_000;
const published = {
  name: 'crl-published',
  text: `UPDATE crls SET this_update = $3, next_update = $4, revoked_count = $5, published_epoch = greatest(published_epoch, $6)
         WHERE ca_id = $1 AND (this_update IS NULL OR this_update <= $3) AND number >= $2`,
};
const due = {
  name: 'crl-due',
  text: `SELECT ca.id FROM certificate_authorities ca LEFT JOIN crls c ON c.ca_id = ca.id
         WHERE c.next_update IS NULL OR c.published_epoch < c.status_epoch OR $1 >= c.this_update + (c.next_update - c.this_update) / 2`,
};

const number = { name: 'crl-number-known', text: `SELECT number FROM crls WHERE ca_id = $1` };
const everyAuthority = { name: 'crl-authorities', text: `SELECT id FROM certificate_authorities ORDER BY id` };
const outlook = {
  name: 'crl-outlook',
  text: `SELECT min(this_update + (next_update - this_update) / 2) AS next_due,
                min(extract(epoch FROM next_update - $1::timestamptz) / nullif(extract(epoch FROM next_update - this_update), 0))::float8 AS validity_left
         FROM crls WHERE next_update IS NOT NULL`,
};

/** CRL numbers and contents; an entry stays on one CRL after its certificate's end (RFC 5280 §3.3). */
export function crlStore(database: Database): CrlStore {
  return {
    draft: (caId, now) =>
      database.transaction(async (session): Promise<CrlDraft> => {
        const [counter] = await session.query<{ number: string; status_epoch: string }>(reserveNumber, [caId]);
        if (counter === undefined) throw new Error('no CRL number');
        await session.query(markLast, [caId, counter.number, now]);
        // The counter's row is locked, which every revocation wants: the pages are of one moment.
        const list = crlEntryList();
        for (let after: string | undefined = ''; after !== undefined;) {
          const rows: readonly EntryRow[] = await session.query<EntryRow>(entries, [caId, counter.number, after, entriesPerPage]);
          for (const { serial, revoked_at: revokedAt, reason } of rows) list.add({ serial, revokedAt, reason });
          after = rows.length < entriesPerPage ? undefined : rows.at(-1)?.serial;
        }
        return {
          number: BigInt(counter.number),
          epoch: BigInt(counter.status_epoch),
          entries: list,
        };
      }),
    async number(caId) {
      return BigInt((await database.query<{ number: string }>(number, [caId]))[0]?.number ?? 0);
    },
    async takeBack(caId, entries) {
      const values = entries.map(({ serial, revokedAt, reason }) => ({ serial, revoked_at: revokedAt, reason }));
      return (await database.query<{ n: number }>(takeBack, [caId, JSON.stringify(values)]))[0]?.n ?? 0;
    },
    async raise(caId, value, { published, taken }) {
      await database.query(raise, [caId, value.toString(), published.toString(), taken]);
    },
    async authorities() {
      return (await database.query<{ id: string }>(everyAuthority, [])).map(({ id }) => id);
    },
    async published(caId, draft, thisUpdate, nextUpdate) {
      await database.query(published, [caId, draft.number.toString(), thisUpdate, nextUpdate, draft.entries.count, draft.epoch.toString()]);
    },
    async due(now) {
      return (await database.query<{ id: string }>(due, [now])).map((row) => row.id);
    },
    async outlook(now) {
      const [row] = await database.query<{ next_due: Date | null; validity_left: number | null }>(outlook, [now]);
      return { nextDue: row?.next_due ?? undefined, validityLeft: row?.validity_left ?? undefined };
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
  };
}
