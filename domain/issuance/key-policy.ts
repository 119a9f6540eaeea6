import { CaError } from '../error.ts';
import type { PublicKeyInfo } from '../x509/public-key.ts';
import { assertStrongKey } from '../x509/public-key.ts';
import type { KeyRule } from './profile.ts';

const curveBits = { 'P-256': 256, 'P-384': 384, 'P-521': 521 } as const;

/**
 * Checks that a subscriber's key is strong and of a kind and size that the profile wants.
 *
 * @throws {CaError} `badCsr`
 */
export function assertKeyAllowed(key: PublicKeyInfo, rules: readonly KeyRule[]): void {
  try {
    assertStrongKey(key);
  } catch (cause) {
    throw new CaError('badCsr', cause instanceof CaError ? cause.message : 'the key is weak', { cause });
  }
  const bits = bitsOf(key);
  if (rules.some((rule) => rule.algorithm === key.kind && bits >= rule.min_size)) return;
  const wanted = rules
    .map((rule) =>
      rule.algorithm !== 'RSA' && rule.algorithm !== 'ECDSA' ? rule.algorithm : `${rule.algorithm} of ${rule.min_size} bits or more`,
    )
    .join(', ');
  throw new CaError('badCsr', `the profile allows ${wanted}`);
}

function bitsOf(key: PublicKeyInfo): number {
  switch (key.kind) {
    case 'RSA':
      return key.bits;
    case 'ECDSA':
      return curveBits[key.curve];
    case 'Ed25519':
      return 256;
    default:
      return Infinity;
  }
}
