import { createHash } from 'node:crypto';
import { readIssueValue, type IssueValue } from './issue-value.ts';
import { ProbeError } from './probe.ts';

/** Whose records at `_validation-persist` prove what (draft-ietf-acme-dns-persist-02 §4). */
export interface PersistentQuestion {
  /** The name that is validated; of a wildcard its base. */
  readonly name: string;
  readonly wildcard: boolean;
  /** Names of this CA, lower case. */
  readonly issuers: readonly string[];
  readonly accountUri: string;
  readonly accountHashPrefix: string;
  /** RFC 7638, base64url, of every key that the account has had; the current one first. */
  readonly thumbprints: readonly string[];
}

/**
 * The account as a record names it (§4.1).
 *
 * @param domain where the record stands; `*` for a record that serves every domain
 * @example hashedAccountUri('https://ca.example/account-hash/', 'example.com', thumbprint, 'https://ca.example/acct/123')
 */
export function hashedAccountUri(prefix: string, domain: string, thumbprint: string, accountUri: string): string {
  const digest = createHash('sha256')
    .update(Uint8Array.of(domain.length))
    .update(domain + thumbprint + accountUri)
    .digest('base64url');
  return `${prefix}sha-256/${digest}`;
}

/**
 * Until when the records prove the name; undefined: they do not say.
 *
 * @param now milliseconds since the epoch
 * @throws {ProbeError} `malformed`, `unauthorized`: the fault of the last record of this CA
 */
export function provenUntil(texts: readonly string[], question: PersistentQuestion, now: number): Date | undefined {
  const ours = texts.flatMap((text) => readIssueValue(text) ?? []).filter(({ issuer }) => question.issuers.includes(issuer));
  const accounts = new Set(acceptedUris(question));
  let fault = new ProbeError('unauthorized', `no record at _validation-persist names ${question.issuers.join(' or ')} as its issuer`);
  const ends: number[] = [];
  for (const record of ours) {
    try {
      ends.push(endOf(record, question.wildcard, accounts, now));
    } catch (error) {
      fault = error as ProbeError;
    }
  }
  if (ends.length === 0) throw fault;
  const last = Math.max(...ends);
  return last === Infinity ? undefined : new Date(last * 1000);
}

/** Drafts before the second, which clients still follow, name the account by its URL alone. */
function acceptedUris({ name, accountUri, accountHashPrefix, thumbprints }: PersistentQuestion): readonly string[] {
  const hashed = thumbprints.flatMap((thumbprint) =>
    [name, '*'].map((domain) => hashedAccountUri(accountHashPrefix, domain, thumbprint, accountUri)),
  );
  return [...hashed, accountUri];
}

/** Seconds since the epoch. */
function endOf({ parameters }: IssueValue, wildcard: boolean, accounts: ReadonlySet<string>, now: number): number {
  const values = new Map<string, string>();
  for (const { tag, value } of parameters) {
    if (values.has(tag)) throw new ProbeError('malformed', `the record has two parameters ${tag.slice(0, 32)}`);
    values.set(tag, value);
  }
  const account = values.get('accounturi');
  if (account === undefined) throw new ProbeError('malformed', 'the record has no accounturi');
  const until = values.get('persistuntil');
  if (until !== undefined && !/^\d{1,12}$/.test(until)) throw new ProbeError('malformed', 'persistUntil of the record is no UNIX time');
  if (!accounts.has(account)) throw new ProbeError('unauthorized', 'the record names another account');
  if (until !== undefined && Number(until) * 1000 <= now) throw new ProbeError('unauthorized', 'the record has expired (persistUntil)');
  if (wildcard && values.get('policy')?.toLowerCase() !== 'wildcard')
    throw new ProbeError('unauthorized', 'the record lacks policy=wildcard');
  return until === undefined ? Infinity : Number(until);
}
