import { z } from 'zod';

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
]);
export type ConnectorCall = z.infer<typeof connectorCall>;

/** What the connector found; parsed as hostile by whoever asked. */
export const connectorAnswer = z.discriminatedUnion('ok', [
  z.strictObject({ ok: z.literal(true) }),
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
