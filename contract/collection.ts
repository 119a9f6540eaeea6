import * as z from 'zod';
import type { Permission } from '#domain/access/permission.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

/** What a collection holds and how it is called. */
export interface CollectionOf<Name extends string, Fields extends z.ZodRawShape, Item extends z.ZodObject, Filters extends z.ZodRawShape> {
  /** Singular and plural, as operations spell them, e.g. `Team` and `Teams`. */
  readonly singular: Name;
  readonly plural: string;
  /** On the command line. */
  readonly noun: string;
  readonly path: string;
  /** What it is, for people, e.g. `a team`, `teams`. */
  readonly one: string;
  readonly many: string;
  readonly id: z.ZodType<string>;
  readonly fields: Fields;
  readonly item: Item;
  readonly filters: Filters;
  readonly sorts: readonly [string, ...string[]];
  readonly permissions: { readonly read: Permission; readonly edit: Permission; readonly remove: Permission };
  /** What else is to know about making and removing one. */
  readonly hints?: { readonly create?: string; readonly remove?: string };
}

/** The five routes of a collection whose members have versions: list, get, create, replace, delete. */

export function collection<Name extends string, Fields extends z.ZodRawShape, Item extends z.ZodObject, Filters extends z.ZodRawShape>(
  of: CollectionOf<Name, Fields, Item, Filters>,
) {
  const one = `${of.path}/{id}`;
  const params = z.strictObject({ id: of.id });
  const body = z.strictObject(of.fields);
  const common = { answer: of.item, query: nothing, versioned: true } as const;
  return {
    list: route(
      list({
        operation: `list${of.plural}`,
        command: `${of.noun} list`,
        path: of.path,
        summary: `All ${of.many}`,
        permission: of.permissions.read,
        params: nothing,
        filters: of.filters,
        item: of.item,
        sorts: of.sorts,
      }),
    ),
    get: route({
      ...common,
      operation: `get${of.singular}`,
      command: `${of.noun} get`,
      method: 'GET',
      path: one,
      summary: `One of the ${of.many}`,
      permission: of.permissions.read,
      params,
      body: nothing,
      status: 200,
    }),
    create: route({
      ...common,
      operation: `create${of.singular}`,
      command: `${of.noun} create`,
      method: 'POST',
      path: of.path,
      summary: `Makes ${of.one}${of.hints?.create === undefined ? '' : `; ${of.hints.create}`}`,
      permission: of.permissions.edit,
      params: nothing,
      body,
      status: 201,
    }),
    replace: route({
      ...common,
      operation: `replace${of.singular}`,
      command: `${of.noun} replace`,
      method: 'PUT',
      path: one,
      summary: `Replaces ${of.one}: what is not said gets its default`,
      permission: of.permissions.edit,
      params,
      body,
      status: 200,
    }),
    remove: route({
      ...common,
      operation: `delete${of.singular}`,
      command: `${of.noun} delete`,
      method: 'DELETE',
      path: one,
      summary: `Deletes ${of.one}${of.hints?.remove === undefined ? '' : `; ${of.hints.remove}`}`,
      permission: of.permissions.remove,
      params,
      body: nothing,
      status: 200,
    }),
  } as const;
}
