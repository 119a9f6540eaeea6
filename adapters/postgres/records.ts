import type { AuditCategory } from '#domain/audit/event.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database, type Session } from './database.ts';
import { slice, type Condition, type Keyset } from './keyset.ts';

/** A table whose rows people make, replace and delete, each with a version. */
export interface RecordTable {
  readonly table: string;
  /** What the audit trail calls it, e.g. `team`. */
  readonly resource: string;
  /** Ends the names of the actions: `Team` gives `createTeam`. */
  readonly action: string;
  readonly category: AuditCategory;
  /** What a row is read as, by the names of the contract. */
  readonly columns: string;
  /** Members of the contract that can be written, each with its column, and its type where that is to be said. */
  readonly fields: Readonly<Record<string, { readonly column: string; readonly as?: 'jsonb' | 'integer[]' | 'cidr' }>>;
  readonly sorts: Keyset['sorts'];
  /** Makes what the audit row tells of a row, in SQL over `r`. */
  readonly details: string;
  /** Runs in the transaction of a change, after it. */
  readonly after?: (session: Session, id: string) => Promise<void>;
}

export type RecordValues = Readonly<Record<string, unknown>>;
export type RecordRow = Readonly<Record<string, unknown>> & { readonly id: string; readonly version: number };

export interface Records {
  list(page: PageRequest, conditions: readonly Condition[]): Promise<Slice<RecordRow>>;
  find(id: string): Promise<RecordRow | undefined>;
  /** @throws {CaError} `conflict` when its name is taken, `malformed` when it refers to what does not exist */
  create(id: string, values: RecordValues, actor: string): Promise<RecordRow>;
  /** Undefined when it has another version than expected, or is gone. @throws {CaError} as `create` does */
  replace(id: string, values: RecordValues, expected: number | undefined, actor: string): Promise<RecordRow | undefined>;
  /** Undefined when it has another version than expected, or is gone. @throws {CaError} `conflict` while something refers to it */
  remove(id: string, expected: number | undefined, actor: string): Promise<RecordRow | undefined>;
}

/** The list of a table's rows. */
export function recordList(of: RecordTable): Keyset {
  return { columns: of.columns, from: `${of.table} r`, id: 'r.id', idType: 'text', sorts: of.sorts };
}

/** The rows of a table as their operators see and change them; state and audit row in one commit. */
export function records(database: Database, of: RecordTable): Records {
  const members = Object.entries(of.fields);
  const columns = members.map(([, { column }]) => column).join(', ');
  const places = members.map(([, { as }], index) => `$${index + 2}${as === undefined ? '' : `::${as}`}`).join(', ');
  const actor = `$${members.length + 2}`;
  const expected = `$${members.length + 3}`;
  const audit = (verb: string, who: string): string =>
    `l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
       SELECT ${who}, 'APIKey', '${verb}${of.action}', '${of.resource}', r.id, ${of.details}, '${of.category}' FROM r)`;
  const find = { name: `${of.table}-find`, text: `SELECT ${of.columns} FROM ${of.table} r WHERE r.id = $1` };
  const insert = {
    name: `${of.table}-create`,
    text: `WITH r AS (INSERT INTO ${of.table} (id, ${columns}) VALUES ($1, ${places}) RETURNING *), ${audit('create', actor)} SELECT ${of.columns} FROM r`,
  };
  const update = {
    name: `${of.table}-replace`,
    text: `WITH r AS (UPDATE ${of.table} SET (${columns}) = ROW(${places}), version = version + 1, updated_at = now()
                      WHERE id = $1 AND (${expected}::int IS NULL OR version = ${expected}) RETURNING *), ${audit('replace', actor)} SELECT ${of.columns} FROM r`,
  };
  const remove = {
    name: `${of.table}-delete`,
    text: `WITH r AS (DELETE FROM ${of.table} WHERE id = $1 AND ($3::int IS NULL OR version = $3) RETURNING *), ${audit('delete', '$2')} SELECT ${of.columns} FROM r`,
  };
  const keyset = recordList(of);
  const given = (values: RecordValues): unknown[] =>
    members.map(([name, { as }]) => (as === 'jsonb' ? JSON.stringify(values[name]) : (values[name] ?? null)));
  const written = async (work: (session: Session) => Promise<RecordRow | undefined>): Promise<RecordRow | undefined> => {
    try {
      return await database.transaction(work);
    } catch (error) {
      throw refusalOf(error, of.resource.replaceAll('_', ' '));
    }
  };
  return {
    list: (page, conditions) => slice(database, keyset, page, conditions, (row: RecordRow) => row),
    async find(id) {
      return (await database.query<RecordRow>(find, [id]))[0];
    },
    async create(id, values, who) {
      const made = await written(async (session) => {
        const [row] = await session.query<RecordRow>(insert, [id, ...given(values), who]);
        await of.after?.(session, id);
        return row;
      });
      if (made === undefined) throw new Error('no row');
      return made;
    },
    replace: (id, values, version, who) =>
      written(async (session) => {
        const [row] = await session.query<RecordRow>(update, [id, ...given(values), who, version ?? null]);
        if (row !== undefined) await of.after?.(session, id);
        return row;
      }),
    remove: (id, version, who) => written(async (session) => (await session.query<RecordRow>(remove, [id, who, version ?? null]))[0]),
  };
}

function refusalOf(error: unknown, kind: string): unknown {
  if (isDuplicate(error)) return new CaError('conflict', `such a ${kind} exists already`, { cause: error });
  const { code, message } = error as { code?: string; message?: string };
  // PostgreSQL 18 tells a refused deletion (23001) apart; those before it do not.
  if (code === '23001' || (code === '23503' && (message ?? '').includes('update or delete on table')))
    return new CaError('conflict', `something still refers to the ${kind}`, { cause: error });
  if (code === '23503') return new CaError('malformed', 'the body: something that it refers to does not exist', { cause: error });
  return error;
}
