import * as z from 'zod';
import { auditCategories } from '#domain/audit/event.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';
import { timestamp } from './timestamp.ts';

const time = timestamp.optional();

export const auditEvent = z.strictObject({
  id: z.string(),
  at: z.string(),
  actor: z.string(),
  actor_type: z.string(),
  action: z.string(),
  resource_type: z.string(),
  resource_id: z.string(),
  details: z.record(z.string(), z.unknown()),
  category: z.enum(auditCategories),
  seq: z.number().int().nullable().describe('Its place in the chain; null until it is sealed'),
  hash: z.string().nullable().describe('SHA-256, hex'),
});
export type AuditEventBody = z.infer<typeof auditEvent>;

const filters = {
  category: z.enum(auditCategories).optional().describe('Only events of this category'),
  actor: z.string().min(1).max(128).optional().describe('Only what this one did, e.g. `key:…`'),
  action: z.string().min(1).max(128).optional().describe('Only events of this kind, e.g. `revokeCertificate`'),
  resource_type: z.string().min(1).max(128).optional().describe('Only what happened to such things, e.g. `certificate`'),
  resource_id: z.string().min(1).max(256).optional().describe('Only what happened to this one; with resource_type'),
  since: time.describe('Not older (RFC 3339)'),
  until: time.describe('Older than this (RFC 3339)'),
};
const chainBreak = z.strictObject({ seq: z.number().int(), kind: z.enum(['gap', 'deleted', 'altered', 'truncated', 'rewritten']) });
const link = z.strictObject({ seq: z.number().int().min(0), hash: z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256, hex') });

export const listAudit = route(
  list({
    operation: 'listAudit',
    command: 'audit list',
    path: '/api/v1/audit',
    summary: 'Who did what, newest first',
    permission: 'audit.read',
    params: nothing,
    filters: filters,
    item: auditEvent,
    sorts: ['-at'],
  }),
);

export const exportAudit = route({
  operation: 'exportAudit',
  command: 'audit export',
  method: 'GET',
  path: '/api/v1/audit/export',
  summary: 'Audit events of a time as NDJSON, newest first, at most 5000; the last line’s id is the cursor of what follows',
  permission: 'audit.export',
  params: nothing,
  query: z.strictObject({
    ...filters,
    cursor: z
      .string()
      .regex(/^[0-9]{1,18}$/, 'the id of an event')
      .optional(),
    limit: z.coerce.number().int().min(1).max(5000).default(5000).describe('How many events at the most'),
  }),
  body: nothing,
  answer: z.string(),
  media: 'application/x-ndjson',
  status: 200,
});

export const createAuditExport = route({
  operation: 'createAuditExport',
  command: 'audit-exports create',
  method: 'POST',
  path: '/api/v1/audit/exports',
  summary:
    'Writes audit events to files, newest first, and answers links that anybody may follow for a quarter of an hour; with more left, next_cursor goes on',
  permission: 'audit.export',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    ...filters,
    format: z.enum(['ndjson', 'csv']).default('ndjson').describe('One JSON object a line, or comma-separated values'),
    cursor: z
      .string()
      .regex(/^[0-9]{1,18}$/, 'the next_cursor of an answer')
      .optional(),
  }),
  answer: z.strictObject({
    parts: z.array(
      z.strictObject({
        url: z.string(),
        rows: z.number().int(),
        bytes: z.number().int(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256, hex'),
      }),
    ),
    rows: z.number().int(),
    expires_at: z.string(),
    next_cursor: z.string().nullable(),
  }),
  status: 201,
});

export const getAuditChain = route({
  operation: 'getAuditChain',
  command: 'audit chain',
  method: 'GET',
  path: '/api/v1/audit/chain',
  summary: 'Where the chain over the audit trail ends, and what its last walk found',
  permission: 'audit.read',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.strictObject({
    head: link,
    verified: link,
    verified_at: z.string().nullable(),
    broken: chainBreak.nullable(),
    anchored_seq: z.number().int(),
    anchored_at: z.string().nullable(),
    unsealed: z.number().int(),
    oldest_unsealed_at: z.string().nullable(),
  }),
  status: 200,
});

export const verifyAudit = route({
  operation: 'verifyAudit',
  command: 'audit verify',
  method: 'POST',
  path: '/api/v1/audit/verify',
  summary: 'Walks the chain from its beginning, or from a link that is known to hold, up to its head and the newest anchor',
  permission: 'audit.read',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    from: link.optional().describe('A link that held, e.g. of a walk that did not finish'),
  }),
  answer: z.strictObject({
    state: z.enum(['whole', 'broken', 'unfinished']),
    broken: chainBreak.nullable(),
    verified: link,
    anchor: link.extend({ at: z.string() }).nullable().describe('The newest that is kept outside of the database'),
  }),
  status: 200,
});
