import { randomBytes } from 'node:crypto';
import type { Client, Connection } from './client.ts';
import type { HttpResponder } from './http-responder.ts';
import { makeKey, type Key } from './key.ts';
import type { TlsResponder } from './tls-responder.ts';
import type { HttpAnswer } from './transport.ts';
import type { JsonObject } from './verdict.ts';
import type { Zone } from './zone.ts';

export interface ExternalAccount {
  readonly kid: string;
  /** Base64url */
  readonly hmac: string;
}

/** The server under test, and what a case needs to try it. */
export interface Subject {
  readonly directoryUrl: string;
  readonly directoryAnswer: HttpAnswer;
  readonly connection: Connection;
  readonly externalAccount: ExternalAccount | undefined;
  /** What the names of orders end in. */
  readonly suffix: string;
  readonly profile: string | undefined;
  /** An address that the server may validate. */
  readonly ip: string | undefined;
  /** Seconds that a status may take. */
  readonly patience: number;
  readonly http: HttpResponder | undefined;
  readonly tls: TlsResponder | undefined;
  readonly zone: Zone | undefined;
  /** What cases share, made when first wanted. */
  readonly shared: Shared;
}

export interface Shared {
  account?: Promise<Client>;
  stranger?: Promise<Client>;
  certificate?: Promise<Issued>;
  ready?: Promise<Placed>;
  pending?: Promise<Placed>;
  star?: Promise<Star>;
}

export interface Identifier {
  readonly type: string;
  readonly value: string;
}

/** An order as the server answered it. */
export interface Placed {
  readonly url: string;
  readonly body: JsonObject;
  readonly identifiers: readonly Identifier[];
}

export interface Issued {
  readonly order: Placed;
  /** URL */
  readonly certificate: string;
  readonly download: HttpAnswer;
  readonly key: Key;
}

/** An order whose certificate renews itself (RFC 8739). */
export interface Star {
  readonly order: Placed;
  /** URL */
  readonly certificate: string;
  readonly key: Key;
}

export function newClient(subject: Subject, key = makeKey()): Client {
  return { connection: subject.connection, key, kid: '' };
}

/** A name that nobody has used. */
export function freshName({ suffix }: Pick<Subject, 'suffix'>): string {
  return `c${randomBytes(6).toString('hex')}.${suffix}`;
}

export const dns = (value: string): Identifier => ({ type: 'dns', value });
