import { z } from 'zod';
import { nameResolver } from '#adapters/dns/resolver.ts';
import { envelope } from '#adapters/kms/envelope.ts';
import { sendWebhook, WebhookError } from '#connectors/notifiers/webhook.ts';
import { channelSecretContext, connectorCall, type ConnectorAnswer } from '#domain/connector/call.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';

const door = z.object({ suffix: z.string().startsWith('.'), address: z.string() });
const settings = z
  .object({ ...environment.envelope, DNS_RESOLVERS: z.string().default(''), CONNECTOR_DOOR: z.string().optional() })
  .parse(process.env);

const sealed = envelope(settings.ENVELOPE_KEY_ARN);
const resolver = nameResolver(settings.DNS_RESOLVERS.split(',').filter((server) => server !== ''));
const opened = settings.CONNECTOR_DOOR === undefined ? undefined : door.parse(JSON.parse(settings.CONNECTOR_DOOR));

/** Speaks to CAs and receivers elsewhere. It has no database: arguments and answers go by schema, and it opens only seals made for it. */
export async function handler(event: unknown): Promise<ConnectorAnswer> {
  const call = connectorCall.parse(event);
  try {
    await sendWebhook(
      { resolver, door: opened },
      {
        url: call.url,
        secret: await sealed.unseal(Buffer.from(call.sealedSecret, 'base64'), channelSecretContext(call.channelId)),
        messageId: call.messageId,
        body: call.body,
        timestamp: Math.floor(Date.now() / 1000),
      },
    );
    return { ok: true };
  } catch (error) {
    if (!(error instanceof WebhookError)) throw error;
    log.info('a receiver did not take a message', { channelId: call.channelId, messageId: call.messageId, detail: error.message });
    return {
      ok: false,
      final: error.final,
      detail: error.message,
      ...(error.retryAfter !== undefined && { retryAfter: error.retryAfter }),
    };
  }
}
