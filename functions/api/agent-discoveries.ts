import type * as z from 'zod';
import { discoveryLimits, reportDiscovery } from '#contract/agent-discoveries.ts';
import type { DiscoveryScans, Found, Place } from '#adapters/postgres/discovery-scans.ts';
import { readDiscovered, type PlaceFormat } from '#domain/discovery/discovered.ts';
import { CaError } from '#domain/error.ts';
import { serve, type Served } from './router.ts';

/** The operation of `contract/agent-discoveries.ts`. */
export function agentDiscoveryOperations(ports: {
  readonly scans: Pick<DiscoveryScans, 'take'>;
  readonly newId: (prefix: string) => string;
}): readonly Served[] {
  return [
    serve(reportDiscovery, async ({ body, agent }) => {
      if (agent === undefined) throw new CaError('unauthenticated', 'nobody asks');
      const { found, refused } = foundIn(body.certificates, () => ports.newId('dc'));
      const errors = [...body.errors, ...refused.map((path) => `${path}: no certificate that can be read`)].slice(
        0,
        discoveryLimits.errors,
      );
      const { scan, part, last, complete, directories, duration_ms: durationMs } = body;
      await ports.scans.take(
        agent.id,
        { scan, part, last, complete, directories, found, errors, durationMs },
        discoveryLimits.certificates,
      );
      return { taken: found.length, refused: refused.length };
    }),
  ];
}

/** Reads what an agent sends, each certificate once with all of its places; the first places of those that are none. */
function foundIn(
  said: z.output<typeof reportDiscovery.body>['certificates'],
  newId: () => string,
): { readonly found: readonly Found[]; readonly refused: readonly string[] } {
  const found = new Map<string, Found>();
  const refused: string[] = [];
  for (const { certificate, places } of said) {
    const der = Buffer.from(certificate, 'base64');
    try {
      const facts = readDiscovered(der);
      const all = [...(found.get(facts.fingerprint)?.places ?? []), ...places.map(placeOf)];
      const each = [...new Map(all.map((place) => [place.path, place])).values()];
      found.set(facts.fingerprint, { ...facts, id: newId(), certificate: der, places: each });
    } catch (error) {
      if (!(error instanceof CaError)) throw error;
      refused.push(places[0]?.path ?? '');
    }
  }
  return { found: [...found.values()], refused };
}

function placeOf({ path, format, key_present }: { path: string; format: PlaceFormat; key_present: boolean }): Place {
  return { path, format, keyPresent: key_present };
}
