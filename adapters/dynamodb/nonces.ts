import { createSecretKey, type KeyObject } from 'node:crypto';
import { PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import { makeNonce, nonceIsAuthentic, nonceKeyDay, nonceLifetimeSeconds, readNonce } from '#domain/acme/nonce.ts';
import type { Nonces } from '#domain/acme/ports.ts';
import { isConditionFailure } from './client.ts';
import { madeOnce } from './made-once.ts';

export interface NonceTables {
  /** Spent nonces. */
  readonly nonces: string;
  /** Where the daily keys lie, sealed. */
  readonly state: string;
}

export interface Envelope {
  seal(plain: Uint8Array, context: string): Promise<Uint8Array>;
  unseal(sealed: Uint8Array, context: string): Promise<Uint8Array>;
}

const keyLifetimeSeconds = 3 * 86_400;

/** Nonces that authenticate themselves and are recorded when they are spent (RFC 8555 §6.5). */
export function nonces(client: DynamoDBClient, tables: NonceTables, envelope: Envelope, chance: Chance): Nonces {
  const keys = new Map<number, Promise<KeyObject>>();
  const seconds = (): number => Math.floor(chance.now() / 1000);

  const key = (day: number): Promise<KeyObject> => {
    let found = keys.get(day);
    if (found === undefined) {
      found = dailyKey(client, tables.state, envelope, chance, day).then((bytes) => createSecretKey(bytes));
      keys.set(day, found);
      found.catch(() => keys.delete(day));
      for (const old of keys.keys()) if (old < day - 2) keys.delete(old);
    }
    return found;
  };

  return {
    async issue() {
      const now = seconds();
      return makeNonce(await key(nonceKeyDay(now)), now, chance.random(16));
    },
    async spend(text) {
      const now = seconds();
      const nonce = readNonce(text, now);
      if (nonce === undefined || !nonceIsAuthentic(nonce, await key(nonceKeyDay(nonce.issuedAt)))) return false;
      try {
        await client.send(
          new PutItemCommand({
            TableName: tables.nonces,
            Item: { pk: { S: nonce.id }, exp: { N: String(nonce.issuedAt + nonceLifetimeSeconds + 3600) } },
            ConditionExpression: 'attribute_not_exists(pk)',
          }),
        );
        return true;
      } catch (error) {
        if (isConditionFailure(error)) return false;
        throw new CaError('unavailable', 'the nonce store does not answer; try again', { cause: error, retryAfter: 2 });
      }
    },
  };
}

/** Whoever needs a day's key first makes it; the others read the winner's. */
async function dailyKey(client: DynamoDBClient, table: string, envelope: Envelope, chance: Chance, day: number): Promise<Uint8Array> {
  const pk = `nonce-key#${day}`;
  try {
    const sealed = await madeOnce(client, table, {
      pk,
      attribute: 'sealed',
      exp: day * 86_400 + keyLifetimeSeconds,
      make: () => envelope.seal(chance.random(32), pk),
    });
    return await envelope.unseal(sealed, pk);
  } catch (error) {
    throw new CaError('unavailable', 'the nonce keys cannot be read; try again', { cause: error, retryAfter: 2 });
  }
}
