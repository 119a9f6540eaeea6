import type { Grant, Scope } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database, type Session } from './database.ts';
import { slice, type Keyset } from './keyset.ts';

export interface GrantRecord extends Grant {
  readonly expiresAt: Date | undefined;
}

/** An API key without its secret. */
export interface ApiKeyRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly tokenPrefix: string | undefined;
  readonly grants: readonly GrantRecord[];
  readonly ownerId: string | undefined;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  readonly lastUsedAt: Date | undefined;
  readonly endedAt: Date | undefined;
  /** Until when the secret before the last rotation is still taken. */
  readonly previousExpiresAt: Date | undefined;
}

export interface NewGrant extends GrantRecord {
  readonly grantId: string;
}

export interface ApiKeys {
  /** By id, newest first, from before one. */
  list(page: PageRequest, filter: { readonly name: string | undefined }): Promise<Slice<ApiKeyRecord>>;
  get(id: string): Promise<ApiKeyRecord | undefined>;
  /** Key, grants and audit rows in one commit. @throws {CaError} `conflict` for a name in use, `malformed` for a scope that does not exist */
  create(
    key: {
      readonly id: string;
      readonly name: string;
      readonly description: string;
      readonly tokenSha256: Uint8Array;
      readonly tokenPrefix: string;
      readonly expiresAt: Date | undefined;
      readonly ownerId: string | undefined;
      readonly grants: readonly NewGrant[];
    },
    actor: string,
  ): Promise<ApiKeyRecord>;
  /** The secret that was current lives on for a while; undefined when there is no such key, or it has ended. */
  rotate(
    id: string,
    secret: { readonly sha256: Uint8Array; readonly prefix: string; readonly overlapSeconds: number },
    actor: string,
  ): Promise<ApiKeyRecord | undefined>;
  /** @throws {CaError} `conflict` for the last key of a global admin */
  end(id: string, actor: string): Promise<ApiKeyRecord | undefined>;
  /** @throws {CaError} `malformed` for a scope that does not exist */
  grant(id: string, grant: NewGrant, actor: string): Promise<ApiKeyRecord | undefined>;
  /** Without a scope all of the role's grants. @throws {CaError} `conflict` for the last global admin */
  revoke(id: string, role: string, scope: Scope | undefined, actor: string): Promise<ApiKeyRecord | undefined>;
}

const columns = `k.id, k.name, k.description, k.token_prefix, k.owner_id, k.created_by, k.created_at, k.expires_at, k.last_used_at, k.ended_at, k.previous_expires_at,
  coalesce((SELECT jsonb_agg(jsonb_build_object('role', g.role, 'type', g.scope_type, 'id', g.scope_id, 'expiresAt', g.expires_at) ORDER BY g.id)
            FROM api_key_grants g WHERE g.key_id = k.id), '[]') AS grants`;
export const apiKeyList: Keyset = {
  columns,
  from: 'api_keys k',
  id: 'k.id',
  idType: 'text',
  sorts: { created_at: { expression: 'k.created_at', type: 'timestamptz' }, name: { expression: 'k.name', type: 'text' } },
};
const get = { name: 'api-key', text: `SELECT ${columns} FROM api_keys k WHERE k.id = $1` };
const insert = {
  name: 'api-key-create',
  text: `WITH k AS (
      INSERT INTO api_keys (id, name, description, token_sha256, token_prefix, role, expires_at, created_by, owner_id)
      VALUES ($1, $2, $3, $4, $5, 'granted', $6, $7, $8) RETURNING id, name)
    INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
    SELECT $7, 'APIKey', 'createApiKey', 'api_key', id, jsonb_build_object('name', name), 'auth' FROM k`,
};
const insertGrant = {
  name: 'api-key-grant',
  text: `WITH k AS (SELECT id FROM api_keys WHERE id = $2 AND ended_at IS NULL FOR UPDATE),
    g AS (
      INSERT INTO api_key_grants (id, key_id, role, scope_type, scope_id, expires_at, granted_by)
      SELECT $1, k.id, $3, $4, $5, $6, $7 FROM k
      WHERE $4 = 'global' OR ($4 = 'profile' AND EXISTS (SELECT FROM profiles WHERE id = $5)) OR ($4 = 'issuer' AND EXISTS (SELECT FROM issuers WHERE id = $5))
      ON CONFLICT (key_id, role, scope_type, scope_id) DO UPDATE SET expires_at = excluded.expires_at RETURNING key_id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $7, 'APIKey', 'grantRole', 'api_key', key_id, jsonb_build_object('role', $3::text, 'scope_type', $4::text, 'scope_id', $5::text), 'auth' FROM g)
  SELECT (SELECT count(*) FROM k)::int AS keys, (SELECT count(*) FROM g)::int AS grants`,
};
const rotate = {
  name: 'api-key-rotate',
  text: `WITH k AS (
      UPDATE api_keys SET previous_token_sha256 = token_sha256, previous_expires_at = now() + make_interval(secs => $4), token_sha256 = $2, token_prefix = $3
      WHERE id = $1 AND ended_at IS NULL RETURNING id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $5, 'APIKey', 'rotateApiKey', 'api_key', id, jsonb_build_object('overlap_seconds', $4::int), 'auth' FROM k)
  SELECT count(*)::int AS n FROM k`,
};
const end = {
  name: 'api-key-end',
  text: `WITH k AS (UPDATE api_keys SET ended_at = now() WHERE id = $1 AND ended_at IS NULL RETURNING id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT $2, 'APIKey', 'deleteApiKey', 'api_key', id, 'auth' FROM k)
  SELECT count(*)::int AS n FROM k`,
};
const revoke = {
  name: 'api-key-revoke',
  text: `WITH g AS (DELETE FROM api_key_grants WHERE key_id = $1 AND role = $2 AND ($3::text IS NULL OR (scope_type = $3 AND scope_id IS NOT DISTINCT FROM $4))
                    RETURNING key_id, role, scope_type, scope_id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $5, 'APIKey', 'revokeRole', 'api_key', key_id, jsonb_build_object('role', role, 'scope_type', scope_type, 'scope_id', scope_id), 'auth' FROM g)
  SELECT count(*)::int AS n FROM g`,
};
// Two admins who end each other at once meet here: the second waits, and then sees what the first has done.
const lockAdmins = {
  name: 'api-key-admins',
  text: `SELECT g.key_id FROM api_key_grants g JOIN api_keys k ON k.id = g.key_id WHERE g.role = 'r-admin' AND g.scope_type = 'global' ORDER BY g.key_id
         FOR UPDATE OF g, k`,
};
const adminsLeft = {
  name: 'api-key-admins-left',
  text: `SELECT count(*)::int AS n FROM api_key_grants g JOIN api_keys k ON k.id = g.key_id
         WHERE g.role = 'r-admin' AND g.scope_type = 'global' AND (g.expires_at IS NULL OR g.expires_at > now())
           AND k.ended_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())`,
};

