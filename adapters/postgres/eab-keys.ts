import type { Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database } from './database.ts';
import { slice, within, type Keyset } from './keyset.ts';

/** An EAB key without its secret. */
export interface EabKeyRecord {
  readonly id: string;
  readonly profileId: string;
  readonly description: string;
  readonly allowedNames: readonly string[] | undefined;
  readonly maxUses: number;
  readonly uses: number;
  readonly expiresAt: Date | undefined;
  readonly disabledAt: Date | undefined;
  readonly createdBy: string;
  readonly createdAt: Date;
}

export interface EabKeyAdministration {
  list(page: PageRequest, filter: { readonly profile: string | undefined; readonly reach: Reach }): Promise<Slice<EabKeyRecord>>;
  get(id: string): Promise<EabKeyRecord | undefined>;
  /** @throws {CaError} `malformed` when the profile does not exist */
  create(key: {
    readonly id: string;
    readonly profileId: string;
    readonly description: string;
    readonly sealedHmac: Uint8Array;
    readonly allowedNames: readonly string[] | undefined;
    readonly maxUses: number;
    readonly expiresAt: Date | undefined;
    readonly actor: string;
  }): Promise<EabKeyRecord>;
  /** Also blocks, or unblocks, the accounts that were made with the key; undefined when there is none. */
  setEnabled(id: string, enabled: boolean, actor: string): Promise<EabKeyRecord | undefined>;
}

interface Row {
  id: string;
  profile_id: string;
  description: string;
  allowed_names: string[] | null;
  max_uses: number;
  uses: number;
  expires_at: Date | null;
  disabled_at: Date | null;
  created_by: string;
  created_at: Date;
}

const columns = 'id, profile_id, description, allowed_names, max_uses, uses, expires_at, disabled_at, created_by, created_at';
export const eabKeyList: Keyset = {
  columns,
  from: 'eab_keys',
  id: 'id',
  idType: 'text',
  sorts: { created_at: { expression: 'created_at', type: 'timestamptz' } },
};
const get = { name: 'eab-key', text: `SELECT ${columns} FROM eab_keys WHERE id = $1` };
const insert = {
  name: 'eab-key-create',
  text: `WITH k AS (
      INSERT INTO eab_keys (id, profile_id, description, sealed_hmac, allowed_names, max_uses, expires_at, created_by)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $8, 'APIKey', 'createEabKey', 'eab_key', id, jsonb_build_object('profile', profile_id, 'max_uses', max_uses), 'auth' FROM k)
    SELECT ${columns} FROM k`,
};
const enable = {
  name: 'eab-key-enable',
  text: `WITH k AS (UPDATE eab_keys SET disabled_at = CASE WHEN $2 THEN NULL ELSE coalesce(disabled_at, now()) END WHERE id = $1 RETURNING ${columns}),
    a AS (UPDATE acme_accounts SET blocked_at = k.disabled_at, updated_at = now() FROM k WHERE eab_key_id = k.id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT $3, 'APIKey', CASE WHEN $2 THEN 'enableEabKey' ELSE 'disableEabKey' END, 'eab_key', id, 'auth' FROM k)
    SELECT ${columns} FROM k`,
};

export function eabKeyAdministration(database: Database): EabKeyAdministration {
  return {
    list: (page, { profile, reach }) =>
      slice(database, eabKeyList, page, [['profile_id = ?', profile], within(reach, { profile: 'profile_id' })], record),
    async get(id) {
      const [row] = await database.query<Row>(get, [id]);
      return row && record(row);
    },
    async create(key) {
      try {
        const [row] = await database.query<Row>(insert, [
          key.id,
          key.profileId,
          key.description,
          key.sealedHmac,
          key.allowedNames ?? null,
          key.maxUses,
          key.expiresAt ?? null,
          key.actor,
        ]);
        if (row === undefined) throw new Error('no row');
        return record(row);
      } catch (error) {
        if ((error as { code?: string }).code === '23503')
          throw new CaError('malformed', 'the body: profile: no such profile', { cause: error });
        throw error;
      }
    },
    async setEnabled(id, enabled, actor) {
      const [row] = await database.query<Row>(enable, [id, enabled, actor]);
      return row && record(row);
    },
  };
}

function record(row: Row): EabKeyRecord {
  return {
    id: row.id,
    profileId: row.profile_id,
    description: row.description,
    allowedNames: row.allowed_names ?? undefined,
    maxUses: row.max_uses,
    uses: row.uses,
    expiresAt: row.expires_at ?? undefined,
    disabledAt: row.disabled_at ?? undefined,
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}
