import type { CrossCertificateStore } from '#adapters/postgres/cross-certificates.ts';
import type { Chance } from '#domain/clock.ts';

const freshMs = 10_000;

/** Alternate chains as this instance knows them, at most ten seconds old: a download then costs one statement. */
export function alternateChains(
  store: Pick<CrossCertificateStore, 'chains'>,
  chance: Chance,
): (caId: string) => Promise<readonly (readonly Uint8Array[])[]> {
  const known = new Map<string, { readonly chains: readonly (readonly Uint8Array[])[]; readonly until: number }>();
  return async (caId) => {
    const entry = known.get(caId);
    if (entry !== undefined && entry.until > chance.now()) return entry.chains;
    const chains = await store.chains(caId);
    known.set(caId, { chains, until: chance.now() + freshMs });
    return chains;
  };
}
