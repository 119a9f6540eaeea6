import * as z from 'zod';
import { loops } from '#domain/schedule/loops.ts';
import { nothing, route } from './route.ts';

const names = loops.map((loop) => loop.name);
const params = z.strictObject({ name: z.enum(names).describe('The loop') });
/** The monitor watches the others and obeys its schedule alone. */
const obedient = names.filter((name) => name !== 'monitor');
const obedientParams = z.strictObject({ name: z.enum(obedient).describe('The loop') });
const time = z.string().nullable();

export const loopRun = z.strictObject({
  id: z.string(),
  loop: z.string(),
  tick_key: z.string().describe('The scheduled time, or `manual:<id>`'),
  outcome: z.string(),
  items_processed: z.number().int(),
  items_failed: z.number().int(),
  duplicates: z.number().int().describe('How often the same tick came again'),
  error: z.string().nullable(),
  started_at: z.string(),
  finished_at: time,
});

export const loop = z.strictObject({
  name: z.enum(names),
  work: z.string(),
  guarantee: z.string(),
  interval_seconds: z.number().int(),
  runs_with: z.enum(names).describe('The loop whose schedule and lease this one shares, or itself'),
  enabled: z.boolean(),
  reason: z.string().nullable(),
  heartbeat: time.describe('The last tick that came, whatever it found'),
  last_success: time,
  last_outcome: z.string(),
  next_due: time.describe('Nothing is due earlier; null: it runs with the next tick'),
  last_run: loopRun.nullable(),
});
export type LoopBody = z.infer<typeof loop>;

export const listLoops = route({
  operation: 'listLoops',
  command: 'loops list',
  method: 'GET',
  path: '/api/v1/admin/loops',
  summary: 'Every background loop: what it does, when it last did it, and when it is due',
  permission: 'scheduler.read',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.strictObject({ items: z.array(loop) }),
  status: 200,
});

export const listLoopRuns = route({
  operation: 'listLoopRuns',
  command: 'loops runs',
  method: 'GET',
  path: '/api/v1/admin/loops/{name}/runs',
  summary: 'The newest runs of a loop that opened the database',
  permission: 'scheduler.read',
  params,
  query: z.strictObject({ limit: z.coerce.number().int().min(1).max(500).default(50).describe('How many runs at the most') }),
  body: nothing,
  answer: z.strictObject({ items: z.array(loopRun) }),
  status: 200,
});

export const runLoop = route({
  operation: 'runLoop',
  command: 'loops run',
  method: 'POST',
  path: '/api/v1/admin/loops/{name}/run',
  summary: 'Runs a loop now, due or not; refused while it runs or is disabled',
  permission: 'scheduler.run',
  params: obedientParams,
  query: nothing,
  body: nothing,
  answer: z.strictObject({ run: z.string() }),
  status: 202,
});

export const updateLoop = route({
  operation: 'updateLoop',
  command: 'loops update',
  method: 'PUT',
  path: '/api/v1/admin/loops/{name}',
  summary: 'Stops a loop, lets it go on, or slows it down; folded loops follow the one that they run with',
  permission: 'scheduler.edit',
  params: obedientParams,
  query: nothing,
  body: z.strictObject({
    enabled: z.boolean().describe('Whether it runs'),
    interval_seconds: z.number().int().min(60).max(604_800).nullable().default(null).describe('null: as often as the schedule says'),
    reason: z.string().min(1).max(500).describe('Why, for the audit trail'),
  }),
  answer: z.strictObject({ name: z.enum(names), enabled: z.boolean(), interval_seconds: z.number().int().nullable() }),
  status: 200,
});
