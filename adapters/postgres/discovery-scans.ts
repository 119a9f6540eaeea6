import type { DiscoveredFacts, PlaceFormat } from '#domain/discovery/discovered.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database, Session } from './database.ts';
import { slice, type Keyset } from './keyset.ts';

export interface Place {
  readonly path: string;
  readonly format: PlaceFormat;
  readonly keyPresent: boolean;
}

/** A certificate, and where it lies on one host. */
export interface Found extends DiscoveredFacts {
  readonly id: string;
  /** DER. */
  readonly certificate: Uint8Array;
  readonly places: readonly Place[];
}

/** A part of what an agent found. */
export interface ScanPart {
  readonly scan: string;
  /** Counted from 0. */
  readonly part: number;
  readonly last: boolean;
  /** What was not seen is not there. */
  readonly complete: boolean;
  readonly directories: readonly string[];
  /** Each fingerprint once. */
  readonly found: readonly Found[];
  readonly errors: readonly string[];
  readonly durationMs: number;
}

export interface ScanRow {
  readonly id: string;
  readonly agent_id: string;
  readonly directories: string[];
  readonly certificates_found: number;
  readonly certificates_new: number;
  readonly errors: string[];
  readonly duration_ms: number;
  readonly started_at: Date;
  readonly completed_at: Date | null;
}

export interface DiscoveryScans {
  /**
   * Takes a part; one that was taken already changes nothing. The last one closes the scan: what the agent had seen before it and not since is missing, where it saw all there is.
   *
   * @param most certificates that one scan may find
   * @throws {CaError} `conflict` for a part that is not the next one, or a scan that is over its limit
   */
  take(agentId: string, part: ScanPart, most: number): Promise<void>;
  list(page: PageRequest, filter: { readonly agent: string | undefined }): Promise<Slice<ScanRow>>;
}

const begin = {
  name: 'discovery-begin',
  text: `INSERT INTO discovery_scans (id, agent_id, directories) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`,
};
const lock = {
  name: 'discovery-lock',
  text: `SELECT parts, certificates_found, completed_at FROM discovery_scans WHERE id = $1 AND agent_id = $2 FOR UPDATE`,
};
// In the order of fingerprints, so that two agents that found the same do not wait for each other.
const note = {
  name: 'discovery-note',
  text: `WITH i AS (SELECT r.*, (SELECT c.managed_id FROM certificates c WHERE c.fingerprint = decode(r.fingerprint, 'hex')) AS managed_id
      FROM jsonb_to_recordset($3) AS r(id text, fingerprint text, certificate text, subject text, issuer text, "commonName" text, sans jsonb, serial text, "notBefore" timestamptz,
        "notAfter" timestamptz, "keyAlgorithm" text, "keySize" int, "isCa" boolean, "selfIssued" boolean, places jsonb)),
    d AS (INSERT INTO discovered_certificates (id, fingerprint, certificate, subject, issuer, common_name, sans, serial, not_before, not_after, key_algorithm, key_size, is_ca, self_issued, status,
            managed_certificate_id, decided_at)
          SELECT id, decode(fingerprint, 'hex'), decode(certificate, 'base64'), subject, issuer, "commonName", sans, serial, "notBefore", "notAfter", "keyAlgorithm", "keySize", "isCa", "selfIssued",
            CASE WHEN managed_id IS NULL THEN 'unmanaged' ELSE 'managed' END, managed_id, CASE WHEN managed_id IS NOT NULL THEN now() END FROM i ORDER BY fingerprint
          ON CONFLICT (fingerprint) DO UPDATE SET last_seen_at = now() RETURNING id, fingerprint, xmax = 0 AS new),
    s AS (INSERT INTO discovered_sightings (discovered_id, agent_id, path, format, key_present)
          SELECT d.id, $2, p.path, p.format, p."keyPresent" FROM i JOIN d ON d.fingerprint = decode(i.fingerprint, 'hex'),
            jsonb_to_recordset(i.places) AS p(path text, format text, "keyPresent" boolean)
          ON CONFLICT (discovered_id, agent_id, path) DO UPDATE SET last_seen_at = now(), missing_since = NULL, format = excluded.format, key_present = excluded.key_present)
  UPDATE discovery_scans SET parts = parts + 1, certificates_found = certificates_found + (SELECT count(*) FROM d), certificates_new = certificates_new + (SELECT count(*) FROM d WHERE new),
    errors = (errors || $4::text[])[1:100], duration_ms = $5 WHERE id = $1`,
};
const miss = {
  name: 'discovery-miss',
  text: `WITH c AS (UPDATE discovery_scans SET completed_at = now() WHERE id = $1 RETURNING id, agent_id, started_at, certificates_found, certificates_new, errors),
    m AS (UPDATE discovered_sightings SET missing_since = now() FROM c
          WHERE discovered_sightings.agent_id = c.agent_id AND discovered_sightings.last_seen_at < c.started_at AND missing_since IS NULL AND $2::boolean RETURNING discovered_id),
    o AS (DELETE FROM discovery_scans USING c WHERE discovery_scans.agent_id = c.agent_id AND discovery_scans.started_at < now() - interval '30 days'),
    -- one that saw nothing and could not see everything
    a AS (UPDATE agents SET status = CASE WHEN w.failed THEN 'degraded' ELSE 'online' END, status_reason = CASE WHEN w.failed THEN 'discovery_failed' END
          FROM (SELECT agent_id, NOT $2::boolean AND certificates_found = 0 AS failed FROM c) w
          WHERE agents.id = w.agent_id AND CASE WHEN w.failed THEN status = 'online' ELSE status = 'degraded' AND status_reason = 'discovery_failed' END),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT agent_id, 'Agent', 'discovery_scan_completed', 'agent', agent_id, jsonb_build_object('scan', id, 'found', certificates_found, 'new', certificates_new,
            'missing', (SELECT count(*) FROM m), 'errors', cardinality(errors)), 'cert_lifecycle' FROM c)
  SELECT id FROM c`,
};
const forget = {
  name: 'discovery-forget',
  text: `DELETE FROM discovered_sightings WHERE agent_id = $1 AND missing_since < now() - interval '90 days' RETURNING discovered_id`,
};
const forgetUnseen = {
  name: 'discovery-forget-unseen',
  text: `DELETE FROM discovered_certificates d WHERE d.id = ANY ($1) AND d.status = 'unmanaged'
         AND NOT EXISTS (SELECT FROM discovered_sightings s WHERE s.discovered_id = d.id)`,
};

