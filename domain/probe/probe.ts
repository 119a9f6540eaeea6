import * as z from 'zod';

/** What the worker asks of the prober. */
export const probe = z.strictObject({
  type: z.enum(['http-01', 'dns-01']),
  identifier: z.strictObject({ type: z.literal('dns'), value: z.string().min(1).max(253) }),
  token: z.string().regex(/^[A-Za-z0-9_-]{22,128}$/),
  keyAuthorization: z.string().regex(/^[A-Za-z0-9_-]{22,128}\.[A-Za-z0-9_-]{43}$/),
  /** Private ranges that the profile lets challenges reach. */
  allowedCidrs: z.array(z.string().max(64)).max(100),
});
export type Probe = z.infer<typeof probe>;

/** What the prober found; parsed as hostile by whoever asked. */
export const probeResult = z.discriminatedUnion('ok', [
  z.strictObject({ ok: z.literal(true) }),
  z.strictObject({
    ok: z.literal(false),
    code: z.enum(['dns', 'connection', 'tls', 'incorrectResponse']),
    detail: z.string().max(500),
    /** Asking again will not help: the name leads where no challenge may go. */
    final: z.boolean(),
  }),
]);
export type ProbeResult = z.infer<typeof probeResult>;

/** A validation that failed, with a detail that shows no address. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
  readonly code: 'dns' | 'connection' | 'tls' | 'incorrectResponse';
  readonly final: boolean;
  constructor(code: ProbeError['code'], detail: string, options: { final?: boolean; cause?: unknown } = {}) {
    super(detail, { cause: options.cause });
    this.code = code;
    this.final = options.final ?? false;
  }
}

/** At most 100 printable ASCII characters of something a stranger sent. */
export function printable(text: string): string {
  const safe = text.replace(/[^\x20-\x7e]/g, '?');
  return safe.length > 100 ? `${safe.slice(0, 100)}…` : safe;
}
