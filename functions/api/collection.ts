import type * as z from 'zod';
import type { Condition } from '#adapters/postgres/keyset.ts';
import type { RecordRow, Records } from '#adapters/postgres/records.ts';
import type { Route } from '#contract/route.ts';
import { CaError } from '#domain/error.ts';
import { serve, serveList, type Served } from './router.ts';
import { stale } from './stale.ts';

interface CollectionRoutes {
  readonly list: Route;
  readonly get: Route;
  readonly create: Route;
  readonly replace: Route;
  readonly remove: Route;
}

export interface CollectionPorts {
  readonly store: Records;
  /** What it is, for people. */
  readonly kind: string;
  readonly newId: () => string;
  /** Conditions of the list's filters. */
  readonly conditions?: (query: Readonly<Record<string, unknown>>) => readonly Condition[];
  /** Checks more than a schema can. @throws {CaError} */
  readonly check?: (values: Readonly<Record<string, unknown>>) => void;
  /** Before a change commits: what it makes due. */
  readonly before?: () => Promise<void>;
}

/** The operations of a collection of the contract. */
export function collectionOperations(routes: CollectionRoutes, ports: CollectionPorts): readonly Served[] {
  type Id = { readonly id: string };
  return [
    serveList(
      routes.list,
      ({ query, page }) => ports.store.list(page, ports.conditions?.(query as Record<string, unknown>) ?? []),
      show as never,
    ),
    serve(routes.get, async ({ params }) => {
      const row = await ports.store.find((params as Id).id);
      if (row === undefined) throw new CaError('notFound', `no such ${ports.kind}`);
      return show(row);
    }),
    serve(routes.create, async ({ body, caller }) => {
      ports.check?.(body as Record<string, unknown>);
      await ports.before?.();
      return show(await ports.store.create(ports.newId(), body as Record<string, unknown>, caller?.id ?? ''));
    }),
    serve(routes.replace, async ({ params, body, caller, expected }) => {
      const { id } = params as Id;
      ports.check?.(body as Record<string, unknown>);
      await ports.before?.();
      const row = await ports.store.replace(id, body as Record<string, unknown>, expected, caller?.id ?? '');
      return row === undefined ? stale(ports.kind, await ports.store.find(id)) : show(row);
    }),
    serve(routes.remove, async ({ params, caller, expected }) => {
      const { id } = params as Id;
      await ports.before?.();
      const row = await ports.store.remove(id, expected, caller?.id ?? '');
      return row === undefined ? stale(ports.kind, await ports.store.find(id)) : show(row);
    }),
  ];
}

/** A row has the names of the contract already; its times are RFC 3339 there. */
export function show(row: RecordRow): z.input<Route['answer']> {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([name]) => name !== 'page_key' && name !== 'page_id')
      .map(([name, value]) => [name, value instanceof Date ? value.toISOString() : value]),
  );
}
