import * as z from 'zod';
import type { Route } from './route.ts';

/** The object that `fields` chooses members of: an answer, or each item of a list. */
function chosenFrom({ method, answer, media, permission }: Route): { readonly of: z.ZodObject; readonly listed: boolean } | undefined {
  if (method !== 'GET' || media !== undefined || ['public', 'agent', 'enrolment'].includes(permission) || !(answer instanceof z.ZodObject))
    return undefined;
  const { items } = answer.shape;
  if (items instanceof z.ZodArray && items.element instanceof z.ZodObject) return { of: items.element, listed: true };
  return { of: answer, listed: false };
}

/** What a route's query may hold: what it declares, and wherever something is read, `fields`. */
export function queryOf(route: Route): z.ZodType {
  const known = queries.get(route) ?? makeQuery(route);
  queries.set(route, known);
  return known;
}

const queries = new WeakMap<Route, z.ZodType>();

function makeQuery(route: Route): z.ZodType {
  const chosen = chosenFrom(route);
  if (chosen === undefined || !(route.query instanceof z.ZodObject)) return route.query;
  const names = Object.keys(chosen.of.shape).join('|');
  const fields = z
    .string()
    .regex(new RegExp(`^(?:${names})(?:,(?:${names}))*$`), `members of the answer, with commas between them`)
    .max(1000)
    .describe('Members that the answer shall have, with commas between them; left out: all');
  return route.query.extend({ fields: fields.optional() });
}

/** What a route answers where `fields` leaves members out. */
export function sparseAnswer(route: Route): z.ZodType {
  const chosen = chosenFrom(route);
  if (chosen === undefined || !(route.answer instanceof z.ZodObject)) return route.answer;
  return chosen.listed ? route.answer.extend({ items: z.array(chosen.of.partial()) }) : chosen.of.partial();
}

/**
 * Leaves of an answer what was asked for.
 *
 * @param fields names with commas between them, as {@link queryOf} takes them
 */
export function sparse(route: Route, answer: object, fields: string): object {
  const names = new Set(fields.split(','));
  const only = (whole: object): object => Object.fromEntries(Object.entries(whole).filter(([name]) => names.has(name)));
  if (chosenFrom(route)?.listed !== true) return only(answer);
  return { ...answer, items: (answer as { items: object[] }).items.map(only) };
}
