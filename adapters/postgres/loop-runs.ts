import type { LoopName } from '#domain/schedule/loops.ts';
import type { Begun, RunStore } from '#domain/schedule/tick.ts';
import type { Database } from './database.ts';

const begin = {
  name: 'loop-begin',
  text: `WITH s AS (SELECT coalesce((SELECT enabled FROM loop_settings WHERE loop = $2), true) AS enabled),
    r AS (INSERT INTO loop_runs AS r (id, loop, tick_key, outcome, holder, release)
          SELECT $1, $2, $3, CASE WHEN s.enabled THEN 'running' ELSE 'disabled' END, $4, $5 FROM s
          ON CONFLICT (loop, tick_key) DO UPDATE SET
            outcome = CASE WHEN r.outcome = 'requested' THEN excluded.outcome ELSE r.outcome END,
            holder = CASE WHEN r.outcome = 'requested' THEN excluded.holder ELSE r.holder END,
            release = CASE WHEN r.outcome = 'requested' THEN excluded.release ELSE r.release END,
            started_at = CASE WHEN r.outcome = 'requested' THEN now() ELSE r.started_at END,
            duplicates = r.duplicates + CASE WHEN r.outcome = 'requested' THEN 0 ELSE 1 END
          RETURNING r.id, r.outcome, r.holder = $4 AND r.outcome = 'running' AS ours),
    l AS (INSERT INTO loop_leases AS l (loop, holder, token, expires_at, release)
          SELECT $2, $4, 1, now() + make_interval(secs => $6), $5 FROM r WHERE r.ours
          ON CONFLICT (loop) DO UPDATE SET holder = excluded.holder, token = l.token + 1, expires_at = excluded.expires_at, release = excluded.release
            WHERE l.expires_at <= now()
          RETURNING token)
  SELECT r.id, r.ours, r.outcome, (SELECT token FROM l) AS token FROM r`,
};
const held = {
  name: 'loop-held',
  text: `UPDATE loop_runs SET outcome = 'lease_held', finished_at = now() WHERE id = $1 AND outcome = 'running'`,
};
const finish = {
  name: 'loop-finish',
  text: `WITH l AS (UPDATE loop_leases SET expires_at = now() WHERE loop = $2 AND token = $3 RETURNING loop),
    r AS (UPDATE loop_runs SET outcome = $4, items_processed = $5, items_failed = $6, error = $7, lease_token = $3, finished_at = now()
          WHERE id = $1 AND outcome = 'running' RETURNING id)
  SELECT (SELECT count(*)::int FROM l) AS held FROM (SELECT count(*) FROM r) AS done`,
};

/**
 * Runs and leases of the loops in PostgreSQL, whose clock decides when a lease ends.
 *
 * @param release the code's version, for diagnosis
 */
export function runStore(database: Database, release: string, newId: (prefix: string) => string): RunStore {
  return {
    async begin(tick): Promise<Begun> {
      const [row] = await database.query<{ id: string; ours: boolean; outcome: string; token: string | null }>(begin, [
        tick.runId,
        tick.loop,
        tick.key,
        newId('holder'),
        release,
        tick.leaseSeconds,
      ]);
      if (row?.outcome === 'disabled') return { kind: 'disabled' };
      if (row?.ours !== true) return { kind: 'duplicate' };
      if (row.token === null) {
        await database.query(held, [row.id]);
        return { kind: 'held' };
      }
      return { kind: 'started', runId: row.id, token: row.token };
    },
    async finish(run: { runId: string; loop: LoopName; token: string }, end) {
      const [row] = await database.query<{ held: number }>(finish, [
        run.runId,
        run.loop,
        run.token,
        end.outcome,
        end.processed,
        end.failed,
        end.error ?? null,
      ]);
      return row?.held === 1;
    },
  };
}
