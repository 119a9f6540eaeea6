import { CaError } from '../error.ts';
import { assertIssuable, requestedNames } from '../lifecycle/issue-managed.ts';
import type { Profile } from '../issuance/profile.ts';
import { Oid } from '../x509/oids.ts';
import type { CertificationRequest } from '../x509/csr.ts';
import type { PublicKeyInfo } from '../x509/public-key.ts';
import type { AgentKeyAlgorithm } from './key-algorithm.ts';

/** What an agent was asked to have certified. */
export interface CsrOrder {
  readonly commonName: string | undefined;
  readonly sans: readonly { readonly type: string; readonly value: string }[];
  readonly keyAlgorithm: AgentKeyAlgorithm;
  readonly profile: Profile;
}

/**
 * Holds an agent's CSR to what was ordered: the names, all of them and no other, the kind of key, no usage beyond the profile's, and what the profile wants.
 *
 * @throws {CaError} `badCsr`, `rejectedIdentifier`
 */
export function assertCsrIsOrdered(csr: CertificationRequest, order: CsrOrder): void {
  assertIssuable(csr, order.profile);
  const ordered = new Set(order.sans.map(({ type, value }) => `${type}:${value.toLowerCase()}`));
  const asked = requestedNames(csr).map((name) => (name.type === 'other' ? 'other' : `${name.type}:${name.value.toLowerCase()}`));
  const extra = asked.find((name) => !ordered.has(name));
  if (extra !== undefined) throw new CaError('badCsr', `the CSR names ${extra}, which was not ordered`);
  const missing = [...ordered].find((name) => !asked.includes(name));
  if (missing !== undefined) throw new CaError('badCsr', `the CSR lacks ${missing}, which was ordered`);
  const [commonName, ...others] = csr.commonNames;
  if (others.length > 0 || (commonName !== undefined && commonName.toLowerCase() !== order.commonName?.toLowerCase()))
    throw new CaError('badCsr', 'the CSR has another common name than the order');
  if (algorithmOf(csr.publicKey) !== order.keyAlgorithm)
    throw new CaError('badCsr', `the key of the CSR is ${algorithmOf(csr.publicKey)}, ordered was ${order.keyAlgorithm}`);
  const usages: readonly string[] = order.profile.extendedKeyUsages.map((usage) => Oid[usage]);
  const usage = csr.extendedKeyUsages.find((oid) => !usages.includes(oid));
  if (usage !== undefined) throw new CaError('badCsr', `the CSR asks for the extended key usage ${usage}, which the profile does not have`);
}

function algorithmOf(key: PublicKeyInfo): string {
  if (key.kind === 'RSA') return `RSA-${key.bits}`;
  return key.kind === 'ECDSA' ? `ECDSA-${key.curve.replace('-', '')}` : key.kind;
}
