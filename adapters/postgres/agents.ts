import { createHash } from 'node:crypto';
import { nameFits } from '#domain/agent/name-pattern.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database, type Session } from './database.ts';
import { slice, type Keyset } from './keyset.ts';
import { leaveShares } from './left-shares.ts';
import { cancelled } from './open-job.ts';

export type AgentStatus = 'online' | 'offline' | 'degraded';

/** An agent as its operators see it. */
export interface AgentRecord extends AgentFacts {
  readonly id: string;
  readonly name: string;
  readonly status: AgentStatus;
  readonly statusReason: string | undefined;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly lastSeenAt: Date;
  readonly registeredAt: Date;
  readonly retiredAt: Date | undefined;
  readonly retiredReason: string | undefined;
}

/** What an agent says of its host. */
export interface AgentFacts {
  readonly hostname: string;
  readonly os: string;
  readonly architecture: string;
  readonly version: string;
  readonly ipAddress: string | undefined;
  readonly capabilities: readonly string[];
  /** The host's clock less ours, in seconds. */
  readonly clockSkew: number;
}

/** And what follows from it here. */
export interface JudgedFacts extends AgentFacts {
  /** Its version is older than the oldest that is wanted. */
  readonly tooOld: boolean;
}

export interface Dependents {
  readonly activeTargets: number;
  readonly activeCertificates: number;
  readonly pendingJobs: number;
}

export interface AgentStore {
  list(
    page: PageRequest,
    filter: { readonly name: string | undefined; readonly status: AgentStatus | undefined },
  ): Promise<Slice<AgentRecord>>;
  find(id: string): Promise<AgentRecord | undefined>;
  /**
   * Spends one use of a token on an agent: a new one, or the one that the token names under a new key. Token, agent, audit in one commit.
   *
   * @throws {CaError} `unauthenticated` for a token that is not good, `unauthorized` for a name that it does not admit, `conflict`
   */
  enrol(
    tokenSha256: Uint8Array,
    agent: { readonly id: string; readonly name: string; readonly publicKey: Uint8Array } & AgentFacts,
  ): Promise<AgentRecord>;
  /** What an agent says of itself has changed, or it is back. False when there is no such agent, or it is retired. */
  note(id: string, facts: JudgedFacts): Promise<boolean>;
  /** What hangs on an agent. */
  dependents(id: string): Promise<Dependents>;
  /**
   * Retired, with its targets, its jobs cancelled; undefined when there is none, or it was retired already.
   *
   * @param force also with dependents
   */
  retire(id: string, reason: string, force: boolean, actor: string): Promise<'retired' | 'already' | 'dependents' | undefined>;
}

const columns = `id, name, hostname, status, status_reason, os, architecture, version, host(ip_address) AS ip_address, capabilities, clock_skew,
  public_key, last_seen_at, registered_at, retired_at, retired_reason`;
