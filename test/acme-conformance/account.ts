import { createHmac } from 'node:crypto';
import { post, resource, type Client } from './client.ts';
import { base64url } from './key.ts';
import { newClient, type ExternalAccount, type Subject } from './subject.ts';
import { hold, succeeded, type JsonObject } from './verdict.ts';

/** An external account binding (RFC 8555 §7.3.4), or one that differs. */
export function binding(
  external: ExternalAccount,
  newAccount: string,
  jwk: JsonObject,
  changes: { readonly header?: JsonObject; readonly hmac?: Uint8Array } = {},
): JsonObject {
  const head = base64url({ alg: 'HS256', kid: external.kid, url: newAccount, ...changes.header });
  const payload = base64url(jwk);
  const mac = createHmac('sha256', changes.hmac ?? Buffer.from(external.hmac, 'base64url')).update(`${head}.${payload}`);
  return { protected: head, payload, signature: mac.digest('base64url') };
}

/** The payload of a newAccount request that the server should grant. */
export function accountPayload(subject: Subject, client: Client): JsonObject {
  const { externalAccount } = subject;
  return {
    termsOfServiceAgreed: true,
    ...(externalAccount && {
      externalAccountBinding: binding(externalAccount, resource(subject.connection, 'newAccount'), client.key.jwk),
    }),
  };
}

/** Registers a key (RFC 8555 §7.3). */
export async function register(subject: Subject, client = newClient(subject), more: JsonObject = {}): Promise<Client> {
  const answer = await post(client, resource(subject.connection, 'newAccount'), { ...accountPayload(subject, client), ...more });
  succeeded('newAccount', answer);
  hold(answer.headers['location'] !== undefined, 'newAccount should give a Location');
  client.kid = answer.headers['location'];
  return client;
}

/** An account that cases share and leave as it is. */
export function account(subject: Subject): Promise<Client> {
  return (subject.shared.account ??= register(subject));
}

/** Another such account. */
export function stranger(subject: Subject): Promise<Client> {
  return (subject.shared.stranger ??= register(subject));
}
