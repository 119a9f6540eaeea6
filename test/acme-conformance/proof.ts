import { createHash } from 'node:crypto';
import { challengeCertificate, type ChallengeCertificateOptions } from './challenge-certificate.ts';
import { post, settled, type Client } from './client.ts';
import type { HttpResource } from './http-responder.ts';
import type { Subject } from './subject.ts';
import { hold, listOf, NotApplicable, objectOf, succeeded, textOf, textsOf, type JsonObject } from './verdict.ts';

export type ChallengeType = 'http-01' | 'dns-01' | 'tls-alpn-01' | 'dns-account-01';

/** A challenge with the authorization that it belongs to. */
export interface Offered {
  /** URL */
  readonly authorization: string;
  readonly identifier: { readonly type: string; readonly value: string };
  readonly url: string;
  readonly token: string;
  readonly type: ChallengeType;
  /** RFC 8555 §8.1 */
  readonly keyAuthorization: string;
  /** URL of who is challenged. */
  readonly account: string;
}

/** What is shown in place of the right answer. */
export interface Shown {
  readonly text?: string;
  readonly http?: HttpResource;
  readonly tls?: Partial<ChallengeCertificateOptions>;
}

export async function challengesOf(client: Client, authorization: string): Promise<readonly JsonObject[]> {
  const answer = succeeded('reading an authorization', await post(client, authorization), 200);
  return listOf(objectOf(answer), 'challenges') as readonly JsonObject[];
}

/** Finds a challenge that the suite can answer. */
export async function offered(subject: Subject, client: Client, authorization: string, type: ChallengeType): Promise<Offered> {
  if (!canAnswer(subject, type)) throw new NotApplicable(`the suite was given no port to answer ${type}`);
  const found = (await answerable(client, authorization)).find((challenge) => challenge.type === type);
  if (found === undefined) throw new NotApplicable(`the server does not offer ${type}`);
  return found;
}

async function answerable(client: Client, authorization: string): Promise<readonly Offered[]> {
  const body = objectOf(succeeded('reading an authorization', await post(client, authorization), 200));
  const identifier = body['identifier'] as Offered['identifier'];
  return (listOf(body, 'challenges') as readonly JsonObject[])
    .filter(({ type, token }) => isAnswerable(type) && typeof token === 'string')
    .map((challenge) => {
      const token = textOf(challenge, 'token');
      const keyAuthorization = `${token}.${client.key.thumbprint}`;
      return {
        authorization,
        identifier,
        url: textOf(challenge, 'url'),
        token,
        type: challenge['type'] as ChallengeType,
        keyAuthorization,
        account: client.kid,
      };
    });
}

function isAnswerable(type: unknown): type is ChallengeType {
  return type === 'http-01' || type === 'dns-01' || type === 'tls-alpn-01' || type === 'dns-account-01';
}

function canAnswer(subject: Subject, type: ChallengeType): boolean {
  return (
    { 'http-01': subject.http, 'dns-01': subject.zone, 'tls-alpn-01': subject.tls, 'dns-account-01': subject.zone }[type] !== undefined
  );
}

/** Puts the answer to a challenge where the server looks for it. */
export async function present(subject: Subject, challenge: Offered, shown: Shown = {}): Promise<void> {
  const text = shown.text ?? challenge.keyAuthorization;
  const { value } = challenge.identifier;
  switch (challenge.type) {
    case 'http-01':
      subject.http?.resources.set(pathOf(challenge), shown.http ?? { body: text });
      return;
    case 'dns-account-01':
    case 'dns-01': {
      const data = createHash('sha256').update(text).digest('base64url');
      const below = `_acme-challenge.${value}`;
      const name = challenge.type === 'dns-01' ? below : `${accountLabel(challenge.account)}.${below}`;
      // A name and its wildcard are proven there together.
      const others = subject.zone?.records.get(name) ?? [{ type: 'TXT', data: 'something else' }];
      subject.zone?.records.set(name, [...others, { type: 'TXT', data }]);
      return;
    }
    case 'tls-alpn-01': {
      const names = [{ type: challenge.identifier.type as 'dns' | 'ip', value }];
      subject.tls?.certificates.set(value, await challengeCertificate({ names, keyAuthorization: text, ...shown.tls }));
    }
  }
}

/** Base32 of the first ten octets of the digest (draft-ietf-acme-dns-account-label §3). */
export function accountLabel(url: string): string {
  const digest = createHash('sha256').update(url).digest().subarray(0, 10);
  const bits = [...digest].map((octet) => octet.toString(2).padStart(8, '0')).join('');
  const digits = bits.match(/.{5}/g) ?? [];
  return `_${digits.map((five) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(five, 2)]).join('')}`;
}

/** RFC 8555 §8.3 */
export function pathOf({ token }: Pick<Offered, 'token'>): string {
  return `/.well-known/acme-challenge/${token}`;
}

/** Says that the answer is there, and waits for the server's judgement. */
export async function judged(subject: Subject, client: Client, challenge: Offered, patience = subject.patience): Promise<JsonObject> {
  succeeded('the response to a challenge', await post(client, challenge.url, {}));
  return settled(client, challenge.authorization, ['pending'], patience);
}

/** Proves each identifier of an order that is not proven yet. */
export async function prove(subject: Subject, client: Client, order: JsonObject): Promise<void> {
  await Promise.all(
    textsOf(order, 'authorizations').map(async (authorization) => {
      const { status } = objectOf(succeeded('reading an authorization', await post(client, authorization), 200));
      if (status === 'valid') return;
      const challenge = (await answerable(client, authorization)).find(({ type }) => canAnswer(subject, type));
      if (challenge === undefined) throw new NotApplicable('the suite was given no port to answer a challenge that the server offers');
      await present(subject, challenge);
      const after = await judged(subject, client, challenge);
      hold(after['status'] === 'valid', `a right answer should make the authorization valid, not ${JSON.stringify(after)}`);
    }),
  );
}
