import { createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import type { Route } from '#contract/route.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Position } from '#domain/page.ts';

const position = z.tuple([z.string(), z.string()]);
const macBytes = 16;

/** What a list was asked; of no account are how many rows, and which members of them. */
export type ListQuery = Readonly<Record<string, unknown>> & { readonly sort: string; readonly limit: number; readonly cursor?: string };

/** Makes and reads cursors: opaque, and good for the list, the filters and the order that they come from only. */
export interface Cursors {
  make(route: Route, query: ListQuery, at: Position): string;
  /** @throws {CaError} `malformed` when it is none of ours, or another list's */
  page(route: Route, query: ListQuery): PageRequest;
}

/** @param secret at least 16 bytes that no client knows */
export function cursors(secret: Uint8Array): Cursors {
  const mac = (route: Route, query: ListQuery, text: string): Buffer => {
    const { cursor: _, limit: __, fields: ___, ...asked } = query;
    const said = Object.entries(asked)
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const input = JSON.stringify([route.operation, said, text]);
    return createHmac('sha256', secret).update(input).digest().subarray(0, macBytes);
  };
  return {
    make(route, query, { key, id }) {
      const text = JSON.stringify([key, id]);
      return Buffer.concat([mac(route, query, text), Buffer.from(text)]).toString('base64url');
    },
    page(route, query) {
      const descending = query.sort.startsWith('-');
      const request = { sort: descending ? query.sort.slice(1) : query.sort, descending, limit: query.limit };
      if (query.cursor === undefined) return { ...request, after: undefined };
      const bytes = Buffer.from(query.cursor, 'base64url');
      const text = bytes.subarray(macBytes).toString('utf8');
      if (bytes.length <= macBytes || !timingSafeEqual(bytes.subarray(0, macBytes), mac(route, query, text)))
        throw new CaError('malformed', 'the query: cursor: not of this list, or not of these filters and this order');
      const [key, id] = position.parse(JSON.parse(text));
      return { ...request, after: { key, id } };
    },
  };
}
