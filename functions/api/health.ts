import type * as z from 'zod';
import { getHealth, getReadiness, type readiness } from '#contract/health.ts';
import type { LastSeen } from '#adapters/dynamodb/last-seen.ts';
import type { Chance } from '#domain/clock.ts';
import { serve, type Served } from './router.ts';

type DatabaseState = z.output<typeof readiness>['database']['state'];
const states: readonly DatabaseState[] = ['up', 'down', 'schema_behind'];

export interface HealthPorts {
  readonly seen: LastSeen;
  readonly head: () => Promise<string | undefined>;
  /** The newest migration that this release was built with. */
  readonly wanted: string;
  readonly chance: Chance;
}

/** The operations of `contract/health.ts`: asking whether we are ready must not wake a sleeping database. */
export function healthOperations(ports: HealthPorts): readonly Served[] {
  return [
    serve(getHealth, async () => ({ status: 'ok' as const })),
    serve(getReadiness, async ({ query }) => {
      const seen = query.deep === '1' ? await look(ports) : await ports.seen.read();
      const state = stateOf(seen, ports.wanted);
      const status = state === 'up' ? 'ready' : state === 'unknown' ? 'unknown' : 'unready';
      const answer = {
        status,
        database: { state, checked_at: seen?.at ?? null, schema: seen?.detail === '' ? null : (seen?.detail ?? null) },
      } as const;
      return { status: status === 'unready' ? 503 : 200, answer };
    }),
  ];
}

async function look(ports: HealthPorts): Promise<{ state: DatabaseState; at: string; detail: string }> {
  const at = new Date(ports.chance.now()).toISOString();
  let seen: { state: DatabaseState; at: string; detail: string };
  try {
    const head = await ports.head();
    seen = { state: isBehind(head, ports.wanted) ? 'schema_behind' : 'up', at, detail: head ?? '' };
  } catch {
    seen = { state: 'down', at, detail: '' };
  }
  await ports.seen.write(seen).catch(() => undefined);
  return seen;
}

/** Another release may have looked: what it saw is held to what this one needs. */
function stateOf(seen: { readonly state: string; readonly detail: string } | undefined, wanted: string): DatabaseState {
  const state = states.find((known) => known === seen?.state) ?? 'unknown';
  if (state !== 'up' && state !== 'schema_behind') return state;
  return isBehind(seen?.detail, wanted) ? 'schema_behind' : 'up';
}

/** Ahead is fine: the schema only grows. */
function isBehind(head: string | undefined, wanted: string): boolean {
  return head === undefined || head < wanted;
}
