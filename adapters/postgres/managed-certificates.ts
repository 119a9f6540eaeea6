import type { Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import { isDuplicate, type Database } from './database.ts';
import { issuersOf } from './issuer-chain.ts';

/** A managed certificate as its owners see it. */
export interface ManagedRecord {
  readonly id: string;
  readonly name: string;
  readonly state: 'pending' | 'active' | 'revoked' | 'archived';
  readonly profileId: string;
  readonly issuerId: string;
  readonly policyId: string;
  readonly commonName: string | undefined;
  readonly sans: readonly { readonly type: string; readonly value: string }[];
  readonly serial: string | undefined;
  readonly notBefore: Date | undefined;
  readonly notAfter: Date | undefined;
  readonly renewAt: Date | undefined;
  /** Who makes its keys. */
  readonly keySource: 'csr' | 'agent';
  readonly keyAlgorithm: string | undefined;
  readonly targets: readonly string[];
  /** Whether each of its targets serves what its agent has. */
  readonly deployment: 'none' | 'pending' | 'verified' | 'failed';
  readonly windowDays: number;
  /** Status of its active job, if any. */
  readonly job: string | undefined;
  readonly lastError: string | undefined;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface CertificateVersion {
  readonly id: string;
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly current: boolean;
  readonly orphan: boolean;
  /** DER, the certificate first, without the root. */
  readonly chain: readonly Uint8Array[];
  /** PEM of foreign issuers. */
  readonly foreignChain: string | undefined;
}

export interface ManagedCertificates {
  /** Newest first, of what the caller may see. */
  list(before: string | undefined, limit: number, reach: Reach): Promise<readonly ManagedRecord[]>;
  find(id: string): Promise<ManagedRecord | undefined>;
  /** Certificate, its first job, outbox and audit in one commit. @throws {CaError} `conflict`, `malformed` */
  create(
    certificate: {
      readonly id: string;
      readonly name: string;
      readonly profileId: string;
      readonly issuerId: string;
      readonly policyId: string;
      readonly commonName: string | undefined;
      readonly sans: readonly { readonly type: string; readonly value: string }[];
      readonly csr: Uint8Array;
      readonly keepCsr: boolean;
      readonly jobId: string;
    },
    actor: string,
  ): Promise<ManagedRecord>;
  /** A renewal job, or the active one; undefined when there is no such certificate, or its state forbids it. */
  renew(id: string, jobId: string, actor: string): Promise<string | undefined>;
  /** Archived, with its waiting jobs cancelled; undefined when there is none. */
  archive(id: string, actor: string): Promise<ManagedRecord | undefined>;
  versions(id: string): Promise<readonly CertificateVersion[]>;
}

const active = `(status IN ('pending', 'awaiting_csr', 'awaiting_approval', 'running') OR retryable)`;
/** Whether a job is about a certificate: itself, or the share of an agent in it. */
const isAbout = `(subject_id = m.id OR (type = 'csr' AND subject_id IN (SELECT h.id FROM certificate_holders h WHERE h.certificate_id = m.id)))`;
const columns = `m.id, m.name, m.state, m.profile_id, m.issuer_id, m.policy_id, m.common_name, m.sans, c.serial, m.not_before, m.not_after,
  coalesce(m.renew_at, (SELECT min(h.renew_at) FROM certificate_holders h WHERE h.certificate_id = m.id)) AS renew_at, m.key_source, m.key_algorithm,
  ARRAY(SELECT t.target_id FROM certificate_targets t WHERE t.certificate_id = m.id ORDER BY t.target_id) AS targets,
  (SELECT CASE WHEN count(*) = 0 THEN 'none' WHEN bool_or(t.last_error IS NOT NULL) THEN 'failed' WHEN bool_and(coalesce(t.deployed_id = h.current_id, false)) THEN 'verified' ELSE 'pending' END
   FROM certificate_targets t JOIN targets g ON g.id = t.target_id AND g.retired_at IS NULL
     LEFT JOIN certificate_holders h ON h.certificate_id = t.certificate_id AND h.agent_id = g.agent_id
   WHERE t.certificate_id = m.id) AS deployment,
  (SELECT renewal_window_days FROM renewal_policies r WHERE r.id = m.policy_id) AS window_days,
  (SELECT status FROM jobs WHERE ${isAbout} AND type IN ('issuance', 'renewal', 'csr') AND ${active} LIMIT 1) AS job,
  coalesce(m.last_error, (SELECT max(h.last_error) FROM certificate_holders h WHERE h.certificate_id = m.id),
           (SELECT max(t.last_error) FROM certificate_targets t WHERE t.certificate_id = m.id)) AS last_error, m.version, m.created_at, m.updated_at`;
const from = `managed_certificates m LEFT JOIN certificates c ON c.id = m.current_id`;
const list = {
  name: 'managed-list',
  text: `SELECT ${columns} FROM ${from} WHERE ($1::text IS NULL OR m.id < $1) ORDER BY m.id DESC LIMIT $2`,
};
const listReached = {
  name: 'managed-list-reached',
  text: `SELECT ${columns} FROM ${from} WHERE ($1::text IS NULL OR m.id < $1) AND (m.profile_id = ANY($3) OR m.issuer_id = ANY($4)) ORDER BY m.id DESC LIMIT $2`,
};
const find = { name: 'managed-find', text: `SELECT ${columns} FROM ${from} WHERE m.id = $1` };
const create = {
  name: 'managed-create',
  text: `WITH m AS (INSERT INTO managed_certificates (id, name, profile_id, issuer_id, policy_id, common_name, sans, csr, created_by)
          VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $9 THEN $8::bytea END, $11) RETURNING id, policy_id),
    j AS (INSERT INTO jobs (id, type, subject_id, payload, max_attempts)
          SELECT $10, 'issuance', m.id, jsonb_build_object('csr', replace(encode($8::bytea, 'base64'), E'\\n', '')), greatest(1, r.max_retries)
          FROM m JOIN renewal_policies r ON r.id = m.policy_id RETURNING id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $11, 'APIKey', 'createCertificate', 'managed_certificate', m.id, jsonb_build_object('name', $2::text, 'profile', $3::text, 'job', j.id), 'cert_lifecycle'
          FROM m, j)
  SELECT count(*)::int FROM j`,
};
const renew = {
  name: 'managed-renew',
  text: `WITH m AS (SELECT m.id, r.max_retries FROM managed_certificates m JOIN renewal_policies r ON r.id = m.policy_id
                    WHERE m.id = $1 AND m.state IN ('pending', 'active') FOR UPDATE OF m),
    j AS (INSERT INTO jobs (id, type, subject_id, max_attempts) SELECT $2, 'renewal', id, greatest(1, max_retries) FROM m
          ON CONFLICT (subject_id) WHERE type IN ('issuance', 'renewal') AND ${active} DO NOTHING RETURNING id),
    u AS (UPDATE managed_certificates SET renew_at = NULL, updated_at = now() WHERE id = (SELECT m.id FROM m, j)),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'renewCertificate', 'managed_certificate', $1, jsonb_build_object('job', id), 'cert_lifecycle' FROM j)
  SELECT coalesce((SELECT id FROM j),
                  (SELECT id FROM jobs WHERE subject_id = $1 AND type IN ('issuance', 'renewal') AND ${active})) AS job FROM m`,
};
const archive = {
  name: 'managed-archive',
  text: `WITH m AS (UPDATE managed_certificates SET state = 'archived', renew_at = NULL, alert_at = NULL, version = version + 1, updated_at = now()
                    WHERE id = $1 AND state <> 'archived' RETURNING id),
    h AS (UPDATE certificate_holders SET renew_at = NULL FROM m WHERE certificate_id = m.id),
    j AS (UPDATE jobs SET status = 'cancelled', retryable = false, completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL
          FROM m WHERE ${isAbout} AND type IN ('issuance', 'renewal', 'csr') AND ${active}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT $2, 'APIKey', 'archiveCertificate', 'managed_certificate', id, 'cert_lifecycle' FROM m)
  SELECT count(*)::int FROM m`,
};
const versions = {
  name: 'managed-versions',
  text: `SELECT c.id, c.serial, c.not_before, c.not_after, c.orphan, c.certificate, c.chain, ${issuersOf('c')} AS issuers,
      c.id = m.current_id OR EXISTS (SELECT FROM certificate_holders h WHERE h.current_id = c.id) AS current
    FROM certificates c JOIN managed_certificates m ON m.id = c.managed_id WHERE c.managed_id = $1 ORDER BY c.not_before DESC, c.id DESC LIMIT 100`,
};

interface Row {
  id: string;
  name: string;
  state: ManagedRecord['state'];
  profile_id: string;
  issuer_id: string;
  policy_id: string;
  common_name: string | null;
  sans: { type: string; value: string }[];
  serial: string | null;
  not_before: Date | null;
  not_after: Date | null;
  renew_at: Date | null;
  key_source: ManagedRecord['keySource'];
  key_algorithm: string | null;
  targets: string[];
  deployment: ManagedRecord['deployment'];
  window_days: number;
  job: string | null;
  last_error: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export function managedCertificates(database: Database): ManagedCertificates {
  const found = async (id: string): Promise<ManagedRecord | undefined> => {
    const [row] = await database.query<Row>(find, [id]);
    return row && recordOf(row);
  };
  return {
    async list(before, limit, reach) {
      const page = [before ?? null, limit];
      const rows =
        reach === 'all' ? database.query<Row>(list, page) : database.query<Row>(listReached, [...page, reach.profiles, reach.issuers]);
      return (await rows).map(recordOf);
    },
    find: found,
    async create(certificate, actor) {
      try {
        await database.query(create, [
          certificate.id,
          certificate.name,
          certificate.profileId,
          certificate.issuerId,
          certificate.policyId,
          certificate.commonName ?? null,
          JSON.stringify(certificate.sans),
          certificate.csr,
          certificate.keepCsr,
          certificate.jobId,
          actor,
        ]);
      } catch (error) {
        throw creationRefusal(error);
      }
      const created = await found(certificate.id);
      if (created === undefined) throw new Error('no row');
      return created;
    },
    async renew(id, jobId, actor) {
      return (await database.query<{ job: string }>(renew, [id, jobId, actor]))[0]?.job;
    },
    async archive(id, actor) {
      await database.query(archive, [id, actor]);
      return found(id);
    },
    async versions(id) {
      const rows = await database.query<{
        id: string;
        serial: string;
        not_before: Date;
        not_after: Date;
        orphan: boolean;
        certificate: Buffer;
        chain: string | null;
        current: boolean | null;
        issuers: Buffer[];
      }>(versions, [id]);
      return rows.map((row) => ({
        id: row.id,
        serial: row.serial,
        notBefore: row.not_before,
        notAfter: row.not_after,
        current: row.current === true,
        orphan: row.orphan,
        chain: [row.certificate, ...row.issuers],
        foreignChain: row.chain ?? undefined,
      }));
    },
  };
}

/** What the database's refusal of a new certificate means to who asked for it. */
export function creationRefusal(error: unknown): unknown {
  if (isDuplicate(error)) return new CaError('conflict', 'a certificate with this name exists', { cause: error });
  if ((error as { code?: string }).code === '23503')
    return new CaError('malformed', 'the body: profile, issuer or policy does not exist', { cause: error });
  return error;
}

function recordOf(row: Row): ManagedRecord {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    profileId: row.profile_id,
    issuerId: row.issuer_id,
    policyId: row.policy_id,
    commonName: row.common_name ?? undefined,
    sans: row.sans,
    serial: row.serial ?? undefined,
    notBefore: row.not_before ?? undefined,
    notAfter: row.not_after ?? undefined,
    renewAt: row.renew_at ?? undefined,
    keySource: row.key_source,
    keyAlgorithm: row.key_algorithm ?? undefined,
    targets: row.targets,
    deployment: row.deployment,
    windowDays: row.window_days,
    job: row.job ?? undefined,
    lastError: row.last_error ?? undefined,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