export const agentList: Keyset = {
  columns,
  from: 'agents',
  id: 'id',
  idType: 'text',
  sorts: { registered_at: { expression: 'registered_at', type: 'timestamptz' }, name: { expression: 'name', type: 'text' } },
};
const find = { name: 'agent', text: `SELECT ${columns} FROM agents WHERE id = $1` };
const redeem = {
  name: 'agent-redeem',
  text: `UPDATE agent_enrolment_tokens SET uses = uses + 1
         WHERE token_sha256 = $1 AND revoked_at IS NULL AND expires_at > now() AND uses < max_uses RETURNING id, name_pattern, agent_id, group_id`,
};
const insert = {
  name: 'agent-enrol',
  text: `WITH a AS (
      INSERT INTO agents (id, name, hostname, public_key, spki_sha256, os, architecture, version, ip_address, capabilities, clock_skew, enrolled_by)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING ${columns}),
    g AS (UPDATE agent_groups SET version = version + 1, updated_at = now() WHERE id = $13 RETURNING id),
    m AS (INSERT INTO agent_group_members (group_id, agent_id, mode, added_by) SELECT g.id, a.id, 'include', $12 FROM g, a),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT id, 'Agent', 'enrolAgent', 'agent', id, jsonb_build_object('name', name, 'hostname', hostname, 'token', $12::text, 'group', $13::text), 'auth' FROM a)
  SELECT * FROM a`,
};
// Outbox: whoever may call by the former key may do so until the mirror has the new one.
const rekey = {
  name: 'agent-re-enrol',
  text: `WITH a AS (
      UPDATE agents SET public_key = $2, spki_sha256 = $3, status = 'online', status_reason = NULL, last_seen_at = now()
      WHERE id = $1 AND name = $4 AND retired_at IS NULL RETURNING ${columns}),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'agent', id FROM a),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT id, 'Agent', 'reEnrolAgent', 'agent', id, jsonb_build_object('token', $5::text), 'auth' FROM a)
  SELECT * FROM a`,
};
/** Degraded for what a heartbeat says nothing about. */
const otherwise = `coalesce(status_reason, '') NOT IN ('clock_skew', 'version_too_old')`;
const note = {
  name: 'agent-note',
  text: `WITH o AS (SELECT id, status, version FROM agents WHERE id = $1 AND retired_at IS NULL FOR UPDATE),
    a AS (UPDATE agents SET hostname = $2, os = $3, architecture = $4, version = $5, ip_address = $6, capabilities = $7, clock_skew = $8, last_seen_at = now(),
            status = CASE WHEN abs($8::int) > 300 OR $9::boolean OR (agents.status = 'degraded' AND ${otherwise}) THEN 'degraded' ELSE 'online' END,
            status_reason = CASE WHEN abs($8::int) > 300 THEN 'clock_skew' WHEN $9::boolean THEN 'version_too_old' WHEN agents.status = 'degraded' AND ${otherwise} THEN status_reason END
          FROM o WHERE agents.id = o.id RETURNING agents.id, agents.status),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT o.id, 'Agent', 'agent_state', 'agent', o.id, jsonb_build_object('from', o.status, 'to', a.status), 'cert_lifecycle'
          FROM o JOIN a USING (id) WHERE o.status <> a.status)
  SELECT id FROM a`,
};
const dependents = {
  name: 'agent-dependents',
  text: `SELECT (SELECT count(*)::int FROM targets WHERE agent_id = $1 AND retired_at IS NULL) AS targets,
    (SELECT count(*)::int FROM certificate_holders h JOIN managed_certificates m ON m.id = h.certificate_id
     WHERE h.agent_id = $1 AND m.state IN ('pending', 'active')) AS certificates,
    (SELECT count(*)::int FROM jobs WHERE agent_id = $1 AND status IN ('pending', 'awaiting_csr', 'running')) AS jobs`,
};
const lock = { name: 'agent-lock', text: `SELECT id, retired_at FROM agents WHERE id = $1 FOR UPDATE` };
const retire = {
  name: 'agent-retire',
  text: `WITH a AS (UPDATE agents SET retired_at = now(), retired_reason = $2 WHERE id = $1 RETURNING id),
    t AS (UPDATE targets SET retired_at = now(), retired_reason = 'its agent was retired', enabled = false, version = version + 1, updated_at = now()
          FROM a WHERE agent_id = a.id AND targets.retired_at IS NULL RETURNING targets.id),
    h AS (UPDATE certificate_holders SET renew_at = NULL, last_error = 'its agent was retired' FROM a WHERE agent_id = a.id),
    j AS (UPDATE jobs SET ${cancelled}
          FROM a WHERE agent_id = a.id AND (jobs.status IN ('pending', 'awaiting_csr', 'running') OR retryable) RETURNING jobs.id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'agent', id FROM a),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'retireAgent', 'agent', id, jsonb_build_object('reason', $2::text, 'targets', (SELECT count(*) FROM t), 'jobs', (SELECT count(*) FROM j)), 'cert_lifecycle' FROM a)
  SELECT id FROM a`,
};

