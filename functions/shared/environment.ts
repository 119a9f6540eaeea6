import * as z from 'zod';
import { databaseEnvironment } from '#adapters/postgres/environment.ts';

const httpsUrl = z.string().regex(/^https:\/\/[^/]+$/, 'an https origin without a trailing slash');

/** What functions read from their environment; a function picks the parts that it needs. */
export const environment = {
  database: databaseEnvironment.shape,
  state: { STATE_TABLE: z.string().min(1) },
  nonces: { NONCE_TABLE: z.string().min(1) },
  rates: { RATE_TABLE: z.string().min(1) },
  artifacts: { ARTIFACT_BUCKET: z.string().min(1) },
  envelope: { ENVELOPE_KEY_ARN: z.string().min(1) },
  queue: { JOB_QUEUE_URL: z.string().min(1) },
  connector: { CONNECTOR_FUNCTION: z.string().min(1) },
  prober: { PROBER_FUNCTION: z.string().min(1) },
  urls: { PUBLIC_BASE_URL: httpsUrl, PKI_BASE_URL: z.string().regex(/^https?:\/\/[^/]+$/, 'an origin without a trailing slash') },
} as const;
