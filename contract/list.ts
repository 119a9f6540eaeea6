import * as z from 'zod';
import { nothing, type Route } from './route.ts';

/** What a list is of, besides how it is called. */
export interface ListOf<Params extends z.ZodType, Filters extends z.ZodRawShape, Item extends z.ZodObject> extends Pick<
  Route,
  'operation' | 'command' | 'path' | 'summary' | 'permission' | 'scope'
> {
  readonly params: Params;
  readonly filters: Filters;
  readonly item: Item;
  readonly sorts: readonly [string, ...string[]];
}

/** A place in a list: nobody but the platform reads it. */
export const cursor = z.string().regex(/^[A-Za-z0-9_-]{24,1000}$/, 'the cursor of an answer');
const after = cursor.describe('Where the last page ended: its `next_cursor`; left out: the first page').optional();
const limit = z.coerce.number().int().min(1).max(500).default(50).describe('How many a page holds at the most');

/** Declares a list: its filters, and with every list the same order, pages and cursors. */
export function list<Params extends z.ZodType, Filters extends z.ZodRawShape, Item extends z.ZodObject>({
  filters,
  item,
  sorts,
  ...route
}: ListOf<Params, Filters, Item>) {
  const orders = sorts.flatMap((name) => (name.startsWith('-') ? [name, name.slice(1)] : [name, `-${name}`])) as [string, ...string[]];
  return {
    ...route,
    method: 'GET' as const,
    query: z.strictObject({
      ...filters,
      sort: z.enum(orders).default(sorts[0]).describe('The order; with a hyphen, from the last to the first'),
      cursor: after,
      limit,
    }),
    body: nothing,
    answer: z.strictObject({ items: z.array(item), next_cursor: cursor.nullable() }),
    status: 200 as const,
    sorts,
  };
}
