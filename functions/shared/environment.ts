import * as z from 'zod/mini';
import { databaseEnvironment } from '#adapters/postgres/environment.ts';

const httpsUrl = z.string().check(z.regex(/^https:\/\/[^/]+$/, 'an https origin without a trailing slash'));

/** What functions read from their environment; a function picks the parts that it needs. */
export const environment = {
  database: databaseEnvironment.shape,
  state: { STATE_TABLE: z.string().check(z.minLength(1)) },
  nonces: { NONCE_TABLE: z.string().check(z.minLength(1)) },
  rates: { RATE_TABLE: z.string().check(z.minLength(1)) },
  artifacts: { ARTIFACT_BUCKET: z.string().check(z.minLength(1)) },
  envelope: { ENVELOPE_KEY_ARN: z.string().check(z.minLength(1)) },
  queue: { JOB_QUEUE_URL: z.string().check(z.minLength(1)) },
  connector: { CONNECTOR_FUNCTION: z.string().check(z.minLength(1)) },
  prober: { PROBER_FUNCTION: z.string().check(z.minLength(1)), PROBER_IPV6_FUNCTION: z.optional(z.string().check(z.minLength(1))) },
  urls: { PUBLIC_BASE_URL: httpsUrl, PKI_BASE_URL: z.string().check(z.regex(/^https?:\/\/[^/]+$/, 'an origin without a trailing slash')) },
} as const;
