import type { Chance } from '../clock.ts';
import type { SigningAuthority } from '../issuance/issue.ts';
import type { Profile } from '../issuance/profile.ts';
import type { IssuanceStore } from '../issuance/store.ts';
import type { Limiter } from '../limit/limiter.ts';
import type { CrlShard } from '../revocation/crl-scope.ts';
import type { RevocationStore } from '../revocation/store.ts';
import type { RenewalInfoStore } from './renewal-info.ts';
import type { StarStore } from './star-store.ts';
import type { AccountStore, FailingNameStore, FailureLimits, OrderStore } from './store.ts';

export interface Nonces {
  /** A fresh nonce, base64url; costs no write. */
  issue(): Promise<string>;
  /** Spends a nonce; false when it is unknown, expired or spent. */
  spend(nonce: string): Promise<boolean>;
}

export interface Profiles {
  /** The profile as this instance knows it; a write that relies on it is conditional on its version. */
  known(id: string): Promise<Profile | undefined>;
  /** The profile as PostgreSQL has it now. */
  refreshed(id: string): Promise<Profile | undefined>;
  /** What the shared directory offers besides its own profile: name → description. */
  selectable(): Promise<Readonly<Record<string, string>>>;
}

/** Everything that the ACME server needs from outside. */
export interface AcmePorts {
  readonly chance: Chance;
  readonly accounts: AccountStore;
  readonly orders: OrderStore;
  readonly failingNames: FailingNameStore;
  readonly issuance: IssuanceStore;
  readonly revocations: RevocationStore;
  readonly renewals: RenewalInfoStore;
  /** Orders that renew their certificates by themselves. */
  readonly stars: StarStore;
  readonly profiles: Profiles;
  readonly nonces: Nonces;
  readonly limiter: Limiter;
  /** The CA of a profile, ready to sign. */
  authority(caId: string): Promise<SigningAuthority>;
  /** Ways from what a CA signs to other trust anchors, each without the leaf (RFC 8555 §7.4.2). */
  alternateChains(caId: string): Promise<readonly (readonly Uint8Array[])[]>;
  /** Opens what the envelope key sealed. */
  unseal(sealed: Uint8Array, context: string): Promise<Uint8Array>;
  /** Tells the worker that a job waits; best effort, the dispatcher repairs. */
  hint(jobId: string): Promise<void>;
  /** The profile whose accounts may choose among the selectable ones; undefined: there is no shared directory. */
  readonly sharedProfile: string | undefined;
  readonly publicBaseUrl: string;
  readonly pkiBaseUrl: string;
  /** Of a CA. */
  readonly crlShards: (caId: string) => Promise<readonly CrlShard[]>;
  readonly settings: AcmeSettings;
}

export interface AcmeSettings {
  /** Pending, ready and processing orders that an account may have at once. */
  readonly openOrders: number;
  readonly failures: FailureLimits;
  /** Seconds that a pending order lives. */
  readonly orderLifetime: number;
  /** Seconds that a finalize may take before another worker takes it over. */
  readonly finalizeLease: number;
}
