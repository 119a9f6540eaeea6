import * as z from 'zod';
import { discoveryStatuses, placeFormats } from '#domain/discovery/discovered.ts';
import { agentId } from './agents.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';
import { timestamp } from './timestamp.ts';

export const discoveredId = z.string().regex(/^dc-[0-9a-z-]{1,60}$/, 'the id of a discovered certificate');
const certificateId = z.string().regex(/^mc-[0-9a-z-]{1,60}$/, 'the id of a managed certificate');
const params = z.strictObject({ id: discoveredId });

export const discoveredCertificate = z.strictObject({
  id: discoveredId,
  status: z.enum(discoveryStatuses),
  certificate: z.string().nullable().describe('Whose version it is: by its fingerprint, or because somebody said so'),
  reason: z.string().nullable(),
  decided_by: z.string().nullable(),
  decided_at: z.string().nullable(),
  fingerprint: z.string().describe('SHA-256, hex'),
  subject: z.string(),
  issuer: z.string(),
  common_name: z.string().nullable(),
  sans: z.array(z.strictObject({ type: z.string(), value: z.string() })),
  serial: z.string(),
  not_before: z.string(),
  not_after: z.string(),
  key_algorithm: z.string(),
  key_size: z.number().int().nullable(),
  is_ca: z.boolean(),
  self_issued: z.boolean(),
  places: z.number().int().describe('Places where it lies by the last scans'),
  first_seen_at: z.string(),
  last_seen_at: z.string(),
});
export type DiscoveredBody = z.infer<typeof discoveredCertificate>;

export const listDiscovered = route(
  list({
    operation: 'listDiscoveredCertificates',
    command: 'discovered-certificates list',
    path: '/api/v1/discovered-certificates',
    summary: 'Certificates that agents found on their hosts, newest first',
    permission: 'discovery.read',
    params: nothing,
    filters: {
      status: z.enum(discoveryStatuses).optional().describe('Only of this status'),
      agent: agentId.optional().describe('Only what this agent found'),
      certificate: certificateId.optional(),
      expires_before: timestamp.optional().describe('Only those that end earlier (RFC 3339)'),
    },
    item: discoveredCertificate,
    sorts: ['-first_seen_at', 'not_after'],
  }),
);

export const getDiscovered = route({
  operation: 'getDiscoveredCertificate',
  command: 'discovered-certificates get',
  method: 'GET',
  path: '/api/v1/discovered-certificates/{id}',
  summary: 'A certificate that was found, and where',
  permission: 'discovery.read',
  params,
  query: nothing,
  body: nothing,
  answer: discoveredCertificate.extend({
    pem: z.string(),
    sightings: z
      .array(
        z.strictObject({
          agent: z.string(),
          path: z.string(),
          format: z.enum(placeFormats),
          key_present: z.boolean(),
          first_seen_at: z.string(),
          last_seen_at: z.string(),
          missing_since: z.string().nullable(),
        }),
      )
      .describe('The newest hundred'),
  }),
  status: 200,
});

export const claimDiscovered = route({
  operation: 'claimDiscoveredCertificate',
  command: 'discovered-certificates claim',
  method: 'POST',
  path: '/api/v1/discovered-certificates/{id}/claim',
  summary: 'Says that a managed certificate stands for one that was found; an order may say so itself, by discovered',
  permission: 'discovery.claim',
  params,
  query: nothing,
  body: z.strictObject({
    certificate: certificateId,
    force: z.boolean().default(false).describe('Also where the two have no name in common'),
  }),
  answer: discoveredCertificate,
  status: 200,
});

export const dismissDiscovered = route({
  operation: 'dismissDiscoveredCertificate',
  command: 'discovered-certificates dismiss',
  method: 'POST',
  path: '/api/v1/discovered-certificates/{id}/dismiss',
  summary: 'Says that a certificate that was found is nobody’s concern, and why',
  permission: 'discovery.claim',
  params,
  query: nothing,
  body: z.strictObject({ reason: z.string().min(1).max(1000).describe('Why it is nobody’s concern') }),
  answer: discoveredCertificate,
  status: 200,
});

export const reopenDiscovered = route({
  operation: 'reopenDiscoveredCertificate',
  command: 'discovered-certificates reopen',
  method: 'POST',
  path: '/api/v1/discovered-certificates/{id}/reopen',
  summary: 'Takes a claim or a dismissal back',
  permission: 'discovery.claim',
  params,
  query: nothing,
  body: nothing,
  answer: discoveredCertificate,
  status: 200,
});

export const discoveryScan = z.strictObject({
  id: z.string(),
  agent: z.string(),
  directories: z.array(z.string()),
  certificates_found: z.number().int(),
  certificates_new: z.number().int(),
  errors: z.array(z.string()).describe('What could not be read, for people'),
  duration_ms: z.number().int(),
  started_at: z.string(),
  completed_at: z.string().nullable().describe('null: its last part has not come'),
});

export const listDiscoveryScans = route(
  list({
    operation: 'listDiscoveryScans',
    command: 'discovery-scans list',
    path: '/api/v1/discovery-scans',
    summary: 'What agents searched of late, newest first; kept for 30 days',
    permission: 'discovery.read',
    params: nothing,
    filters: { agent: agentId.optional().describe('Only what this agent found') },
    item: discoveryScan,
    sorts: ['-started_at'],
  }),
);

export const getDiscoverySummary = route({
  operation: 'getDiscoverySummary',
  command: 'discovered-certificates summary',
  method: 'GET',
  path: '/api/v1/discovery-summary',
  summary: 'How many of the certificates that were found are managed, dismissed or nobody’s',
  permission: 'discovery.read',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.strictObject({ unmanaged: z.number().int(), managed: z.number().int(), dismissed: z.number().int() }),
  status: 200,
});
