import { connectorAgentId } from '#domain/agent/connector.ts';
import type { Database } from './database.ts';
import { notOfAgents } from './jobs.ts';

/** What the job processor finds to repair. */
export interface DispatchStore {
  /** Jobs that are due and whose hint is lost or so many seconds old, oldest first; they count as hinted from now on. */
  stranded(limit: number, hintSeconds: number): Promise<readonly string[]>;
  /** Failed jobs with attempts left, whose time has come, become pending. Returns their ids. */
  bringBack(limit: number): Promise<readonly string[]>;
  /** Processing orders whose lease has ended get a finalize job. Returns how many. */
  adoptProcessingOrders(limit: number): Promise<number>;
  /** The earliest moment at which any of these has something to do, and how old the oldest pending job is (seconds). */
  outlook(): Promise<{ readonly nextDue: Date | undefined; readonly oldestPendingSeconds: number }>;
}

const stranded = {
  name: 'dispatch-stranded',
  text: `WITH c AS (
      SELECT id FROM jobs
      WHERE ${notOfAgents} AND ((status = 'pending' AND run_at <= now() - interval '5 seconds') OR (status = 'running' AND lease_expires_at <= now()))
        AND (hinted_at IS NULL OR hinted_at <= now() - make_interval(secs => $2))
      ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    u AS (UPDATE jobs SET hinted_at = now() FROM c WHERE jobs.id = c.id RETURNING jobs.id, run_at)
  SELECT id FROM u ORDER BY run_at`,
};
const bringBack = {
  name: 'dispatch-retry',
  text: `WITH c AS (SELECT id FROM jobs WHERE retryable AND run_at <= now() ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    u AS (UPDATE jobs SET status = 'pending', retryable = false, completed_at = NULL, state_entered_at = now(), hinted_at = now()
          FROM c WHERE jobs.id = c.id AND jobs.status = 'failed' AND jobs.attempts < jobs.max_attempts
          RETURNING jobs.id, jobs.attempts, jobs.max_attempts),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:job-retry', 'System', 'job_retry', 'job', id, jsonb_build_object('attempts', attempts, 'max_attempts', max_attempts), 'cert_lifecycle'
          FROM u)
  SELECT id FROM u`,
};
const adopt = {
  name: 'dispatch-adopt',
  text: `WITH o AS (
      SELECT id FROM acme_orders WHERE status = 'processing' AND lease_until <= now() ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED),
    j AS (INSERT INTO jobs (id, type, subject_id, max_attempts, run_at)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'finalize', o.id, 10, now() - interval '10 seconds' FROM o
          ON CONFLICT (type, subject_id) WHERE status IN ('pending', 'running') DO NOTHING RETURNING id)
  SELECT count(*)::int AS n FROM j`,
};
const outlook = {
  name: 'dispatch-outlook',
  text: `SELECT least(
      (SELECT min(run_at) FROM jobs WHERE status = 'pending' AND ${notOfAgents}),
      (SELECT min(lease_expires_at) FROM jobs WHERE status = 'running' AND ${notOfAgents}),
      (SELECT min(run_at) FROM jobs WHERE retryable),
      (SELECT min(inspect_at) FROM targets WHERE agent_id = '${connectorAgentId}' AND inspect_at IS NOT NULL AND enabled AND retired_at IS NULL),
      (SELECT min(lease_until) FROM acme_orders WHERE status = 'processing')) AS next_due,
    coalesce(extract(epoch FROM now() - (SELECT min(run_at) FROM jobs WHERE status = 'pending' AND ${notOfAgents})), 0)::float8 AS oldest`,
};

export function dispatchStore(database: Database): DispatchStore {
  return {
    async stranded(limit, hintSeconds) {
      return (await database.query<{ id: string }>(stranded, [limit, hintSeconds])).map((row) => row.id);
    },
    async bringBack(limit) {
      return (await database.query<{ id: string }>(bringBack, [limit])).map((row) => row.id);
    },
    async adoptProcessingOrders(limit) {
      return (await database.query<{ n: number }>(adopt, [limit]))[0]?.n ?? 0;
    },
    async outlook() {
      const [row] = await database.query<{ next_due: Date | null; oldest: number }>(outlook, []);
      return { nextDue: row?.next_due ?? undefined, oldestPendingSeconds: Math.max(0, row?.oldest ?? 0) };
    },
  };
}
