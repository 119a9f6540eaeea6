import * as z from 'zod';
import { placeFormats } from '#domain/discovery/discovered.ts';
import { agentId } from './agents.ts';
import { nothing, route } from './route.ts';

/** How much an agent may say of one scan: certificates in all, and in one part. */
export const discoveryLimits = { certificates: 5000, inPart: 200, places: 50, errors: 100 } as const;

const path = z
  .string()
  .max(4096)
  .regex(/^\/[^\0]*$/);

export const reportDiscovery = route({
  operation: 'reportAgentDiscovery',
  method: 'POST',
  path: '/api/v1/agents/{id}/discoveries',
  summary:
    'An agent says which certificates it found on its host, part by part; with the last one, what it did not find any more is missing',
  permission: 'agent',
  params: z.strictObject({ id: agentId }),
  query: nothing,
  body: z.strictObject({
    scan: z.string().regex(/^scan-[0-9a-f]{32}$/, 'the id that the agent gave the scan'),
    part: z.number().int().min(0).max(1000).describe('Counted from 0; a part that comes twice is one'),
    last: z.boolean().describe('No more parts follow'),
    complete: z.boolean().describe('Whatever lies in the directories was seen; else nothing counts as missing'),
    directories: z.array(path).max(50).describe('Where was searched'),
    certificates: z
      .array(
        z.strictObject({
          certificate: z.base64().min(4).max(87_400).describe('DER in base64; private keys have no place here'),
          places: z
            .array(z.strictObject({ path, format: z.enum(placeFormats), key_present: z.boolean() }))
            .min(1)
            .max(discoveryLimits.places),
        }),
      )
      .max(discoveryLimits.inPart)
      .describe('What was found, each once with its places'),
    errors: z
      .array(
        z
          .string()
          .max(500)
          .regex(/^[^\0]*$/),
      )
      .max(discoveryLimits.errors)
      .describe('What could not be read, for people'),
    duration_ms: z.number().int().min(0).max(86_400_000).describe('How long the search took'),
  }),
  answer: z.strictObject({ taken: z.number().int(), refused: z.number().int() }),
  status: 202,
});
