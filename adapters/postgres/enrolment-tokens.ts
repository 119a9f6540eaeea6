import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database } from './database.ts';
import { slice, type Keyset } from './keyset.ts';

/** An enrolment token without its secret. */
export interface EnrolmentTokenRecord {
  readonly id: string;
  /** How the secret begins. */
  readonly tokenPrefix: string;
  readonly description: string;
  readonly namePattern: string | undefined;
  /** The agent that may come back under a new key. */
  readonly agentId: string | undefined;
  /** The group that its agents are put into. */
  readonly groupId: string | undefined;
  readonly maxUses: number;
  readonly uses: number;
  readonly expiresAt: Date;
  readonly revokedAt: Date | undefined;
  readonly createdBy: string;
  readonly createdAt: Date;
}

export interface EnrolmentTokens {
  list(page: PageRequest, filter: { readonly agent: string | undefined }): Promise<Slice<EnrolmentTokenRecord>>;
  /** @throws {CaError} `malformed` when the agent or the group does not exist */
  create(
    token: {
      readonly id: string;
      readonly sha256: Uint8Array;
      readonly prefix: string;
      readonly description: string;
      readonly namePattern: string | undefined;
      readonly agentId: string | undefined;
      readonly groupId: string | undefined;
      readonly maxUses: number;
      readonly ttlSeconds: number;
    },
    actor: string,
  ): Promise<EnrolmentTokenRecord>;
  /** Undefined when there is none. */
  revoke(id: string, actor: string): Promise<EnrolmentTokenRecord | undefined>;
}

const columns =
  'id, token_prefix, description, name_pattern, agent_id, group_id, max_uses, uses, expires_at, revoked_at, created_by, created_at';
export const enrolmentTokenList: Keyset = {
  columns,
  from: 'agent_enrolment_tokens',
  id: 'id',
  idType: 'text',
  sorts: { created_at: { expression: 'created_at', type: 'timestamptz' }, expires_at: { expression: 'expires_at', type: 'timestamptz' } },
};
const create = {
  name: 'enrolment-token-create',
  text: `WITH t AS (
      INSERT INTO agent_enrolment_tokens (id, token_sha256, token_prefix, description, name_pattern, agent_id, max_uses, expires_at, created_by, group_id)
      VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8), $9, $10) RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $9, 'APIKey', 'createEnrolmentToken', 'agent_enrolment_token', id,
                 jsonb_build_object('max_uses', max_uses, 'name_pattern', name_pattern, 'agent', agent_id, 'group', group_id, 'expires_at', expires_at), 'auth' FROM t)
  SELECT ${columns} FROM t`,
};
const revoke = {
  name: 'enrolment-token-revoke',
  text: `WITH t AS (UPDATE agent_enrolment_tokens SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT $2, 'APIKey', 'revokeEnrolmentToken', 'agent_enrolment_token', id, 'auth' FROM t)
  SELECT ${columns} FROM t UNION ALL SELECT ${columns} FROM agent_enrolment_tokens WHERE id = $1 AND revoked_at IS NOT NULL`,
};

interface Row {
  id: string;
  token_prefix: string;
  description: string;
  name_pattern: string | null;
  agent_id: string | null;
  group_id: string | null;
  max_uses: number;
  uses: number;
  expires_at: Date;
  revoked_at: Date | null;
  created_by: string;
  created_at: Date;
}

export function enrolmentTokens(database: Database): EnrolmentTokens {
  return {
    list: (page, { agent }) => slice(database, enrolmentTokenList, page, [['agent_id = ?', agent]], recordOf),
    async create(token, actor) {
      try {
        const [row] = await database.query<Row>(create, [
          token.id,
          token.sha256,
          token.prefix,
          token.description,
          token.namePattern ?? null,
          token.agentId ?? null,
          token.maxUses,
          token.ttlSeconds,
          actor,
          token.groupId ?? null,
        ]);
        if (row === undefined) throw new Error('no row');
        return recordOf(row);
      } catch (error) {
        if ((error as { code?: string }).code === '23503')
          throw new CaError('malformed', 'the body: no such agent, or no such group', { cause: error });
        throw error;
      }
    },
    async revoke(id, actor) {
      const [row] = await database.query<Row>(revoke, [id, actor]);
      return row && recordOf(row);
    },
  };
}

function recordOf(row: Row): EnrolmentTokenRecord {
  return {
    id: row.id,
    tokenPrefix: row.token_prefix,
    description: row.description,
    namePattern: row.name_pattern ?? undefined,
    agentId: row.agent_id ?? undefined,
    groupId: row.group_id ?? undefined,
    maxUses: row.max_uses,
    uses: row.uses,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}
