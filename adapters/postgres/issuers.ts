import type { Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database } from './database.ts';
import { slice, within, type Keyset } from './keyset.ts';

export interface IssuerRecord {
  readonly id: string;
  readonly name: string;
  readonly type: 'local' | 'aws-private-ca';
  readonly config: Readonly<Record<string, string | number | boolean>>;
  readonly enabled: boolean;
  readonly version: number;
  readonly createdAt: Date;
}

export interface IssuerStore {
  list(page: PageRequest, filter: { readonly type: IssuerRecord['type'] | undefined; readonly reach: Reach }): Promise<Slice<IssuerRecord>>;
  find(id: string): Promise<IssuerRecord | undefined>;
  /** @throws {CaError} `conflict` */
  create(issuer: Pick<IssuerRecord, 'id' | 'name' | 'type' | 'config'>, actor: string): Promise<IssuerRecord>;
  /** Undefined when it has another version by now. */
  setEnabled(id: string, enabled: boolean, expected: number | undefined, actor: string): Promise<IssuerRecord | undefined>;
}

const columns = 'id, name, type, config, enabled, version, created_at';
export const issuerList: Keyset = {
  columns,
  from: 'issuers',
  id: 'id',
  idType: 'text',
  sorts: { name: { expression: 'name', type: 'text' }, created_at: { expression: 'created_at', type: 'timestamptz' } },
};
const find = { name: 'issuer', text: `SELECT ${columns} FROM issuers WHERE id = $1` };
const create = {
  name: 'issuer-create',
  text: `WITH i AS (INSERT INTO issuers (id, name, type, config, created_by) VALUES ($1, $2, $3, $4, $5) RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $5, 'APIKey', 'createIssuer', 'issuer', id, jsonb_build_object('name', name, 'type', type, 'config', config), 'config' FROM i)
  SELECT * FROM i`,
};
const setEnabled = {
  name: 'issuer-enabled',
  text: `WITH i AS (UPDATE issuers SET enabled = $2, version = version + 1, updated_at = now() WHERE id = $1 AND ($4::int IS NULL OR version = $4) RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'setIssuerEnabled', 'issuer', id, jsonb_build_object('enabled', enabled), 'config' FROM i)
  SELECT * FROM i`,
};

interface Row {
  id: string;
  name: string;
  type: IssuerRecord['type'];
  config: Record<string, string | number | boolean>;
  enabled: boolean;
  version: number;
  created_at: Date;
}

export function issuerStore(database: Database): IssuerStore {
  return {
    list: (page, { type, reach }) => slice(database, issuerList, page, [['type = ?', type], within(reach, { issuer: 'id' })], recordOf),
    async find(id) {
      const [row] = await database.query<Row>(find, [id]);
      return row && recordOf(row);
    },
    async create(issuer, actor) {
      try {
        const [row] = await database.query<Row>(create, [issuer.id, issuer.name, issuer.type, JSON.stringify(issuer.config), actor]);
        if (row === undefined) throw new Error('no row');
        return recordOf(row);
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'an issuer with this name exists', { cause: error });
        throw error;
      }
    },
    async setEnabled(id, enabled, expected, actor) {
      const [row] = await database.query<Row>(setEnabled, [id, enabled, actor, expected ?? null]);
      return row && recordOf(row);
    },
  };
}

function recordOf(row: Row): IssuerRecord {
  const { id, name, type, config, enabled, version, created_at: createdAt } = row;
  return { id, name, type, config, enabled, version, createdAt };
}