interface Row {
  id: string;
  name: string;
  hostname: string;
  status: AgentStatus;
  status_reason: string | null;
  os: string;
  architecture: string;
  version: string;
  ip_address: string | null;
  capabilities: string[];
  clock_skew: number;
  public_key: Buffer;
  last_seen_at: Date;
  registered_at: Date;
  retired_at: Date | null;
  retired_reason: string | null;
}

export function agentStore(database: Database): AgentStore {
  const dependentsOf = async (session: Session, id: string): Promise<Dependents> => {
    const [row] = await session.query<{ targets: number; certificates: number; jobs: number }>(dependents, [id]);
    return { activeTargets: row?.targets ?? 0, activeCertificates: row?.certificates ?? 0, pendingJobs: row?.jobs ?? 0 };
  };
  return {
    list: (page, { name, status }) =>
      slice(
        database,
        agentList,
        page,
        [
          ['name = ?', name],
          ['status = ?', status],
        ],
        recordOf,
      ),
    async find(id) {
      const [row] = await database.query<Row>(find, [id]);
      return row && recordOf(row);
    },
    async enrol(tokenSha256, agent) {
      try {
        return await database.transaction((session) => enrolIn(session, tokenSha256, agent));
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'a live agent has this name, or some agent has this key', { cause: error });
        throw error;
      }
    },
    async note(id, facts) {
      const values = [
        facts.hostname,
        facts.os,
        facts.architecture,
        facts.version,
        facts.ipAddress ?? null,
        facts.capabilities,
        facts.clockSkew,
        facts.tooOld,
      ];
      return (await database.query(note, [id, ...values])).length === 1;
    },
    dependents: (id) => dependentsOf(database, id),
    async retire(id, reason, force, actor) {
      return database.transaction(async (session) => {
        const [row] = await session.query<{ retired_at: Date | null }>(lock, [id]);
        if (row === undefined) return undefined;
        if (row.retired_at !== null) return 'already';
        const left = await dependentsOf(session, id);
        if (!force && left.activeTargets + left.activeCertificates + left.pendingJobs > 0) return 'dependents';
        await session.query(retire, [id, reason, actor]);
        await leaveShares(session, id);
        return 'retired';
      });
    },
  };
}

async function enrolIn(
  session: Session,
  tokenSha256: Uint8Array,
  agent: { readonly id: string; readonly name: string; readonly publicKey: Uint8Array } & AgentFacts,
): Promise<AgentRecord> {
  const [token] = await session.query<{ id: string; name_pattern: string | null; agent_id: string | null; group_id: string | null }>(
    redeem,
    [tokenSha256],
  );
  if (token === undefined) throw new CaError('unauthenticated', 'the enrolment token is unknown, expired, revoked or used up');
  if (!nameFits(agent.name, token.name_pattern ?? undefined))
    throw new CaError('unauthorized', 'the enrolment token does not admit an agent of this name');
  const spkiSha256 = createHash('sha256').update(agent.publicKey).digest();
  const [row] =
    token.agent_id === null
      ? await session.query<Row>(insert, [
          agent.id,
          agent.name,
          agent.hostname,
          agent.publicKey,
          spkiSha256,
          agent.os,
          agent.architecture,
          agent.version,
          agent.ipAddress ?? null,
          agent.capabilities,
          agent.clockSkew,
          token.id,
          token.group_id,
        ])
      : await session.query<Row>(rekey, [token.agent_id, agent.publicKey, spkiSha256, agent.name, token.id]);
  if (row === undefined) throw new CaError('unauthorized', 'the enrolment token is for another agent, or for one that is retired');
  return recordOf(row);
}

function recordOf(row: Row): AgentRecord {
  return {
    id: row.id,
    name: row.name,
    hostname: row.hostname,
    status: row.status,
    statusReason: row.status_reason ?? undefined,
    os: row.os,
    architecture: row.architecture,
    version: row.version,
    ipAddress: row.ip_address ?? undefined,
    capabilities: row.capabilities,
    clockSkew: row.clock_skew,
    publicKey: row.public_key,
    lastSeenAt: row.last_seen_at,
    registeredAt: row.registered_at,
    retiredAt: row.retired_at ?? undefined,
    retiredReason: row.retired_reason ?? undefined,
  };
}
