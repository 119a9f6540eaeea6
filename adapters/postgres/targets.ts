import { connectorAgentId, connectorTargetTypes } from '#domain/agent/connector.ts';
import type { DriftPolicy, InspectionOutcome } from '#domain/agent/inspection.ts';
import type { FailureClass } from '#domain/agent/work.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database, type Session, type Statement } from './database.ts';
import { catchUp, withdrawn } from './deployments.ts';
import { slice, type Keyset } from './keyset.ts';
import { leaveShares } from './left-shares.ts';
import { cancelled } from './open-job.ts';

/** What is done about drift, and how often it is looked for. */
export interface TargetWatch {
  readonly onDrift: DriftPolicy;
  readonly inspectEverySeconds: number;
}

/** What was found at a target last; undefined members are not known. */
export interface TargetInspection {
  readonly outcome: InspectionOutcome | undefined;
  readonly at: Date | undefined;
  /** SHA-256, hex. */
  readonly expected: string | undefined;
  readonly observed: string | undefined;
  readonly source: 'served' | 'stored' | undefined;
  readonly serial: string | undefined;
  readonly notAfter: Date | undefined;
  readonly driftedSince: Date | undefined;
  readonly ready: boolean | undefined;
  readonly failureClass: FailureClass | undefined;
  readonly detail: string | undefined;
}

