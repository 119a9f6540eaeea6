import { CaError } from '../error.ts';
import type { Profile } from '../issuance/profile.ts';
import type { Account } from './account.ts';
import { restoreKey, type AccountKey } from './jwk.ts';
import { readJws, verifySignature, type KeyMode, type UnverifiedJws } from './jws.ts';
import type { AcmePorts } from './ports.ts';
import { AccountChanged, type Principal } from './store.ts';
import { acmeUrls, type AcmeUrls } from './urls.ts';

/** A request whose signature, URL and nonce are right. */
export interface SignedRequest {
  readonly profile: Profile;
  readonly urls: AcmeUrls;
  readonly url: string;
  readonly payload: Buffer;
  /** Whose allowance it spends that has no account. */
  readonly addressKey: string;
}
export interface KeyRequest extends SignedRequest {
  readonly key: AccountKey;
}
export interface AccountRequest extends SignedRequest {
  /** The account's URL as the client wrote it. */
  readonly kid: string;
  readonly who: Principal;
  readonly account: Account;
}

/** Accounts whose keys this instance has seen; bounded, and every statement checks what it relied on. */
export interface AccountCache {
  readonly entries: Map<string, { readonly account: Account; readonly key: AccountKey }>;
  readonly size: number;
}

export interface Incoming {
  readonly profile: Profile;
  readonly body: string;
  /** Path under the profile's base, e.g. `/new-order`. */
  readonly path: string;
  readonly addressKey: string;
}

/**
 * Checks a JWS request in the order of RFC 8555 §6: structure, URL, nonce, key, signature. The nonce is spent exactly once,
 * after everything that costs nothing and before anything that has an effect.
 *
 * @throws {CaError} `malformed`, `badSignatureAlgorithm`, `badPublicKey`, `unauthorized`, `badNonce`, `accountDoesNotExist`, `accountInactive`
 */
export async function authenticate(ports: AcmePorts, cache: AccountCache, incoming: Incoming, mode: 'jwk'): Promise<KeyRequest>;
export async function authenticate(ports: AcmePorts, cache: AccountCache, incoming: Incoming, mode: 'kid'): Promise<AccountRequest>;
export async function authenticate(
  ports: AcmePorts,
  cache: AccountCache,
  incoming: Incoming,
  mode: 'either',
): Promise<KeyRequest | AccountRequest>;
export async function authenticate(
  ports: AcmePorts,
  cache: AccountCache,
  incoming: Incoming,
  mode: KeyMode,
): Promise<KeyRequest | AccountRequest> {
  const urls = acmeUrls(ports.publicBaseUrl, incoming.profile.id);
  const url = urls.base + incoming.path;
  const jws = readJws(incoming.body, mode);
  if (jws.url !== url && !isShorthand(ports, jws.url, incoming.path))
    throw new CaError('unauthorized', 'the url in the protected header is not the one that was requested');
  if (jws.nonce === undefined || !(await ports.nonces.spend(jws.nonce)))
    throw new CaError('badNonce', 'the nonce is missing, spent or expired');
  const request: SignedRequest = { profile: incoming.profile, urls, url: jws.url, payload: jws.payload, addressKey: incoming.addressKey };
  if (jws.jwk !== undefined) {
    verifySignature(jws, jws.jwk);
    return { ...request, key: jws.jwk };
  }
  const { account, key } = await accountOf(ports, cache, urls, jws);
  return {
    ...request,
    kid: jws.kid ?? '',
    account,
    who: { accountId: account.id, profileId: account.profileId, thumbprint: key.thumbprint },
  };
}

/**
 * Runs what an account asked for; when the account turns out to have changed since its key was cached, once more from the
 * account's present state.
 */
export async function withAccount<T>(
  cache: AccountCache,
  request: AccountRequest,
  reload: () => Promise<Account | undefined>,
  work: (request: AccountRequest) => Promise<T>,
): Promise<T> {
  try {
    return await work(request);
  } catch (error) {
    if (!(error instanceof AccountChanged)) throw error;
    cache.entries.delete(request.account.id);
    const account = await reload();
    if (account === undefined) throw noSuchAccount();
    assertUsable(account);
    // The key that signed was replaced meanwhile: the request is not this account's any more.
    if (account.thumbprint !== request.who.thumbprint) throw new CaError('unauthorized', 'the account key has been changed');
    throw new CaError('unavailable', 'the account was changing; try again', { retryAfter: 1 });
  }
}

function isShorthand(ports: AcmePorts, url: string, path: string): boolean {
  return url === `${ports.publicBaseUrl}/acme${path}`;
}

async function accountOf(
  ports: AcmePorts,
  cache: AccountCache,
  urls: AcmeUrls,
  jws: UnverifiedJws,
): Promise<{ account: Account; key: AccountKey }> {
  const prefix = urls.account('');
  const shorthand = `${ports.publicBaseUrl}/acme/account/`;
  const kid = jws.kid ?? '';
  const id = kid.startsWith(prefix) ? kid.slice(prefix.length) : kid.startsWith(shorthand) ? kid.slice(shorthand.length) : undefined;
  if (id === undefined || !/^acct-[0-9a-f]{32}$/.test(id)) throw noSuchAccount();
  const cached = cache.entries.get(id);
  if (cached?.account.profileId === profileOf(urls) && isSignedBy(jws, cached.key)) return cached;
  const account = await ports.accounts.account(id);
  if (account?.profileId !== profileOf(urls)) throw noSuchAccount();
  const key = restoreKey(account.jwk, account.thumbprint);
  verifySignature(jws, key);
  assertUsable(account);
  if (cache.entries.size >= cache.size) {
    const [oldest] = cache.entries.keys();
    if (oldest !== undefined) cache.entries.delete(oldest);
  }
  const entry = { account, key };
  cache.entries.set(id, entry);
  return entry;
}

/** A key that fails may only be out of date: another instance may have changed it. */
function isSignedBy(jws: UnverifiedJws, key: AccountKey): boolean {
  try {
    verifySignature(jws, key);
    return true;
  } catch {
    return false;
  }
}

function profileOf(urls: AcmeUrls): string {
  return urls.base.slice(urls.base.lastIndexOf('/') + 1);
}

function noSuchAccount(): CaError {
  return new CaError('accountDoesNotExist', 'no account has this kid');
}

/** @throws {CaError} `accountInactive` (RFC 8555 §7.3.6) */
export function assertUsable(account: Account): void {
  if (account.status !== 'valid') throw new CaError('accountInactive', `the account is ${account.status}`);
  if (account.blocked) throw new CaError('accountInactive', 'the external account of this account is disabled');
}
