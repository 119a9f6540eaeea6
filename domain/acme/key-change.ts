import { CaError } from '../error.ts';
import type { Account } from './account.ts';
import type { AccountRequest } from './authenticate.ts';
import { canonicalJwk, type AccountKey, type PublicJwk } from './jwk.ts';
import { readJws, readPayload, verifySignature } from './jws.ts';
import type { AcmePorts } from './ports.ts';

/**
 * Gives an account another key (RFC 8555 §7.3.5): the outer request is the old key's, the inner one the new key's. The old key
 * is dead with the commit; orders go on.
 *
 * @throws {CaError} `malformed` for whatever is wrong inside, `badPublicKey`, `badSignatureAlgorithm`, `conflict` with the URL of the account
 *   that has the key, `rateLimited`
 */
export async function changeKey(ports: AcmePorts, request: AccountRequest): Promise<Account> {
  const key = readInner(request);
  const known = await ports.accounts.accountByKey(request.account.profileId, key.thumbprint);
  if (known !== undefined) throw taken(request, known.id);
  await ports.limiter.take('acme-key-change', request.account.id);
  const changed = await ports.accounts.changeKey(request.who, key.jwk, key.thumbprint);
  if ('takenBy' in changed) throw taken(request, changed.takenBy);
  return changed.account;
}

function readInner(request: AccountRequest): AccountKey {
  const jws = readJws(request.payload.toString('utf8'), 'jwk');
  const key = jws.jwk;
  if (key === undefined) throw new CaError('malformed', 'the inner JWS has no jwk');
  if (jws.nonce !== undefined) throw new CaError('malformed', 'the inner JWS must not have a nonce');
  if (jws.url !== request.url) throw new CaError('malformed', 'the inner JWS names another url');
  try {
    verifySignature(jws, key);
  } catch (error) {
    if (error instanceof CaError && error.code === 'unauthorized')
      throw new CaError('malformed', 'the inner JWS is not signed by the new key');
    throw error;
  }
  const payload = readPayload(jws.payload);
  if (payload['account'] !== request.kid) throw new CaError('malformed', 'the inner JWS is for another account');
  if (!isKey(payload['oldKey'], request.account.jwk)) throw new CaError('malformed', 'oldKey is not the key of the account');
  if (key.thumbprint === request.account.thumbprint) throw new CaError('malformed', 'the new key is the old one');
  return key;
}

function isKey(value: unknown, jwk: PublicJwk): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return canonicalJwk(value as PublicJwk) === canonicalJwk(jwk);
}

function taken(request: AccountRequest, accountId: string): CaError {
  return new CaError('conflict', 'another account has this key', { url: request.urls.account(accountId) });
}
