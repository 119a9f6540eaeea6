import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { NameResolver } from '#adapters/dns/resolver.ts';
import { CaError } from '#domain/error.ts';
import { assertWebhookUrl } from '#domain/notification/webhook-url.ts';
import { judgeAddress } from '#domain/probe/address-policy.ts';

/** The local host's way to reach receivers on its own machine; never set by the CDK app. */
export interface WebhookDoor {
  readonly suffix: string;
  readonly address: string;
}

export interface Webhook {
  readonly url: string;
  readonly secret: Uint8Array;
  readonly messageId: string;
  /** JSON text. */
  readonly body: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
}

/** A delivery that did not succeed, with a detail that names no address. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
  readonly final: boolean;
  readonly retryAfter: number | undefined;
  constructor(
    detail: string,
    options: { readonly final?: boolean; readonly retryAfter?: number | undefined; readonly cause?: unknown } = {},
  ) {
    super(detail, { cause: options.cause });
    this.final = options.final ?? false;
    this.retryAfter = options.retryAfter;
  }
}

const connectMs = 5000;
const totalMs = 15_000;
const maxAnswerBytes = 16_384;

/**
 * Posts a signed message once (Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`). The name is resolved once, its
 * address judged as a challenge's would be, and the connection made to that address; redirects are not followed.
 *
 * @throws {WebhookError}
 */
export async function sendWebhook(
  ports: { readonly resolver: NameResolver; readonly door: WebhookDoor | undefined },
  webhook: Webhook,
): Promise<void> {
  const url = addressable(webhook.url, ports.door?.suffix);
  const address = await addressOf(ports, url);
  const { status, retryAfter } = await post(url, address, webhook);
  if (status >= 200 && status < 300) return;
  const final = status === 410 || (status >= 300 && status < 400);
  throw new WebhookError(`the receiver answered with status ${status}`, { final, retryAfter });
}

/** The signature of a message: base64 of HMAC-SHA-256 over `id.timestamp.body`, with its version before it. */
export function signWebhook(webhook: Omit<Webhook, 'url'>): string {
  const mac = createHmac('sha256', webhook.secret).update(`${webhook.messageId}.${webhook.timestamp}.${webhook.body}`).digest('base64');
  return `v1,${mac}`;
}

function addressable(text: string, doorSuffix: string | undefined): URL {
  try {
    return assertWebhookUrl(text, doorSuffix);
  } catch (cause) {
    throw new WebhookError(cause instanceof CaError ? cause.message : 'the address of the channel is not allowed', { final: true, cause });
  }
}

async function addressOf(ports: { readonly resolver: NameResolver; readonly door: WebhookDoor | undefined }, url: URL): Promise<string> {
  if (ports.door !== undefined && url.hostname.endsWith(ports.door.suffix)) return ports.door.address;
  let addresses: readonly string[];
  try {
    addresses = await ports.resolver.addresses(url.hostname);
  } catch (cause) {
    throw new WebhookError('the name of the receiver does not resolve', { cause });
  }
  const allowed = addresses.filter((address) => judgeAddress(address, []) === 'allowed');
  const [address] = allowed;
  if (address === undefined || allowed.length < addresses.length)
    throw new WebhookError('the name of the receiver leads to an address that must not be reached', { final: true });
  return address;
}

function post(url: URL, address: string, webhook: Webhook): Promise<{ readonly status: number; readonly retryAfter: number | undefined }> {
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:';
    const body = Buffer.from(webhook.body);
    const request = (secure ? https : http).request({
      host: address,
      port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
      path: url.pathname + url.search,
      method: 'POST',
      agent: false,
      signal: AbortSignal.timeout(totalMs),
      ...(secure && { servername: url.hostname, minVersion: 'TLSv1.2' as const }),
      maxHeaderSize: 16_384,
      headers: {
        host: url.host,
        'content-type': 'application/json',
        'content-length': body.length,
        'user-agent': 'certctl-webhook',
        'webhook-id': webhook.messageId,
        'webhook-timestamp': String(webhook.timestamp),
        'webhook-signature': signWebhook(webhook),
        'idempotency-key': webhook.messageId,
        connection: 'close',
      },
    });
    const connecting = setTimeout(() => request.destroy(new WebhookError('no connection within 5 seconds')), connectMs);
    request.on('socket', (socket) => socket.once('connect', () => clearTimeout(connecting)));
    request.on('error', (error) => {
      clearTimeout(connecting);
      reject(error instanceof WebhookError ? error : new WebhookError(reasonOf(error), { cause: error }));
    });
    request.on('response', (response) => {
      let size = 0;
      const answered = (): void => resolve({ status: response.statusCode ?? 0, retryAfter: secondsOf(response.headers['retry-after']) });
      // The answer's text is nobody's business; only its end is waited for, and not for ever.
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxAnswerBytes) {
          response.destroy();
          answered();
        }
      });
      response.on('end', answered);
      response.on('error', answered);
    });
    request.end(body);
  });
}

function secondsOf(header: string | undefined): number | undefined {
  const seconds = /^\d{1,5}$/.test(header ?? '') ? Number(header) : 0;
  return seconds >= 1 && seconds <= 86_400 ? seconds : undefined;
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the receiver refused the connection',
  ECONNRESET: 'the receiver reset the connection',
  ETIMEDOUT: 'the connection timed out',
  ABORT_ERR: 'no complete answer within 15 seconds',
  HPE_HEADER_OVERFLOW: 'the answer has too many headers',
};

function reasonOf(error: Error): string {
  const code = (error as { code?: string }).code ?? '';
  if (/CERT|SELF_SIGNED|ALTNAME|UNABLE_TO/.test(code)) return 'the certificate of the receiver is not trusted';
  return reasons[code] ?? 'the connection failed';
}