interface Row {
  id: string;
  name: string;
  description: string;
  token_prefix: string | null;
  grants: { role: string; type: Scope['type']; id: string | null; expiresAt: string | null }[];
  owner_id: string | null;
  created_by: string;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
  ended_at: Date | null;
  previous_expires_at: Date | null;
}

export function apiKeys(database: Database): ApiKeys {
  const found = async (session: Session, id: string): Promise<ApiKeyRecord | undefined> => {
    const [row] = await session.query<Row>(get, [id]);
    return row && recordOf(row);
  };
  const add = async (session: Session, keyId: string, grant: NewGrant, actor: string): Promise<boolean> => {
    const values = [grant.grantId, keyId, grant.role, grant.type, grant.id, grant.expiresAt ?? null, actor];
    const [row] = await session.query<{ keys: number; grants: number }>(insertGrant, values);
    if (row?.keys === 1 && row.grants === 0) throw new CaError('malformed', `the body: scope_id: no such ${grant.type}`);
    return row?.keys === 1;
  };
  /** Runs a change that takes rights away, unless nobody could administer the platform afterwards. */
  const keepingAnAdmin = (work: (session: Session) => Promise<ApiKeyRecord | undefined>): Promise<ApiKeyRecord | undefined> =>
    database.transaction(async (session) => {
      await session.query(lockAdmins, []);
      const result = await work(session);
      const [left] = await session.query<{ n: number }>(adminsLeft, []);
      if (left?.n === 0) throw new CaError('conflict', 'the last key with r-admin everywhere stays: make another one first');
      return result;
    });
  return {
    list: (page, { name }) => slice(database, apiKeyList, page, [['k.name = ?', name]], recordOf),
    get: (id) => found(database, id),
    async create(key, actor) {
      try {
        return await database.transaction(async (session) => {
          await session.query(insert, [
            key.id,
            key.name,
            key.description,
            key.tokenSha256,
            key.tokenPrefix,
            key.expiresAt ?? null,
            actor,
            key.ownerId ?? null,
          ]);
          for (const grant of key.grants) await add(session, key.id, grant, actor);
          const made = await found(session, key.id);
          if (made === undefined) throw new Error('no row');
          return made;
        });
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'a key with this name exists', { cause: error });
        if ((error as { code?: string }).code === '23503')
          throw new CaError('malformed', 'the body: owner: no such owner', { cause: error });
        throw error;
      }
    },
    async rotate(id, secret, actor) {
      const [row] = await database.query<{ n: number }>(rotate, [id, secret.sha256, secret.prefix, secret.overlapSeconds, actor]);
      return row?.n === 1 ? found(database, id) : undefined;
    },
    end: (id, actor) =>
      keepingAnAdmin(async (session) => {
        await session.query(end, [id, actor]);
        return found(session, id);
      }),
    grant: (id, grant, actor) =>
      database.transaction(async (session) => ((await add(session, id, grant, actor)) ? found(session, id) : undefined)),
    revoke: (id, role, scope, actor) =>
      keepingAnAdmin(async (session) => {
        const [row] = await session.query<{ n: number }>(revoke, [id, role, scope?.type ?? null, scope?.id ?? null, actor]);
        return scope !== undefined && row?.n === 0 ? undefined : found(session, id);
      }),
  };
}

function recordOf(row: Row): ApiKeyRecord {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    tokenPrefix: row.token_prefix ?? undefined,
    grants: row.grants.map(({ expiresAt, ...grant }) => ({ ...grant, expiresAt: expiresAt === null ? undefined : new Date(expiresAt) })),
    ownerId: row.owner_id ?? undefined,
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    previousExpiresAt: row.previous_expires_at ?? undefined,
  };
}
