import * as z from 'zod';
import { nameResolver } from '#adapters/dns/resolver.ts';
import { envelope } from '#adapters/kms/envelope.ts';
import { awsPrivateCa, awsPrivateCaConfig, IssuerError } from '#connectors/issuers/aws-private-ca.ts';
import { sendWebhook, WebhookError } from '#connectors/notifiers/webhook.ts';
import { connectorCall, type ConnectorAnswer, type ConnectorCall } from '#domain/connector/call.ts';
import { channelSecretContext, connectorKeyContext } from '#domain/connector/seal-context.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';

const door = z.object({ suffix: z.string().startsWith('.'), address: z.string() });
const settings = z
  .object({ ...environment.envelope, DNS_RESOLVERS: z.string().default(''), CONNECTOR_DOOR: z.string().optional() })
  .parse(process.env);

const sealed = envelope(settings.ENVELOPE_KEY_ARN);
const resolver = nameResolver(settings.DNS_RESOLVERS.split(',').filter((server) => server !== ''));
const opened = settings.CONNECTOR_DOOR === undefined ? undefined : door.parse(JSON.parse(settings.CONNECTOR_DOOR));
const privateCa = awsPrivateCa();

/** Speaks to CAs and receivers elsewhere. It has no database: arguments and answers go by schema, and it opens only seals made for it. */
export async function handler(event: unknown): Promise<ConnectorAnswer> {
  const call = connectorCall.parse(event);
  try {
    return await speak(call);
  } catch (error) {
    if (!(error instanceof WebhookError) && !(error instanceof IssuerError)) throw error;
    log.info('refused elsewhere', { kind: call.kind, detail: error.message, final: error.final });
    return {
      ok: false,
      final: error.final,
      detail: error.message,
      ...(error.retryAfter !== undefined && { retryAfter: error.retryAfter }),
    };
  }
}

async function speak(call: ConnectorCall): Promise<ConnectorAnswer> {
  switch (call.kind) {
    case 'webhook': {
      const secret = await sealed.unseal(Buffer.from(call.sealedSecret, 'base64'), channelSecretContext(call.channelId));
      const message = { url: call.url, secret, messageId: call.messageId, body: call.body, timestamp: Math.floor(Date.now() / 1000) };
      await sendWebhook({ resolver, door: opened }, message);
      return { ok: true };
    }
    case 'order': {
      const { csr, token } = call;
      const notAfter = new Date(call.notAfter);
      return { ok: true, orderRef: await privateCa.order(configOf(call), { csr, notAfter, token }) };
    }
    case 'collect': {
      const collected = await privateCa.collect(configOf(call), call.orderRef);
      return collected === undefined ? { ok: true, pending: true } : { ok: true, ...collected };
    }
    case 'revoke': {
      await privateCa.revoke(configOf(call), call.serial, call.reason);
      return { ok: true };
    }
    case 'make-key':
    case 'deploy':
    case 'inspect': {
      // With the client of the cloud, which other calls do not need.
      const { makeSealedKey, deployToCloud, inspectCloud } = await import('./cloud-target.ts');
      const ports = {
        seal: (key: Uint8Array, id: string) => sealed.seal(key, connectorKeyContext(id)),
        unseal: (key: Uint8Array, id: string) => sealed.unseal(key, connectorKeyContext(id)),
        resolver,
        door: opened,
      };
      if (call.kind === 'make-key') return { ok: true, ...(await makeSealedKey(ports, call)) };
      if (call.kind === 'inspect') return { ok: true, inspected: await inspectCloud(ports, call) };
      return { ok: true, deployed: await deployToCloud(ports, call) };
    }
  }
}

function configOf(call: ConnectorCall & { readonly kind: 'order' | 'collect' | 'revoke' }): z.output<typeof awsPrivateCaConfig> {
  const config = awsPrivateCaConfig.safeParse(call.issuer.config);
  if (config.success) return config.data;
  throw new IssuerError(`the issuer's configuration is not valid: ${config.error.issues[0]?.message ?? ''}`, { final: true });
}
