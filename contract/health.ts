import * as z from 'zod';
import { nothing, route } from './route.ts';

export const getHealth = route({
  operation: 'getHealth',
  command: 'health',
  method: 'GET',
  path: '/health',
  summary: 'The function runs; touches nothing else',
  permission: 'public',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.strictObject({ status: z.literal('ok') }),
  status: 200,
});

export const readiness = z.strictObject({
  status: z.enum(['ready', 'unknown', 'unready']),
  database: z.strictObject({
    state: z.enum(['up', 'down', 'schema_behind', 'unknown']),
    checked_at: z.string().nullable().describe('When it was last looked at, RFC 3339'),
    schema: z.string().nullable().describe('The newest migration, e.g. `000018_api_keys.up.sql`'),
  }),
});

export const getReadiness = route({
  operation: 'getReadiness',
  command: 'ready',
  method: 'GET',
  path: '/ready',
  summary: 'The last known state of the database; with deep=1 asks it, which wakes it',
  permission: 'public',
  params: nothing,
  query: z.strictObject({ deep: z.enum(['0', '1']).optional().describe('1: ask the database, which wakes it') }),
  body: nothing,
  answer: readiness,
  status: 200,
  otherwise: 503,
});
