import type { DiscoveryStatus, PlaceFormat } from '#domain/discovery/discovered.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database, Session } from './database.ts';
import { slice, type Keyset } from './keyset.ts';

export interface DiscoveredRow {
  readonly id: string;
  readonly status: DiscoveryStatus;
  readonly managed_certificate_id: string | null;
  readonly reason: string | null;
  readonly decided_by: string | null;
  readonly decided_at: Date | null;
  /** SHA-256, hex. */
  readonly fingerprint: string;
  readonly subject: string;
  readonly issuer: string;
  readonly common_name: string | null;
  readonly sans: { type: string; value: string }[];
  readonly serial: string;
  readonly not_before: Date;
  readonly not_after: Date;
  readonly key_algorithm: string;
  readonly key_size: number | null;
  readonly is_ca: boolean;
  readonly self_issued: boolean;
  /** Where it is not missing. */
  readonly places: number;
  readonly first_seen_at: Date;
  readonly last_seen_at: Date;
}

export interface SightingRow {
  readonly agent_id: string;
  readonly path: string;
  readonly format: PlaceFormat;
  readonly key_present: boolean;
  readonly first_seen_at: Date;
  readonly last_seen_at: Date;
  readonly missing_since: Date | null;
}

export interface DiscoveredCertificates {
  list(
    page: PageRequest,
    filter: {
      readonly status: DiscoveryStatus | undefined;
      readonly agent: string | undefined;
      readonly certificate: string | undefined;
      readonly expiresBefore: Date | undefined;
    },
  ): Promise<Slice<DiscoveredRow>>;
  find(id: string): Promise<DiscoveredRow | undefined>;
  /** DER, and the newest hundred places. */
  whole(id: string): Promise<{ readonly certificate: Uint8Array; readonly sightings: readonly SightingRow[] }>;
  /** unmanaged → managed; undefined in any other state, or when the certificate is archived or does not exist. */
  claim(id: string, certificateId: string, actor: string): Promise<DiscoveredRow | undefined>;
  /** unmanaged → dismissed; undefined in any other state. */
  dismiss(id: string, reason: string, actor: string): Promise<DiscoveredRow | undefined>;
  /** managed or dismissed → unmanaged; undefined when it is that already. */
  reopen(id: string, actor: string): Promise<DiscoveredRow | undefined>;
  summary(): Promise<Readonly<Record<DiscoveryStatus, number>>>;
}

const columns = `d.id, d.status, d.managed_certificate_id, d.reason, d.decided_by, d.decided_at, encode(d.fingerprint, 'hex') AS fingerprint, d.subject, d.issuer, d.common_name, d.sans, d.serial,
  d.not_before, d.not_after, d.key_algorithm, d.key_size, d.is_ca, d.self_issued, d.first_seen_at, d.last_seen_at,
  (SELECT count(*)::int FROM discovered_sightings s WHERE s.discovered_id = d.id AND s.missing_since IS NULL) AS places`;
export const discoveredList: Keyset = {
  columns,
  from: 'discovered_certificates d',
  id: 'd.id',
  idType: 'text',
  sorts: {
    first_seen_at: { expression: 'd.first_seen_at', type: 'timestamptz' },
    not_after: { expression: 'd.not_after', type: 'timestamptz' },
  },
};
const find = { name: 'discovered', text: `SELECT ${columns} FROM discovered_certificates d WHERE d.id = $1` };
const der = { name: 'discovered-der', text: 'SELECT certificate FROM discovered_certificates WHERE id = $1' };
const sightings = {
  name: 'discovered-sightings',
  text: `SELECT agent_id, path, format, key_present, first_seen_at, last_seen_at, missing_since FROM discovered_sightings WHERE discovered_id = $1
         ORDER BY last_seen_at DESC, agent_id, path LIMIT 100`,
};

/** A change of state with its audit row. @param set SQL; `$1` is the certificate that was found, `$2` who */
const decision = (
  name: string,
  action: string,
  set: string,
  where: string,
  from = '',
): { readonly name: string; readonly text: string } => ({
  name,
  text: `WITH d AS (UPDATE discovered_certificates d SET ${set}, decided_at = now()${from} WHERE d.id = $1 AND ${where} RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $2, 'APIKey', '${action}', 'discovered_certificate', id, jsonb_build_object('certificate', managed_certificate_id, 'fingerprint', fingerprint, 'reason', reason), 'cert_lifecycle' FROM d)
  SELECT * FROM d`,
});
const claim = decision(
  'discovered-claim',
  'claimDiscoveredCertificate',
  `status = 'managed', managed_certificate_id = m.id, decided_by = $2`,
  `d.status = 'unmanaged' AND m.id = $3 AND m.state <> 'archived'`,
  ' FROM managed_certificates m',
);
const dismiss = decision(
  'discovered-dismiss',
  'dismissDiscoveredCertificate',
  `status = 'dismissed', reason = $3, decided_by = $2`,
  `d.status = 'unmanaged'`,
);
const reopen = decision(
  'discovered-reopen',
  'reopenDiscoveredCertificate',
  `status = 'unmanaged', managed_certificate_id = NULL, reason = NULL, decided_by = $2`,
  `d.status <> 'unmanaged'`,
);
const summary = { name: 'discovered-summary', text: 'SELECT status, count(*)::int AS n FROM discovered_certificates GROUP BY status' };

/**
 * The claim of a certificate that is made in the same transaction.
 *
 * @throws {CaError} `conflict` when somebody else decided about it meanwhile
 */
export async function claimWithin(session: Session, id: string, certificateId: string, actor: string): Promise<void> {
  const rows = await session.query(claim, [id, actor, certificateId]);
  if (rows.length === 0) throw new CaError('conflict', 'the discovered certificate is not unmanaged any more');
}

/** Certificates that agents found, as their operators see them and decide about them. */
export function discoveredCertificates(database: Database): DiscoveredCertificates {
  const one = async (statement: { name: string; text: string }, values: readonly unknown[]): Promise<DiscoveredRow | undefined> =>
    (await database.query<DiscoveredRow>(statement, values))[0];
  return {
    list: (page, { status, agent, certificate, expiresBefore }) =>
      slice(
        database,
        discoveredList,
        page,
        [
          ['d.status = ?', status],
          ['EXISTS (SELECT FROM discovered_sightings s WHERE s.discovered_id = d.id AND s.agent_id = ?)', agent],
          ['d.managed_certificate_id = ?', certificate],
          ['d.not_after < ?', expiresBefore],
        ],
        (row: DiscoveredRow) => row,
      ),
    find: (id) => one(find, [id]),
    async whole(id) {
      const [row] = await database.query<{ certificate: Buffer }>(der, [id]);
      return { certificate: row?.certificate ?? Buffer.alloc(0), sightings: await database.query<SightingRow>(sightings, [id]) };
    },
    claim: (id, certificateId, actor) => one(claim, [id, actor, certificateId]),
    dismiss: (id, reason, actor) => one(dismiss, [id, actor, reason]),
    reopen: (id, actor) => one(reopen, [id, actor]),
    async summary() {
      const rows = await database.query<{ status: DiscoveryStatus; n: number }>(summary, []);
      const of = (status: DiscoveryStatus): number => rows.find((row) => row.status === status)?.n ?? 0;
      return { unmanaged: of('unmanaged'), managed: of('managed'), dismissed: of('dismissed') };
    },
  };
}