export const scanList: Keyset = {
  columns: 'id, agent_id, directories, certificates_found, certificates_new, errors, duration_ms, started_at, completed_at',
  from: 'discovery_scans',
  id: 'id',
  idType: 'text',
  sorts: { started_at: { expression: 'started_at', type: 'timestamptz' } },
};

/** What agents found, as it comes in. */
export function discoveryScans(database: Database): DiscoveryScans {
  return {
    take: (agentId, part, most) => database.transaction((session) => takeIn(session, agentId, part, most)),
    list: (page, { agent }) => slice(database, scanList, page, [['agent_id = ?', agent]], (row: ScanRow) => row),
  };
}

async function takeIn(session: Session, agentId: string, part: ScanPart, most: number): Promise<void> {
  if (part.part === 0) await session.query(begin, [part.scan, agentId, part.directories]);
  const [scan] = await session.query<{ parts: number; certificates_found: number; completed_at: Date | null }>(lock, [part.scan, agentId]);
  if (scan === undefined) throw new CaError('conflict', 'there is no such scan of this agent: begin with part 0');
  if (part.part < scan.parts) return;
  if (part.part > scan.parts || scan.completed_at !== null) throw new CaError('conflict', `part ${scan.parts} of the scan is the next`);
  if (scan.certificates_found + part.found.length > most) throw new CaError('conflict', `a scan may find ${most} certificates`);
  const found = part.found.map(({ certificate, ...facts }) => ({ ...facts, certificate: Buffer.from(certificate).toString('base64') }));
  await session.query(note, [part.scan, agentId, JSON.stringify(found), part.errors, part.durationMs]);
  if (!part.last) return;
  await session.query(miss, [part.scan, part.complete]);
  const gone = await session.query<{ discovered_id: string }>(forget, [agentId]);
  if (gone.length > 0) await session.query(forgetUnseen, [[...new Set(gone.map((row) => row.discovered_id))]]);
}
