import { CaError } from '#domain/error.ts';
import { isDuplicate, type Database } from './database.ts';

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
  list(): Promise<readonly IssuerRecord[]>;
  /** @throws {CaError} `conflict` */
  create(issuer: Pick<IssuerRecord, 'id' | 'name' | 'type' | 'config'>, actor: string): Promise<IssuerRecord>;
  setEnabled(id: string, enabled: boolean, actor: string): Promise<IssuerRecord | undefined>;
}

const columns = 'id, name, type, config, enabled, version, created_at';
const list = { name: 'issuers', text: `SELECT ${columns} FROM issuers ORDER BY id` };
const create = {
  name: 'issuer-create',
  text: `WITH i AS (INSERT INTO issuers (id, name, type, config, created_by) VALUES ($1, $2, $3, $4, $5) RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $5, 'APIKey', 'createIssuer', 'issuer', id, jsonb_build_object('name', name, 'type', type, 'config', config), 'config' FROM i)
  SELECT * FROM i`,
};
const setEnabled = {
  name: 'issuer-enabled',
  text: `WITH i AS (UPDATE issuers SET enabled = $2, version = version + 1, updated_at = now() WHERE id = $1 RETURNING ${columns}),
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
    async list() {
      return (await database.query<Row>(list, [])).map(recordOf);
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
    async setEnabled(id, enabled, actor) {
      const [row] = await database.query<Row>(setEnabled, [id, enabled, actor]);
      return row && recordOf(row);
    },
  };
}

function recordOf({ created_at, ...row }: Row): IssuerRecord {
  return { ...row, createdAt: created_at };
}
