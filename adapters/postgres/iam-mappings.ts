import type { IamPrincipal } from '#domain/access/iam-principal.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database, type Session } from './database.ts';
import { slice, type Keyset } from './keyset.ts';

/** A grant as a mapping holds it, in the words of the contract. */
export interface MappedRole {
  readonly role: string;
  readonly scope_type: 'global' | 'profile' | 'issuer';
  readonly scope_id: string | null;
  /** RFC 3339 */
  readonly expires_at: string | null;
}

/** What an AWS identity may do. */
export interface IamMappingRecord {
  readonly id: string;
  readonly principal: string;
  readonly actor: string;
  readonly description: string;
  readonly roles: readonly MappedRole[];
  readonly ownerId: string | undefined;
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly lastUsedAt: Date | undefined;
  readonly endedAt: Date | undefined;
}

export interface IamMappings {
  list(page: PageRequest, filter: { readonly principal: string | undefined }): Promise<Slice<IamMappingRecord>>;
  find(id: string): Promise<IamMappingRecord | undefined>;
  /** @throws {CaError} `conflict` while the identity has a mapping, `malformed` for a scope or an owner that does not exist */
  create(
    mapping: {
      readonly id: string;
      readonly principal: IamPrincipal;
      readonly description: string;
      readonly roles: readonly MappedRole[];
      readonly ownerId: string | undefined;
    },
    actor: string,
  ): Promise<IamMappingRecord>;
  /** Undefined when it has another version than expected, or has ended. @throws {CaError} `malformed` for a scope that does not exist */
  replace(
    id: string,
    values: { readonly description: string; readonly roles: readonly MappedRole[] },
    expected: number,
    actor: string,
  ): Promise<IamMappingRecord | undefined>;
  /** Undefined when it has another version than expected, or has ended before. */
  end(id: string, expected: number, actor: string): Promise<IamMappingRecord | undefined>;
}

const columns = `m.id, m.principal, m.actor, m.description, m.roles, m.owner_id, m.version, m.created_by, m.created_at, m.updated_at, m.last_used_at, m.ended_at`;
export const iamMappingList: Keyset = {
  columns,
  from: 'iam_principal_mappings m',
  id: 'm.id',
  idType: 'text',
  sorts: { created_at: { expression: 'm.created_at', type: 'timestamptz' } },
};
const find = { name: 'iam-mapping', text: `SELECT ${columns} FROM iam_principal_mappings m WHERE m.id = $1` };
const missingScope = {
  name: 'iam-mapping-missing-scope',
  text: `SELECT g.scope_type FROM jsonb_to_recordset($1::jsonb) AS g (scope_type text, scope_id text)
    WHERE (g.scope_type = 'profile' AND NOT EXISTS (SELECT FROM profiles WHERE id = g.scope_id))
       OR (g.scope_type = 'issuer' AND NOT EXISTS (SELECT FROM issuers WHERE id = g.scope_id)) LIMIT 1`,
};
const audit = (action: string, actor: string): string =>
  `l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
     SELECT ${actor}, 'APIKey', '${action}', 'iam_mapping', id, jsonb_build_object('principal', principal, 'roles', roles, 'version', version), 'auth' FROM m)`;
const create = {
  name: 'iam-mapping-create',
  text: `WITH m AS (INSERT INTO iam_principal_mappings (id, principal, actor, description, roles, owner_id, created_by)
                    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *), ${audit('createIamMapping', '$7')} SELECT ${columns} FROM m`,
};
const replace = {
  name: 'iam-mapping-replace',
  text: `WITH m AS (UPDATE iam_principal_mappings SET description = $2, roles = $3, version = version + 1, updated_at = now()
                    WHERE id = $1 AND version = $4 AND ended_at IS NULL RETURNING *), ${audit('replaceIamMapping', '$5')} SELECT ${columns} FROM m`,
};
const end = {
  name: 'iam-mapping-end',
  text: `WITH m AS (UPDATE iam_principal_mappings SET ended_at = now(), version = version + 1, updated_at = now()
                    WHERE id = $1 AND version = $2 AND ended_at IS NULL RETURNING *), ${audit('deleteIamMapping', '$3')} SELECT ${columns} FROM m`,
};

/** Mappings of AWS identities; state and audit row in one commit. */
export function iamMappings(database: Database): IamMappings {
  const assertScopes = async (session: Session, roles: string): Promise<void> => {
    const [missing] = await session.query<{ scope_type: string }>(missingScope, [roles]);
    if (missing !== undefined) throw new CaError('malformed', `the body: roles: scope_id: no such ${missing.scope_type}`);
  };
  return {
    list: (page, { principal }) => slice(database, iamMappingList, page, [['m.principal = ?', principal]], recordOf),
    async find(id) {
      const [row] = await database.query<Row>(find, [id]);
      return row && recordOf(row);
    },
    async create({ id, principal, description, roles, ownerId }, actor) {
      const given = JSON.stringify(roles);
      try {
        return await database.transaction(async (session) => {
          await assertScopes(session, given);
          const [row] = await session.query<Row>(create, [id, principal.arn, principal.actor, description, given, ownerId ?? null, actor]);
          if (row === undefined) throw new Error('no row');
          return recordOf(row);
        });
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'the identity has a mapping: replace or delete that one', { cause: error });
        if ((error as { code?: string }).code === '23503')
          throw new CaError('malformed', 'the body: owner: no such owner', { cause: error });
        throw error;
      }
    },
    replace: (id, { description, roles }, expected, actor) =>
      database.transaction(async (session) => {
        const given = JSON.stringify(roles);
        await assertScopes(session, given);
        const [row] = await session.query<Row>(replace, [id, description, given, expected, actor]);
        return row && recordOf(row);
      }),
    async end(id, expected, actor) {
      const [row] = await database.query<Row>(end, [id, expected, actor]);
      return row && recordOf(row);
    },
  };
}

interface Row {
  id: string;
  principal: string;
  actor: string;
  description: string;
  roles: MappedRole[];
  owner_id: string | null;
  version: number;
  created_by: string;
  created_at: Date;
  updated_at: Date;
  last_used_at: Date | null;
  ended_at: Date | null;
}

function recordOf(row: Row): IamMappingRecord {
  return {
    id: row.id,
    principal: row.principal,
    actor: row.actor,
    description: row.description,
    roles: row.roles,
    ownerId: row.owner_id ?? undefined,
    version: row.version,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastUsedAt: row.last_used_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
  };
}