export interface TargetRecord extends TargetWatch {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly agentId: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** What the target itself calls its certificate. */
  readonly reference: string | undefined;
  readonly enabled: boolean;
  /** Attempts to deploy there, by how they ended; what is not in it did not happen. */
  readonly counters: Readonly<Record<string, number>>;
  readonly inspectAt: Date | undefined;
  readonly inspection: TargetInspection;
  readonly version: number;
  readonly retiredAt: Date | undefined;
  readonly retiredReason: string | undefined;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface TargetStore {
  list(page: PageRequest, filter: { readonly agent: string | undefined; readonly type: string | undefined }): Promise<Slice<TargetRecord>>;
  find(id: string): Promise<TargetRecord | undefined>;
  /** @throws {CaError} `conflict` for a name that the agent has, `malformed` for an agent that does not exist or is retired */
  create(
    target: {
      readonly id: string;
      readonly name: string;
      readonly type: string;
      readonly agentId: string;
      readonly config: Readonly<Record<string, unknown>>;
    } & TargetWatch,
    actor: string,
  ): Promise<TargetRecord>;
  /**
   * Switched off, its deployments are cancelled; switched on, what was issued meanwhile is deployed.
   *
   * @returns undefined when it has another version than expected, or is retired
   * @throws {CaError} `conflict` for a name that the agent has
   */
  replace(
    id: string,
    expected: number | undefined,
    to: { readonly name: string; readonly config: Readonly<Record<string, unknown>>; readonly enabled: boolean } & TargetWatch,
    actor: string,
  ): Promise<TargetRecord | undefined>;
  /** Retired, its certificates unmapped from it, its deployments cancelled; undefined when there is none. */
  retire(id: string, reason: string, actor: string): Promise<TargetRecord | undefined>;
}

const columns = `id, name, type, agent_id, config, reference, enabled, counters, on_drift, inspect_every_seconds, inspect_at, inspection, inspected_at, encode(expected, 'hex') AS expected,
  encode(observed, 'hex') AS observed, observed_source, observed_serial, observed_not_after, drifted_since, ready, failure_class, inspection_detail, version, retired_at,
  retired_reason, created_by, created_at, updated_at`;
export const targetList: Keyset = {
  columns,
  from: 'targets',
  id: 'id',
  idType: 'text',
  sorts: { created_at: { expression: 'created_at', type: 'timestamptz' }, name: { expression: 'name', type: 'text' } },
};
const find = { name: 'target', text: `SELECT ${columns} FROM targets WHERE id = $1` };
const create = {
  name: 'target-create',
  text: `WITH a AS (SELECT id FROM agents WHERE id = $4 AND retired_at IS NULL FOR SHARE),
    t AS (INSERT INTO targets (id, name, type, agent_id, config, created_by, on_drift, inspect_every_seconds) SELECT $1, $2, $3, a.id, $5, $6, $7, $8 FROM a RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $6, 'APIKey', 'createTarget', 'target', id, jsonb_build_object('name', name, 'type', type, 'agent', agent_id), 'cert_lifecycle' FROM t)
  SELECT * FROM t`,
};
// It has no key, so that no signature is its; retired, it comes back with its next target.
const makeConnector = {
  name: 'target-connector',
  text: `WITH a AS (INSERT INTO agents (id, name, hostname, public_key, spki_sha256, capabilities, enrolled_by)
           VALUES ('${connectorAgentId}', '${connectorAgentId}', '', '', '', $1, $2)
           ON CONFLICT (id) DO UPDATE SET retired_at = NULL, retired_reason = NULL, status = 'online' WHERE agents.retired_at IS NOT NULL RETURNING id)
  INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category) SELECT $2, 'APIKey', 'enrolAgent', 'agent', id, 'auth' FROM a`,
};
const lock = { name: 'target-lock', text: 'SELECT enabled FROM targets WHERE id = $1 FOR NO KEY UPDATE' };
const switchOff = {
  name: 'target-switch-off',
  text: withdrawn('(SELECT id FROM deployments WHERE target_id = $1) d', 'its target was switched off'),
};
const replace = {
  name: 'target-replace',
  text: `WITH t AS (UPDATE targets SET name = $3, config = $4, reference = CASE WHEN config ->> 'region' IS NOT DISTINCT FROM $4::jsonb ->> 'region' THEN reference END, enabled = $5, version = version + 1, updated_at = now(), on_drift = $7, inspect_every_seconds = $8,
                     inspect_at = CASE WHEN $7 <> 'ignore' AND EXISTS (SELECT FROM certificate_targets c WHERE c.target_id = targets.id AND c.deployed_id IS NOT NULL)
                       THEN now() END
                   WHERE id = $1 AND ($2::int IS NULL OR version = $2) AND retired_at IS NULL RETURNING ${columns}),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'agent', agent_id FROM t WHERE inspect_at IS NOT NULL),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $6, 'APIKey', 'replaceTarget', 'target', id, jsonb_build_object('version', version, 'enabled', enabled, 'on_drift', on_drift), 'cert_lifecycle' FROM t)
  SELECT * FROM t`,
};
// A certificate without targets on an agent is renewed there no more.
const retire = {
  name: 'target-retire',
  text: `WITH t AS (UPDATE targets SET retired_at = now(), retired_reason = $2, enabled = false, inspect_at = NULL, version = version + 1, updated_at = now()
                   WHERE id = $1 AND retired_at IS NULL RETURNING ${columns}),
    j AS (UPDATE jobs SET ${cancelled}
          FROM t WHERE jobs.status IN ('pending', 'running') AND ((jobs.type = 'inspection' AND jobs.subject_id = t.id)
            OR (jobs.type = 'deployment' AND jobs.subject_id IN (SELECT d.id FROM deployments d WHERE d.target_id = t.id)))),
    h AS (UPDATE certificate_holders SET renew_at = NULL, last_error = 'no target is left on its agent' FROM t
          WHERE certificate_holders.agent_id = t.agent_id
            AND EXISTS (SELECT FROM certificate_targets c WHERE c.certificate_id = certificate_holders.certificate_id AND c.target_id = t.id)
            AND NOT EXISTS (SELECT FROM certificate_targets c JOIN targets o ON o.id = c.target_id
                            WHERE c.certificate_id = certificate_holders.certificate_id AND o.agent_id = t.agent_id AND o.id <> t.id AND o.retired_at IS NULL)),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'retireTarget', 'target', id, jsonb_build_object('reason', $2::text), 'cert_lifecycle' FROM t)
  SELECT * FROM t UNION ALL SELECT ${columns} FROM targets WHERE id = $1 AND retired_at IS NOT NULL`,
};

interface Row {
  id: string;
  name: string;
  type: string;
  agent_id: string;
  config: Record<string, unknown>;
  reference: string | null;
  enabled: boolean;
  counters: Record<string, number>;
  on_drift: DriftPolicy;
  inspect_every_seconds: number;
  inspect_at: Date | null;
  inspection: InspectionOutcome | null;
  inspected_at: Date | null;
  expected: string | null;
  observed: string | null;
  observed_source: 'served' | 'stored' | null;
  observed_serial: string | null;
  observed_not_after: Date | null;
  drifted_since: Date | null;
  ready: boolean | null;
  failure_class: FailureClass | null;
  inspection_detail: string | null;
  version: number;
  retired_at: Date | null;
  retired_reason: string | null;
  created_by: string;
  created_at: Date;
  updated_at: Date;
}

export function targetStore(database: Database): TargetStore {
  const one = async (statement: Statement, values: readonly unknown[], session: Session = database): Promise<TargetRecord | undefined> => {
    try {
      const [row] = await session.query<Row>(statement, values);
      return row && recordOf(row);
    } catch (error) {
      if (isDuplicate(error)) throw new CaError('conflict', 'a target of this agent has this name', { cause: error });
      throw error;
    }
  };
  return {
    list: (page, { agent, type }) =>
      slice(
        database,
        targetList,
        page,
        [
          ['agent_id = ?', agent],
          ['type = ?', type],
        ],
        recordOf,
      ),
    find: (id) => one(find, [id]),
    async create(target, actor) {
      const { id, name, type, agentId, config, onDrift, inspectEverySeconds } = target;
      if (agentId === connectorAgentId) await database.query(makeConnector, [[...connectorTargetTypes, 'inspection'], actor]);
      const made = await one(create, [id, name, type, agentId, JSON.stringify(config), actor, onDrift, inspectEverySeconds]);
      if (made === undefined) throw new CaError('malformed', 'the body: agent: no such agent, or it is retired');
      return made;
    },
    replace: (id, expected, { name, config, enabled, onDrift, inspectEverySeconds }, actor) =>
      database.transaction(async (session) => {
        const [before] = await session.query<{ enabled: boolean }>(lock, [id]);
        const given = [id, expected ?? null, name, JSON.stringify(config), enabled, actor, onDrift, inspectEverySeconds];
        const replaced = await one(replace, given, session);
        if (replaced === undefined || before?.enabled === enabled) return replaced;
        if (enabled) await catchUp(session, { target: id }, actor);
        else await session.query(switchOff, [id]);
        return replaced;
      }),
    retire: (id, reason, actor) =>
      database.transaction(async (session) => {
        const retired = await one(retire, [id, reason, actor], session);
        if (retired !== undefined) await leaveShares(session, retired.agentId);
        return retired;
      }),
  };
}

function recordOf(row: Row): TargetRecord {
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    agentId: row.agent_id,
    config: row.config,
    reference: row.reference ?? undefined,
    enabled: row.enabled,
    counters: row.counters,
    onDrift: row.on_drift,
    inspectEverySeconds: row.inspect_every_seconds,
    inspectAt: row.inspect_at ?? undefined,
    inspection: {
      outcome: row.inspection ?? undefined,
      at: row.inspected_at ?? undefined,
      expected: row.expected ?? undefined,
      observed: row.observed ?? undefined,
      source: row.observed_source ?? undefined,
      serial: row.observed_serial ?? undefined,
      notAfter: row.observed_not_after ?? undefined,
      driftedSince: row.drifted_since ?? undefined,
      ready: row.ready ?? undefined,
      failureClass: row.failure_class ?? undefined,
      detail: row.inspection_detail ?? undefined,
    },
    version: row.version,
    retiredAt: row.retired_at ?? undefined,
    retiredReason: row.retired_reason ?? undefined,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
