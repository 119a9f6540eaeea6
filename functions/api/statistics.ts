import { getStatistics, getTimeline } from '#contract/statistics.ts';
import type { statistics } from '#adapters/postgres/statistics.ts';
import { serve, type Served } from './router.ts';

/** The operations of `contract/statistics.ts`. */
export function statisticsOperations(ports: { readonly store: ReturnType<typeof statistics> }): readonly Served[] {
  return [
    serve(getStatistics, () => ports.store.summary()),
    serve(getTimeline, async ({ query }) => {
      const { past, ahead } = await ports.store.timeline(query.days);
      return { past: [...past], ahead: [...ahead] };
    }),
  ];
}
