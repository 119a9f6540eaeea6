import * as z from 'zod';

/** `If-Match` of a change: one version, or `*` for any (RFC 9110 §13.1.1). */
export const entityTag = z.string().regex(/^(?:\*|"v[1-9][0-9]{0,9}")$/, 'an ETag as it was read, like "v3", or *');

/** `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a string of the sender's, in quotes or without them. */
export const idempotencyKey = z
  .string()
  .regex(
    /^(?:[A-Za-z0-9._~:-]{8,128}|"[A-Za-z0-9._~:-]{8,128}")$/,
    '8 to 128 letters, digits, dots, colons, hyphens, underscores or tildes',
  );
