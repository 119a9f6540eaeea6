import type { JsonObject } from '#domain/json/strict.ts';
import type { ClaimedJob, DispatchStore, JobStore, JobType, ValidationStore } from '#domain/job/job.ts';
import type { Database, Session } from './database.ts';

const claim = {
  name: 'job-claim',
  text: `WITH c AS (
      SELECT id FROM jobs
      WHERE id = $1 AND ((status = 'pending' AND run_at <= now()) OR (status = 'running' AND lease_expires_at <= now()))
      FOR UPDATE SKIP LOCKED),
    u AS (
      UPDATE jobs SET status = 'running', attempts = attempts + 1, lease_token = $2, lease_expires_at = now() + make_interval(secs => $3)
      FROM c WHERE jobs.id = c.id
      RETURNING jobs.id, jobs.type, jobs.subject_id, jobs.payload, jobs.attempts, jobs.max_attempts),
    x AS (DELETE FROM outbox WHERE topic = 'job' AND subject_id IN (SELECT id FROM u))
  SELECT * FROM u`,
};
const waiting = { name: 'job-waiting', text: `SELECT run_at FROM jobs WHERE id = $1 AND status = 'pending' AND run_at > now()` };
const held = `id = $1 AND lease_token = $2 AND status = 'running'`;
const complete = {
  name: 'job-complete',
  text: `UPDATE jobs SET status = 'completed', completed_at = now(), lease_token = NULL, lease_expires_at = NULL WHERE ${held} RETURNING id`,
};
const retry = {
  name: 'job-retry',
  text: `UPDATE jobs SET status = 'pending', run_at = now() + make_interval(secs => $3), last_error = $4, lease_token = NULL, lease_expires_at = NULL
         WHERE ${held} RETURNING id`,
};
const fail = {
  name: 'job-fail',
  text: `UPDATE jobs SET status = 'failed', completed_at = now(), last_error = $3, lease_token = NULL, lease_expires_at = NULL WHERE ${held} RETURNING id`,
};

/** Claims by lease and fencing token; a write without the token's lease changes nothing. */
export function jobStore(database: Database): JobStore {
  const changed = async (
    session: Session,
    statement: { name: string; text: string },
    job: ClaimedJob,
    ...rest: unknown[]
  ): Promise<boolean> => (await session.query(statement, [job.id, job.leaseToken, ...rest])).length === 1;
  return {
    async claim(jobId, leaseToken, leaseSeconds) {
      const [row] = await database.query<{
        id: string;
        type: JobType;
        subject_id: string;
        payload: JsonObject;
        attempts: number;
        max_attempts: number;
      }>(claim, [jobId, leaseToken, leaseSeconds]);
      if (row !== undefined) {
        return {
          job: {
            id: row.id,
            type: row.type,
            subjectId: row.subject_id,
            payload: row.payload,
            attempts: row.attempts,
            maxAttempts: row.max_attempts,
            leaseToken,
          },
        };
      }
      const [later] = await database.query<{ run_at: Date }>(waiting, [jobId]);
      return later === undefined ? 'done' : { notBefore: later.run_at };
    },
    complete: (job) => changed(database, complete, job),
    retry: (job, delaySeconds, reason) => changed(database, retry, job, delaySeconds, reason),
    fail: (job, reason) => changed(database, fail, job, reason),
  };
}

