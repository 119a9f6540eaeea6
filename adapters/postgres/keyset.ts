import type { Reach } from '#domain/access/grant.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Session } from './database.ts';

/** A sort key: an expression that is never null and has an index, with the id behind it. */
export interface SortKey {
  readonly expression: string;
  readonly type: 'timestamptz' | 'text' | 'bigint' | 'integer';
}

/** Where the rows of a list come from. */
export interface Keyset {
  readonly columns: string;
  readonly from: string;
  /** What tells rows of one sort key apart. */
  readonly id: string;
  readonly idType: 'text' | 'bigint';
  readonly sorts: Readonly<Record<string, SortKey>>;
}

/** A condition and its values, each for a `?`; when the first is undefined, there is no condition. */
export type Condition = readonly [sql: string, ...values: unknown[]];

/**
 * A page of a list, from where the last one ended. Only what was asked for stands in the statement, so that its plan can use an index; a deep page
 * costs what the first does.
 */
export async function slice<Item>(
  session: Session,
  list: Keyset,
  page: PageRequest,
  conditions: readonly Condition[],
  itemOf: (row: never) => Item,
): Promise<Slice<Item>> {
  const { text, values } = sliceStatement(list, page, conditions);
  const rows = await session.query<{ page_key: string; page_id: string }>({ name: nameOf(text), text }, values);
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  const next = rows.length > page.limit && last !== undefined ? { key: last.page_key, id: last.page_id } : undefined;
  return { rows: shown.map((row) => itemOf(row as never)), next };
}

// To plan a list takes as long as to run it. A connection keeps what it has planned, so only so many are kept: callers choose filters and lengths.
const kept = new Map<string, string>();
const mostKept = 200;

function nameOf(text: string): string {
  const known = kept.get(text);
  if (known !== undefined || kept.size >= mostKept) return known ?? '';
  const name = `list-${kept.size}`;
  kept.set(text, name);
  return name;
}

/** What lies within a caller's reach; a column that is undefined belongs to nothing of its kind. */
export function within(reach: Reach, columns: { readonly profile?: string; readonly issuer?: string }): Condition {
  if (reach === 'all') return ['', undefined];
  const parts: [string, readonly string[]][] = [];
  if (columns.profile !== undefined) parts.push([`${columns.profile} = ANY(?::text[])`, reach.profiles]);
  if (columns.issuer !== undefined) parts.push([`${columns.issuer} = ANY(?::text[])`, reach.issuers]);
  return [`(${parts.map(([sql]) => sql).join(' OR ')})`, ...parts.map(([, ids]) => ids)];
}

/** The statement of a page; one row more than was asked for tells whether there is a next one. */
export function sliceStatement(
  list: Keyset,
  page: PageRequest,
  conditions: readonly Condition[],
): { readonly text: string; readonly values: readonly unknown[] } {
  const sort = list.sorts[page.sort];
  if (sort === undefined) throw new Error(`no such order: ${page.sort}`);
  const values: unknown[] = [];
  const place = (value: unknown): string => `$${values.push(value)}`;
  const where = conditions.flatMap(([sql, ...given]) => {
    if (given.length > 0 && given[0] === undefined) return [];
    let index = 0;
    return [sql.replace(/\?/g, () => place(given[index++]))];
  });
  const direction = page.descending ? 'DESC' : 'ASC';
  const same = sort.expression === list.id;
  if (page.after !== undefined) {
    const than = page.descending ? '<' : '>';
    where.push(
      same
        ? `${list.id} ${than} ${place(page.after.id)}::${list.idType}`
        : `(${sort.expression}, ${list.id}) ${than} (${place(page.after.key)}::${sort.type}, ${place(page.after.id)}::${list.idType})`,
    );
  }
  const order = same ? `${list.id} ${direction}` : `${sort.expression} ${direction}, ${list.id} ${direction}`;
  return {
    text: `SELECT ${list.columns}, (${sort.expression})::text AS page_key, ${list.id}::text AS page_id FROM ${list.from}
      ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`} ORDER BY ${order} LIMIT ${page.limit + 1}`,
    values,
  };
}
