import * as z from 'zod';
import { nothing, route } from './route.ts';

const count = z.number().int().min(0);

export const getStatistics = route({
  operation: 'getStatistics',
  command: 'stats summary',
  method: 'GET',
  path: '/api/v1/stats/summary',
  summary: 'How many there are of what, now',
  permission: 'stats.read',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.strictObject({
    certificates: z.strictObject({
      pending: count,
      active: count,
      held: count,
      revoked: count,
      archived: count,
      expired: count,
      expiring_7_days: count,
      expiring_30_days: count,
    }),
    jobs: z.strictObject({ waiting: count, awaiting_approval: count, awaiting_csr: count, running: count, retrying: count }),
    approvals_pending: count,
    violations_open: count,
    notifications_dead: count,
    acme_accounts: count,
    owners_without_team: count,
  }),
  status: 200,
});

export const getTimeline = route({
  operation: 'getTimeline',
  command: 'stats timeline',
  method: 'GET',
  path: '/api/v1/stats/timeline',
  summary: 'Day by day (UTC): what was issued, revoked and failed in the days before, and what ends in the days to come',
  permission: 'stats.read',
  params: nothing,
  query: z.strictObject({ days: z.coerce.number().int().min(1).max(365).default(30).describe('How many days before and after today') }),
  body: nothing,
  answer: z.strictObject({
    past: z.array(z.strictObject({ day: z.string(), issued: count, revoked: count, jobs_failed: count })),
    ahead: z.array(z.strictObject({ day: z.string(), expiring: count })),
  }),
  status: 200,
});
