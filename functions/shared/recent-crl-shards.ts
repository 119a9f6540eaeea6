import type { CrlShard } from '#domain/revocation/crl-scope.ts';

const freshMs = 5000;

/** The shards of CAs as they were at most five seconds ago: shards only ever come, so that one which is known is there. */
export function recentCrlShards(
  read: (caId: string) => Promise<readonly CrlShard[]>,
  now: () => number,
): (caId: string) => Promise<readonly CrlShard[]> {
  const known = new Map<string, { readonly shards: Promise<readonly CrlShard[]>; readonly until: number }>();
  return (caId) => {
    const found = known.get(caId);
    if (found !== undefined && now() < found.until) return found.shards;
    const shards = read(caId);
    known.set(caId, { shards, until: now() + freshMs });
    shards.catch(() => known.delete(caId));
    return shards;
  };
}
