import * as z from 'zod';
import { challengeTypes } from '../issuance/profile.ts';

/** What the worker asks of the prober. */
export const probe = z.strictObject({
  type: z.enum(challengeTypes),
  identifier: z.strictObject({ type: z.enum(['dns', 'ip']), value: z.string().min(1).max(253) }),
  token: z.string().regex(/^[A-Za-z0-9_-]{22,128}$/),
  keyAuthorization: z.string().regex(/^[A-Za-z0-9_-]{22,128}\.[A-Za-z0-9_-]{43}$/),
  /** Private ranges that the profile lets challenges reach. */
  allowedCidrs: z.array(z.string().max(64)).max(100),
  /** The account's URL, where the record's name has it: draft-ietf-acme-dns-account-label. */
  accountUri: z.string().max(2000).optional(),
  /** Where a record stands for long: draft-ietf-acme-dns-persist. */
  persistent: z
    .strictObject({
      issuers: z.array(z.string().max(253)).min(1).max(10),
      wildcard: z.boolean(),
      accountUri: z.string().max(2000),
      accountHashPrefix: z.string().max(2000),
      thumbprints: z
        .array(z.string().regex(/^[A-Za-z0-9_-]{43}$/))
        .min(1)
        .max(1000),
    })
    .optional(),
  /** Present where the CA has names that a domain's CAA records may list (RFC 8659); then they must permit the certificate. */
  caa: z
    .strictObject({
      identities: z.array(z.string().max(253)).min(1).max(20),
      /** RFC 8657 §3 */
      accountUri: z.string().max(2000),
      wildcard: z.boolean(),
      /** What is certified, where something above it is proven. */
      name: z.string().min(1).max(253).optional(),
    })
    .optional(),
});
export type Probe = z.infer<typeof probe>;

/** How a validation may fail (RFC 8555 §6.7). */
export const probeErrorCodes = ['dns', 'connection', 'tls', 'incorrectResponse', 'caa', 'malformed', 'unauthorized'] as const;

/** What the prober found; parsed as hostile by whoever asked. */
export const probeResult = z.discriminatedUnion('ok', [
  z.strictObject({
    ok: z.literal(true),
    /** Seconds since the epoch: what was found proves nothing after it. */
    until: z.number().int().positive().optional(),
  }),
  z.strictObject({
    ok: z.literal(false),
    code: z.enum(probeErrorCodes),
    detail: z.string().max(500),
    /** Asking again will not help: the name leads where no challenge may go. */
    final: z.boolean(),
    /** The name has addresses, but none that this prober's network reaches. */
    onlyIpv6: z.literal(true).optional(),
  }),
]);
export type ProbeResult = z.infer<typeof probeResult>;

/** A validation that failed, with a detail that shows no address. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
  readonly code: (typeof probeErrorCodes)[number];
  readonly final: boolean;
  readonly onlyIpv6: boolean;
  constructor(code: ProbeError['code'], detail: string, options: { final?: boolean; onlyIpv6?: boolean; cause?: unknown } = {}) {
    super(detail, { cause: options.cause });
    this.code = code;
    this.final = options.final ?? false;
    this.onlyIpv6 = options.onlyIpv6 ?? false;
  }
}

/** At most 100 printable ASCII characters of something a stranger sent. */
export function printable(text: string): string {
  const safe = text.replace(/[^\x20-\x7e]/g, '?');
  return safe.length > 100 ? `${safe.slice(0, 100)}…` : safe;
}
