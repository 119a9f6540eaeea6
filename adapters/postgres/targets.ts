import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database } from './database.ts';
import { slice, type Keyset } from './keyset.ts';

export interface TargetRecord {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly agentId: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly enabled: boolean;
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
    },
    actor: string,
  ): Promise<TargetRecord>;
  /** Undefined when it has another version than expected, or is retired. @throws {CaError} `conflict` for a name that the agent has */
  replace(
    id: string,
    expected: number | undefined,
    to: { readonly name: string; readonly config: Readonly<Record<string, unknown>>; readonly enabled: boolean },
    actor: string,
  ): Promise<TargetRecord | undefined>;
  /** Retired, its certificates unmapped from it, its deployments cancelled; undefined when there is none. */
  retire(id: string, reason: string, actor: string): Promise<TargetRecord | undefined>;
}

const columns = 'id, name, type, agent_id, config, enabled, version, retired_at, retired_reason, created_by, created_at, updated_at';
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
    t AS (INSERT INTO targets (id, name, type, agent_id, config, created_by) SELECT $1, $2, $3, a.id, $5, $6 FROM a RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $6, 'APIKey', 'createTarget', 'target', id, jsonb_build_object('name', name, 'type', type, 'agent', agent_id), 'cert_lifecycle' FROM t)
  SELECT * FROM t`,
};
const replace = {
  name: 'target-replace',
  text: `WITH t AS (UPDATE targets SET name = $3, config = $4, enabled = $5, version = version + 1, updated_at = now()
                   WHERE id = $1 AND ($2::int IS NULL OR version = $2) AND retired_at IS NULL RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $6, 'APIKey', 'replaceTarget', 'target', id, jsonb_build_object('version', version, 'enabled', enabled), 'cert_lifecycle' FROM t)
  SELECT * FROM t`,
};
// A certificate without targets on an agent is renewed there no more.
const retire = {
  name: 'target-retire',
  text: `WITH t AS (UPDATE targets SET retired_at = now(), retired_reason = $2, enabled = false, version = version + 1, updated_at = now()
                   WHERE id = $1 AND retired_at IS NULL RETURNING ${columns}),
    j AS (UPDATE jobs SET status = 'cancelled', completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL
          FROM t, deployments d WHERE d.target_id = t.id AND jobs.subject_id = d.id AND jobs.type = 'deployment' AND jobs.status IN ('pending', 'running')),
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
  enabled: boolean;
  version: number;
  retired_at: Date | null;
  retired_reason: string | null;
  created_by: string;
  created_at: Date;
  updated_at: Date;
}

export function targetStore(database: Database): TargetStore {
  const one = async (statement: { name: string; text: string }, values: readonly unknown[]): Promise<TargetRecord | undefined> => {
    try {
      const [row] = await database.query<Row>(statement, values);
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
      const made = await one(create, [target.id, target.name, target.type, target.agentId, JSON.stringify(target.config), actor]);
      if (made === undefined) throw new CaError('malformed', 'the body: agent: no such agent, or it is retired');
      return made;
    },
    replace: (id, expected, to, actor) => one(replace, [id, expected ?? null, to.name, JSON.stringify(to.config), to.enabled, actor]),
    retire: (id, reason, actor) => one(retire, [id, reason, actor]),
  };
}

function recordOf(row: Row): TargetRecord {
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    agentId: row.agent_id,
    config: row.config,
    enabled: row.enabled,
    version: row.version,
    retiredAt: row.retired_at ?? undefined,
    retiredReason: row.retired_reason ?? undefined,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
