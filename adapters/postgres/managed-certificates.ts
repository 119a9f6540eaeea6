import type { Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database } from './database.ts';
import { withdrawnOf } from './deployments.ts';
import { claimWithin } from './discovered-certificates.ts';
import { issuersOf } from './issuer-chain.ts';
import { slice, within, type Condition, type Keyset } from './keyset.ts';
import { cancelled, isOpen } from './open-job.ts';
import { holdToPolicies } from './policies.ts';
import { alertAtByPolicy, holdersFollow, renewAtByPolicy, restless } from './renewal-policies.ts';

/** A managed certificate as its owners see it. */
export interface ManagedRecord {
  readonly id: string;
  readonly name: string;
  readonly state: 'pending' | 'active' | 'held' | 'revoked' | 'archived';
  readonly profileId: string;
  readonly issuerId: string;
  readonly policyId: string;
  readonly ownerId: string | undefined;
  readonly teamId: string | undefined;
  readonly environment: string;
  readonly tags: Readonly<Record<string, string>>;
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
  /** Its newest version is revoked. */
  readonly currentRevoked: boolean;
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

/** What of a certificate may be changed. */
export interface CertificateChange {
  readonly policyId: string;
  readonly ownerId: string | undefined;
  readonly teamId: string | undefined;
  readonly environment: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** What to look for; undefined members mean everything. */
export interface CertificateFilter {
  readonly state?: ManagedRecord['state'] | undefined;
  readonly profile?: string | undefined;
  readonly issuer?: string | undefined;
  readonly policy?: string | undefined;
  readonly owner?: string | undefined;
  readonly team?: string | undefined;
  readonly environment?: string | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly name?: string | undefined;
  readonly expiresAfter?: Date | undefined;
  readonly expiresBefore?: Date | undefined;
  readonly reach: Reach;
}

/** The conditions of a filter. */
export function conditionsOf(filter: CertificateFilter): readonly Condition[] {
  return [
    ['m.state = ?', filter.state],
    ['m.profile_id = ?', filter.profile],
    ['m.issuer_id = ?', filter.issuer],
    ['m.policy_id = ?', filter.policy],
    ['m.owner_id = ?', filter.owner],
    ['m.team_id = ?', filter.team],
    ['m.environment = ?', filter.environment],
    ['m.id = ANY(?::text[])', filter.ids],
    ['m.name = ?', filter.name],
    [`coalesce(m.not_after, 'infinity') >= ?`, filter.expiresAfter],
    [`coalesce(m.not_after, 'infinity') < ?`, filter.expiresBefore],
    within(filter.reach, { profile: 'm.profile_id', issuer: 'm.issuer_id' }),
  ];
}

/** A certificate to be made, whoever makes its key. */
export interface NewCertificate {
  readonly id: string;
  readonly name: string;
  readonly profileId: string;
  readonly issuerId: string;
  readonly change: CertificateChange;
  readonly commonName: string | undefined;
  readonly sans: readonly { readonly type: string; readonly value: string }[];
  /** Id of the discovered certificate that it claims. */
  readonly discovered: string | undefined;
}

export interface ManagedCertificates {
  /** Of what the caller may see. */
  list(page: PageRequest, filter: CertificateFilter): Promise<Slice<ManagedRecord>>;
  find(id: string): Promise<ManagedRecord | undefined>;
  /** Certificate, its first job, outbox and audit in one commit. @throws {CaError} `conflict`, `malformed` */
  create(
    certificate: NewCertificate & {
      readonly csr: Uint8Array;
      readonly keepCsr: boolean;
      readonly jobId: string;
    },
    actor: string,
  ): Promise<void>;
  /** A renewal job, or the active one; undefined when there is no such certificate, or its state forbids it. */
  renew(id: string, jobId: string, actor: string): Promise<string | undefined>;
  /** Undefined when it has another version than expected by now. @throws {CaError} `malformed`, `policyViolation` */
  replace(id: string, change: CertificateChange, expected: number | undefined, actor: string): Promise<ManagedRecord | undefined>;
  /** Archived, with its waiting jobs cancelled; undefined when there is none. */
  archive(id: string, actor: string): Promise<ManagedRecord | undefined>;
  versions(id: string): Promise<readonly CertificateVersion[]>;
}

// Of EXISTS the planner makes a table of all that there is, once for the page: of every revocation, to know of a hundred certificates.
const columns = `m.id, m.name, m.state, m.profile_id, m.issuer_id, m.policy_id, m.owner_id, m.team_id, m.environment, m.tags, m.common_name, m.sans, (SELECT c.serial FROM certificates c WHERE c.id = m.current_id) AS serial,
  coalesce((SELECT true FROM certificates c JOIN revocations r ON r.ca_id = c.ca_id AND r.serial = c.serial WHERE c.id = m.current_id LIMIT 1),
           (SELECT true FROM upstream_revocations u WHERE u.certificate_id = m.current_id LIMIT 1), false) AS current_revoked, m.not_before, m.not_after,
  coalesce(m.renew_at, (SELECT min(h.renew_at) FROM certificate_holders h WHERE h.certificate_id = m.id)) AS renew_at, m.key_source, m.key_algorithm,
  ARRAY(SELECT t.target_id FROM certificate_targets t WHERE t.certificate_id = m.id ORDER BY t.target_id) AS targets,
  (SELECT CASE WHEN count(*) = 0 THEN 'none' WHEN bool_or(t.last_error IS NOT NULL) THEN 'failed' WHEN bool_and(coalesce(t.deployed_id = h.current_id, false)) THEN 'verified' ELSE 'pending' END
   FROM certificate_targets t JOIN targets g ON g.id = t.target_id AND g.retired_at IS NULL
     LEFT JOIN certificate_holders h ON h.certificate_id = t.certificate_id AND h.agent_id = g.agent_id
   WHERE t.certificate_id = m.id) AS deployment,
  (SELECT renewal_window_days FROM renewal_policies r WHERE r.id = m.policy_id) AS window_days,
  coalesce((SELECT status FROM jobs WHERE subject_id = m.id AND type IN ('issuance', 'renewal') AND ${isOpen} LIMIT 1),
           (SELECT status FROM certificate_holders h JOIN jobs ON subject_id = h.id AND type = 'csr' AND ${isOpen} WHERE h.certificate_id = m.id LIMIT 1)) AS job,
  coalesce(m.last_error, (SELECT max(h.last_error) FROM certificate_holders h WHERE h.certificate_id = m.id),
           (SELECT max(t.last_error) FROM certificate_targets t WHERE t.certificate_id = m.id)) AS last_error, m.version, m.created_at, m.updated_at`;
const from = 'managed_certificates m';
export const certificateList: Keyset = {
  columns,
  from,
  id: 'm.id',
  idType: 'text',
  sorts: {
    created_at: { expression: 'm.created_at', type: 'timestamptz' },
    name: { expression: 'm.name', type: 'text' },
    // What was never issued ends last.
    not_after: { expression: `coalesce(m.not_after, 'infinity')`, type: 'timestamptz' },
  },
};
const find = { name: 'managed-find', text: `SELECT ${columns} FROM ${from} WHERE m.id = $1` };
const create = {
  name: 'managed-create',
  text: `WITH m AS (INSERT INTO managed_certificates (id, name, profile_id, issuer_id, policy_id, common_name, sans, csr, created_by, owner_id, team_id, environment, tags)
          VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $9 THEN $8::bytea END, $11, $12, $13, $14, $15) RETURNING id, policy_id),
    j AS (INSERT INTO jobs (id, type, subject_id, payload, max_attempts, requested_by)
          SELECT $10, 'issuance', m.id, jsonb_build_object('csr', replace(encode($8::bytea, 'base64'), E'\\n', '')), greatest(1, r.max_retries), $11
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
    j AS (INSERT INTO jobs (id, type, subject_id, max_attempts, requested_by) SELECT $2, 'renewal', id, greatest(1, max_retries), $3 FROM m
          ON CONFLICT (subject_id) WHERE type IN ('issuance', 'renewal') AND ${isOpen} DO NOTHING RETURNING id),
    u AS (UPDATE managed_certificates SET renew_at = NULL, updated_at = now() WHERE id = (SELECT m.id FROM m, j)),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'renewCertificate', 'managed_certificate', $1, jsonb_build_object('job', id), 'cert_lifecycle' FROM j)
  SELECT coalesce((SELECT id FROM j),
                  (SELECT id FROM jobs WHERE subject_id = $1 AND type IN ('issuance', 'renewal') AND ${isOpen})) AS job FROM m`,
};
const replace = {
  name: 'managed-replace',
  text: `WITH m AS (UPDATE managed_certificates m SET policy_id = p.id, owner_id = $4, team_id = $5, environment = $6, tags = $7, version = m.version + 1, updated_at = now(),
                      renew_at = CASE WHEN m.policy_id = p.id OR m.state <> 'active' OR m.key_source = 'agent' OR ${restless} THEN m.renew_at ELSE ${renewAtByPolicy} END,
                      alert_at = CASE WHEN m.policy_id = p.id OR m.state <> 'active' THEN m.alert_at ELSE ${alertAtByPolicy} END
                    FROM renewal_policies p
                    WHERE m.id = $1 AND ($2::int IS NULL OR m.version = $2) AND m.state <> 'archived' AND p.id = $3 RETURNING m.id, m.policy_id, m.owner_id, m.team_id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $8, 'APIKey', 'replaceCertificate', 'managed_certificate', id, jsonb_build_object('policy', policy_id, 'owner', owner_id, 'team', team_id), 'cert_lifecycle' FROM m)
  SELECT (SELECT count(*) FROM m)::int AS changed, EXISTS (SELECT FROM renewal_policies WHERE id = $3) AS policy`,
};
const followHeld = { name: 'managed-follow-held', text: holdersFollow('m.id = $1') };
const archive = {
  name: 'managed-archive',
  text: `WITH m AS (UPDATE managed_certificates SET state = 'archived', renew_at = NULL, alert_at = NULL, version = version + 1, updated_at = now()
                    WHERE id = $1 AND state <> 'archived' RETURNING id),
    h AS (UPDATE certificate_holders SET renew_at = NULL FROM m WHERE certificate_id = m.id),
    j AS (UPDATE jobs SET ${cancelled}
          -- of the certificate itself, or of the share of an agent in it
          FROM m WHERE (subject_id = m.id OR (type = 'csr' AND subject_id IN (SELECT id FROM certificate_holders WHERE certificate_id = m.id))) AND type IN ('issuance', 'renewal', 'csr') AND ${isOpen}),
    w AS (${withdrawnOf('m')}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT $2, 'APIKey', 'archiveCertificate', 'managed_certificate', id, 'cert_lifecycle' FROM m)
  SELECT count(*)::int FROM m`,
};
export const versionList = {
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
  owner_id: string | null;
  team_id: string | null;
  environment: string;
  tags: Record<string, string>;
  common_name: string | null;
  sans: { type: string; value: string }[];
  serial: string | null;
  current_revoked: boolean;
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
    list: (page, filter) => slice(database, certificateList, page, conditionsOf(filter), recordOf),
    find: found,
    async create(certificate, actor) {
      const { change } = certificate;
      try {
        await database.transaction(async (session) => {
          await session.query(create, [
            certificate.id,
            certificate.name,
            certificate.profileId,
            certificate.issuerId,
            change.policyId,
            certificate.commonName ?? null,
            JSON.stringify(certificate.sans),
            certificate.csr,
            certificate.keepCsr,
            certificate.jobId,
            actor,
            change.ownerId ?? null,
            change.teamId ?? null,
            change.environment,
            JSON.stringify(change.tags),
          ]);
          await holdToPolicies(session, certificate.id);
          if (certificate.discovered !== undefined) await claimWithin(session, certificate.discovered, certificate.id, actor);
        });
      } catch (error) {
        throw creationRefusal(error);
      }
    },
    async replace(id, change, expected, actor) {
      const { policyId, ownerId, teamId, environment, tags } = change;
      const given = [id, expected ?? null, policyId, ownerId ?? null, teamId ?? null, environment, JSON.stringify(tags), actor];
      try {
        const changed = await database.transaction(async (session) => {
          const [row] = await session.query<{ changed: number; policy: boolean }>(replace, given);
          if (row?.policy !== true) throw new CaError('malformed', 'the body: policy: no such renewal policy');
          if (row.changed === 1) {
            await session.query(followHeld, [id]);
            await holdToPolicies(session, id);
          }
          return row.changed === 1;
        });
        return changed ? await found(id) : undefined;
      } catch (error) {
        throw unknownReference(error);
      }
    },
    renew: (id, jobId, actor) =>
      database.transaction(async (session) => {
        const [row] = await session.query<{ job: string }>(renew, [id, jobId, actor]);
        if (row !== undefined) await holdToPolicies(session, id);
        return row?.job;
      }),
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
      }>(versionList, [id]);
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
  return unknownReference(error);
}

function unknownReference(error: unknown): unknown {
  return (error as { code?: string }).code === '23503'
    ? new CaError('malformed', 'the body: profile, issuer, policy, owner or team does not exist', { cause: error })
    : error;
}

function recordOf(row: Row): ManagedRecord {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    profileId: row.profile_id,
    issuerId: row.issuer_id,
    policyId: row.policy_id,
    ownerId: row.owner_id ?? undefined,
    teamId: row.team_id ?? undefined,
    environment: row.environment,
    tags: row.tags,
    commonName: row.common_name ?? undefined,
    sans: row.sans,
    serial: row.serial ?? undefined,
    currentRevoked: row.current_revoked,
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
