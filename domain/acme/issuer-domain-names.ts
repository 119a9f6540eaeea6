import type { Profile } from '../issuance/profile.ts';

// draft-ietf-acme-dns-persist-02 §3.1
const most = 10;

/**
 * The names by which a record of dns-persist-01 may know the CA: those that CAA records may name, too (draft-ietf-acme-dns-persist-02 §3.2).
 *
 * @returns at most ten; none: the profile cannot offer the challenge
 */
export function issuerDomainNames({ caaIdentities }: Pick<Profile, 'caaIdentities'>): readonly string[] {
  return caaIdentities.slice(0, most);
}
