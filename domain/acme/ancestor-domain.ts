import { isIP } from 'node:net';
import { CaError, type Subproblem } from '../error.ts';
import type { Profile } from '../issuance/profile.ts';
import { publicNameRefusal } from '../issuance/public-names.ts';
import { isDnsName } from '../x509/dns-name.ts';
import { authorizationIdentifier, identifierKey, refusalDetail, type Identifier } from './identifier.ts';

/** By the key of an ordered identifier: the domain above it that its account would rather prove. */
export type AncestorDomains = ReadonlyMap<string, string>;

/** What an account proves in order to have an identifier certified. */
export interface Proven {
  readonly identifier: Identifier;
  readonly wildcard: boolean;
  /** The proof is one of a domain above, and serves all names below it (RFC 9444 §4.1). */
  readonly subdomains: boolean;
}

/**
 * Reads the ancestor domains of a newOrder request (RFC 9444 §4.3). Where the profile does not offer them, nobody asks for them: under trust nothing is
 * proven, and a proof that nobody gave must not be recorded for a domain above.
 *
 * @param items as `readIdentifiers` has accepted them
 * @throws {CaError} `malformed`, `rejectedIdentifier` with a subproblem for each
 */
export function readAncestorDomains(items: readonly unknown[], profile: Profile): AncestorDomains {
  const found = new Map<string, string>();
  if (!offersSubdomains(profile)) return found;
  const problems: Subproblem[] = [];
  for (const item of items as readonly { type: string; value: string; ancestorDomain?: unknown }[]) {
    const { type, value, ancestorDomain } = item;
    if (ancestorDomain === undefined) continue;
    if (typeof ancestorDomain !== 'string') throw new CaError('malformed', 'ancestorDomain is not a string');
    const ancestor = ancestorDomain.toLowerCase();
    const fault = faultOf(type, value.toLowerCase(), ancestor, profile);
    if (fault === undefined) found.set(identifierKey({ type, value }), ancestor);
    else problems.push({ code: 'rejectedIdentifier', detail: fault, identifier: { type, value } });
  }
  const [first] = problems;
  if (first !== undefined) throw new CaError('rejectedIdentifier', refusalDetail(problems), { subproblems: problems });
  return found;
}

/** Whether proofs of domains above are taken, and the directory says so. */
export function offersSubdomains({ authMode, subdomainAuthAllowed }: Profile): boolean {
  return authMode === 'challenge' && subdomainAuthAllowed;
}

function faultOf(type: string, name: string, ancestor: string, profile: Profile): string | undefined {
  if (type !== 'dns' || name === ancestor || !name.endsWith(`.${ancestor}`)) return 'ancestorDomain is no domain above the identifier';
  if (isIP(ancestor) !== 0 || !isDnsName(ancestor)) return 'ancestorDomain is not a dns name';
  if (!ancestor.includes('.') && !profile.allowSingleLabel) return 'an ancestor domain needs at least two labels';
  return publicNameRefusal({ type: 'dns', value: ancestor }, profile);
}

/** What has to be proven for an identifier. */
export function provenFor(identifier: Identifier, ancestors: AncestorDomains): Proven {
  const ancestor = ancestors.get(identifierKey(identifier));
  if (ancestor === undefined) return { ...authorizationIdentifier(identifier), subdomains: false };
  return { identifier: { type: 'dns', value: ancestor }, wildcard: false, subdomains: true };
}
