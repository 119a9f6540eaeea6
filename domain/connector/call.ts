import * as z from 'zod';

/** Whom to ask for a certificate, and in which words: by type of issuer. */
const issuer = z.strictObject({ type: z.literal('aws-private-ca'), config: z.record(z.string(), z.unknown()) });

/** What the worker asks of the connector, which has no database: everything that it needs is in the call, secrets sealed. */
export const connectorCall = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    /** Names the seal of the secret. */
    channelId: z.string().max(64),
    url: z.string().max(2000),
    sealedSecret: z.base64(),
    /** The same for every attempt, so that a receiver can tell a repetition. */
    messageId: z.string().max(64),
    /** JSON text. */
    body: z.string().max(65_536),
  }),
  z.strictObject({
    kind: z.literal('order'),
    issuer,
    /** PEM, PKCS#10. */
    csr: z.string().max(24_576),
    notAfter: z.iso.datetime(),
    /** The same for every attempt at one job. */
    token: z.string().regex(/^[A-Za-z0-9_-]{1,36}$/),
  }),
  z.strictObject({ kind: z.literal('collect'), issuer, orderRef: z.string().max(500) }),
  z.strictObject({
    kind: z.literal('revoke'),
    issuer,
    /** Canonical hex. */
    serial: z.string().regex(/^[0-9a-f]{1,40}$/),
    /** CRLReason (RFC 5280 §5.3.1). */
    reason: z.number().int().min(0).max(10),
  }),
]);
export type ConnectorCall = z.infer<typeof connectorCall>;

/** What the connector found; parsed as hostile by whoever asked. */
export const connectorAnswer = z.union([
  z.strictObject({ ok: z.literal(true) }),
  z.strictObject({ ok: z.literal(true), orderRef: z.string().min(1).max(500) }),
  z.strictObject({ ok: z.literal(true), pending: z.literal(true) }),
  /** PEM */
  z.strictObject({ ok: z.literal(true), certificate: z.string().max(65_536), chain: z.string().max(131_072) }),
  z.strictObject({
    ok: z.literal(false),
    /** Asking again will not help. */
    final: z.boolean(),
    detail: z.string().max(500),
    /** Seconds that the other side asked us to wait. */
    retryAfter: z.number().int().min(1).max(86_400).optional(),
  }),
]);
export type ConnectorAnswer = z.infer<typeof connectorAnswer>;

/** The seal's context of a channel's secret: the connector's role opens nothing else. */
export function channelSecretContext(channelId: string): string {
  return `connector:channel:${channelId}`;
}