const lockOrder = { name: 'validation-lock', text: `SELECT id, status FROM acme_orders WHERE id = $1 FOR UPDATE` };
const challengeValid = {
  name: 'validation-valid',
  text: `WITH c AS (UPDATE acme_challenges SET status = 'valid', validated_at = now() WHERE id = $1 AND status = 'processing' RETURNING authorization_id),
    z AS (UPDATE acme_authorizations SET status = 'valid' FROM c WHERE acme_authorizations.id = c.authorization_id AND status = 'pending' RETURNING id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'acme_challenge_completed', 'acme_challenge', $1, '{"status":"valid"}', 'cert_lifecycle' FROM c)
  SELECT count(*)::int AS n FROM z`,
};
// Runs after the authorization's update, under the order's lock: the last of several to finish sees all the others.
const orderReady = {
  name: 'validation-order-ready',
  text: `UPDATE acme_orders SET status = 'ready', updated_at = now()
         WHERE id = $1 AND status = 'pending' AND NOT EXISTS (SELECT FROM acme_authorizations WHERE order_id = $1 AND status <> 'valid')`,
};
const challengeInvalid = {
  name: 'validation-invalid',
  text: `WITH c AS (UPDATE acme_challenges SET status = 'invalid', error = $2 WHERE id = $1 AND status = 'processing' RETURNING authorization_id),
    z AS (UPDATE acme_authorizations SET status = 'invalid' FROM c WHERE acme_authorizations.id = c.authorization_id AND status = 'pending' RETURNING order_id),
    o AS (UPDATE acme_orders SET status = 'invalid', error = $2, updated_at = now() FROM z WHERE acme_orders.id = z.order_id AND acme_orders.status = 'pending'
          RETURNING account_id),
    a AS (UPDATE acme_accounts SET open_orders = open_orders - 1 FROM o WHERE acme_accounts.id = o.account_id AND open_orders > 0),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'acme_challenge_completed', 'acme_challenge', $1, jsonb_build_object('status', 'invalid', 'error', $2::jsonb), 'cert_lifecycle' FROM c)
  SELECT count(*)::int AS n FROM c`,
};

/** The outcome of a validation, written under the order's row lock. */
export function validationStore(database: Database): ValidationStore {
  const conclude = (job: ClaimedJob, write: (session: Session) => Promise<unknown>): Promise<boolean> =>
    database.transaction(async (session) => {
      await session.query(lockOrder, [job.payload['orderId']]);
      if ((await session.query(complete, [job.id, job.leaseToken])).length === 0) return false;
      await write(session);
      return true;
    });
  return {
    succeed: (job) =>
      conclude(job, async (session) => {
        await session.query(challengeValid, [job.subjectId]);
        await session.query(orderReady, [job.payload['orderId']]);
      }),
    fail: (job, error) => conclude(job, (session) => session.query(challengeInvalid, [job.subjectId, JSON.stringify(error)])),
  };
}

const stranded = {
  name: 'dispatch-stranded',
  text: `SELECT id FROM jobs
         WHERE (status = 'pending' AND run_at <= now() - interval '5 seconds') OR (status = 'running' AND lease_expires_at <= now())
         ORDER BY run_at LIMIT $1`,
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
const expire = {
  name: 'dispatch-expire',
  text: `WITH d AS (
      SELECT id FROM acme_orders WHERE status IN ('pending', 'ready') AND expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    o AS (UPDATE acme_orders SET status = 'invalid', updated_at = now(),
            error = '{"type":"urn:ietf:params:acme:error:malformed","detail":"the order has expired","status":403}'
          FROM d WHERE acme_orders.id = d.id RETURNING acme_orders.id, account_id),
    z AS (UPDATE acme_authorizations SET status = 'expired' FROM o WHERE order_id = o.id AND status IN ('pending') RETURNING 1),
    a AS (UPDATE acme_accounts SET open_orders = greatest(0, open_orders - n.n)
          FROM (SELECT account_id, count(*)::int AS n FROM o GROUP BY account_id) n WHERE acme_accounts.id = n.account_id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:job-processor', 'System', 'acme_orders_expired', 'acme_order', 'sweep', jsonb_build_object('orders', count(*)), 'cert_lifecycle'
          FROM o HAVING count(*) > 0)
  SELECT count(*)::int AS n FROM o`,
};

/** What the dispatcher finds to repair. */
export function dispatchStore(database: Database): DispatchStore {
  const count = async (statement: { name: string; text: string }, limit: number): Promise<number> =>
    (await database.query<{ n: number }>(statement, [limit]))[0]?.n ?? 0;
  return {
    async stranded(limit) {
      return (await database.query<{ id: string }>(stranded, [limit])).map((row) => row.id);
    },
    adoptProcessingOrders: (limit) => count(adopt, limit),
    expireOrders: (limit) => count(expire, limit),
  };
}
