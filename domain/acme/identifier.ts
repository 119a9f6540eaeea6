import { isIP } from 'node:net';
import { CaError, type Subproblem } from '../error.ts';
import { isDnsName } from '../x509/dns-name.ts';
import { canonicalIp } from '../x509/ip-address.ts';
import type { Profile } from '../issuance/profile.ts';
import { nameIsAllowed } from '../issuance/name-policy.ts';
import { publicNameRefusal } from '../issuance/public-names.ts';

/** RFC 8555 §7.1.3; a dns value in lower case, perhaps with `*.` in front. */
export interface Identifier {
  readonly type: 'dns' | 'ip';
  readonly value: string;
}

/**
 * Reads the identifiers of a newOrder request: normalised, without repetition, allowed by the profile and by the account's own limits.
 *
 * @throws {CaError} `malformed`, or one refusal with a subproblem for every bad identifier (RFC 8555 §6.7.1)
 */
export function readIdentifiers(value: unknown, profile: Profile, accountNames: readonly string[] | undefined): readonly Identifier[] {
  if (!Array.isArray(value) || value.length === 0) throw new CaError('malformed', 'identifiers must be a list that is not empty');
  if (value.length > profile.maxIdentifiers) {
    throw new CaError('malformed', `an order may have at most ${profile.maxIdentifiers} identifiers`);
  }
  const found = new Map<string, Identifier>();
  const problems: Subproblem[] = [];
  for (const item of value) {
    const read = readIdentifier(item, profile, accountNames);
    if ('code' in read) problems.push(read);
    else found.set(`${read.type}:${read.value}`, read);
  }
  const [first] = problems;
  if (first !== undefined) throw new CaError(first.code, refusalDetail(problems), { subproblems: problems });
  return [...found.values()];
}

const summarised = 3;

/** What a refusal says of its subproblems: clients show their people this line, and none of those. */
export function refusalDetail(problems: readonly Subproblem[]): string {
  const parts = problems.slice(0, summarised).map(({ identifier, detail }) => `${printable(identifier.value)}: ${detail}`);
  const more = problems.length - parts.length;
  return `${parts.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

/** A refused value is anything; nothing of it may steer the terminal that shows it. */
function printable(value: string): string {
  const shown = value.replace(/[^\x20-\x7e]/g, '?');
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
}

function readIdentifier(item: unknown, profile: Profile, accountNames: readonly string[] | undefined): Identifier | Subproblem {
  if (typeof item !== 'object' || item === null) throw new CaError('malformed', 'an identifier is not an object');
  const { type, value } = item as Record<string, unknown>;
  if (typeof type !== 'string' || typeof value !== 'string') throw new CaError('malformed', 'an identifier has no type or value');
  const refuse = (code: 'rejectedIdentifier' | 'unsupportedIdentifier', detail: string): Subproblem => ({
    code,
    detail,
    identifier: { type: type.slice(0, 32), value: value.slice(0, 255) },
  });
  if (type === 'ip') {
    if (canonicalIp(value) !== value) return refuse('rejectedIdentifier', 'not an address in its canonical form (RFC 8738 §3)');
    const address: Identifier = { type, value };
    const fault = publicNameRefusal(address, profile);
    if (fault !== undefined) return refuse('rejectedIdentifier', fault);
    return isAllowed(address, profile, accountNames) ? address : refuse('rejectedIdentifier', 'the policy does not allow this address');
  }
  if (type !== 'dns') return refuse('unsupportedIdentifier', 'the identifier type must be dns or ip');
  const name = value.toLowerCase();
  const wildcard = name.startsWith('*.');
  const base = wildcard ? name.slice(2) : name;
  if (isIP(base) !== 0) return refuse('rejectedIdentifier', 'an address is not a dns name');
  if (!isDnsName(base))
    return refuse('rejectedIdentifier', 'not a dns name: letters, digits and hyphens in labels of 1 to 63, at most 253 in all');
  if (!base.includes('.') && !profile.allowSingleLabel) return refuse('rejectedIdentifier', 'a name needs at least two labels');
  if (base.endsWith('.onion')) return refuse('rejectedIdentifier', 'onion names are not issued here');
  if (wildcard && !profile.allowWildcards) return refuse('rejectedIdentifier', 'the profile allows no wildcards');
  const identifier: Identifier = { type: 'dns', value: name };
  const fault = publicNameRefusal(identifier, profile);
  if (fault !== undefined) return refuse('rejectedIdentifier', fault);
  return isAllowed(identifier, profile, accountNames) ? identifier : refuse('rejectedIdentifier', 'the policy does not allow this name');
}

function isAllowed(identifier: Identifier, profile: Profile, accountNames: readonly string[] | undefined): boolean {
  return nameIsAllowed(identifier, profile.allowedNames) && nameIsAllowed(identifier, accountNames);
}

/** The identifier as an authorization has it: a wildcard's base (RFC 8555 §7.1.4). */
export function authorizationIdentifier(identifier: Identifier): { readonly identifier: Identifier; readonly wildcard: boolean } {
  if (identifier.type !== 'dns' || !identifier.value.startsWith('*.')) return { identifier, wildcard: false };
  return { identifier: { type: 'dns', value: identifier.value.slice(2) }, wildcard: true };
}

/** Two addresses or names that mean the same, as one text. */
export function identifierKey(identifier: { readonly type: string; readonly value: string }): string {
  const value = identifier.type === 'ip' ? (canonicalIp(identifier.value) ?? identifier.value) : identifier.value.toLowerCase();
  return `${identifier.type}:${value}`;
}
