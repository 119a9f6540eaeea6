import type { FailureLimits } from '#domain/acme/store.ts';
import type { ClaimedJob, ValidationStore } from '#domain/job/job.ts';
import type { Database, Session } from './database.ts';
import { complete, fail } from './jobs.ts';

const lockOrder = { name: 'validation-lock', text: `SELECT id, status FROM acme_orders WHERE id = $1 FOR UPDATE` };
const challengeValid = {
  name: 'validation-valid',
  text: `WITH c AS (UPDATE acme_challenges SET status = 'valid', validated_at = now() WHERE id = $1 AND status = 'processing' RETURNING authorization_id),
    z AS (UPDATE acme_authorizations SET status = 'valid', expires_at = least(expires_at, to_timestamp($2::bigint)) FROM c WHERE acme_authorizations.id = c.authorization_id AND status = 'pending'
          RETURNING id, account_id, identifier_type, identifier_value),
    -- what works again was put right, also when it was paused meanwhile
    f AS (DELETE FROM acme_failing_names n USING z
          WHERE n.account_id = z.account_id AND n.identifier_type = z.identifier_type AND n.identifier_value = z.identifier_value),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'acme_challenge_completed', 'acme_challenge', $1, '{"status":"valid"}', 'cert_lifecycle' FROM c)
  SELECT count(*)::int AS n FROM z`,
};
// Runs after the authorization's update, under the order's lock: the last of several to finish sees all the others.
const orderReady = {
  name: 'validation-order-ready',
  text: `UPDATE acme_orders SET status = 'ready', updated_at = now(),
           expires_at = least(expires_at, (SELECT min(expires_at) FROM acme_authorizations WHERE order_id = $1))
         WHERE id = $1 AND status = 'pending' AND NOT EXISTS (SELECT FROM acme_authorizations WHERE order_id = $1 AND status <> 'valid')`,
};
const challengeInvalid = {
  name: 'validation-invalid',
  text: `WITH c AS (UPDATE acme_challenges SET status = 'invalid', error = $2 WHERE id = $1 AND status = 'processing' RETURNING authorization_id),
    z AS (UPDATE acme_authorizations SET status = 'invalid' FROM c WHERE acme_authorizations.id = c.authorization_id AND status = 'pending'
          RETURNING order_id, account_id, identifier_type, identifier_value),
    -- a failure of ours ($3 is null) is no failure of the name
    f AS (INSERT INTO acme_failing_names AS n (account_id, profile_id, identifier_type, identifier_value, failures, failed_at, error, paused_at)
          SELECT z.account_id, a.profile_id, identifier_type, identifier_value, 1, ARRAY[now()], $2, CASE WHEN $4::int = 1 THEN now() END
          FROM z JOIN acme_accounts a ON a.id = z.account_id WHERE $3::int IS NOT NULL
          ON CONFLICT (account_id, identifier_type, identifier_value) DO UPDATE SET
            failures = n.failures + 1, last_failed_at = now(), error = $2,
            failed_at = (n.failed_at || now())[greatest(1, cardinality(n.failed_at) + 2 - $3::int):],
            paused_at = coalesce(n.paused_at, CASE WHEN $4::int BETWEEN 1 AND n.failures + 1 THEN now() END)
          RETURNING n.*),
    p AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'acme_name_paused', 'acme_account', account_id,
                 jsonb_build_object('identifier', identifier_value, 'failures', failures), 'cert_lifecycle' FROM f WHERE paused_at = now()),
    o AS (UPDATE acme_orders SET status = 'invalid', error = $2, updated_at = now() FROM z WHERE acme_orders.id = z.order_id AND acme_orders.status = 'pending'
          RETURNING acme_orders.account_id),
    a AS (UPDATE acme_accounts SET open_orders = open_orders - 1 FROM o WHERE acme_accounts.id = o.account_id AND open_orders > 0),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'acme_challenge_completed', 'acme_challenge', $1, jsonb_build_object('status', 'invalid', 'error', $2::jsonb), 'cert_lifecycle' FROM c)
  SELECT count(*)::int AS n FROM c`,
};

/** The outcome of a validation, written under the order's row lock. */
export function validationStore(database: Database): ValidationStore {
  const conclude = (job: ClaimedJob, write: (session: Session) => Promise<unknown>, failure?: string): Promise<boolean> =>
    database.transaction(async (session) => {
      await session.query(lockOrder, [job.payload['orderId']]);
      const ended =
        failure === undefined
          ? await session.query(complete, [job.id, job.leaseToken])
          : await session.query(fail, [job.id, job.leaseToken, failure]);
      if (ended.length === 0) return false;
      await write(session);
      return true;
    });
  return {
    succeed: (job, until) =>
      conclude(job, async (session) => {
        await session.query(challengeValid, [job.subjectId, until ?? null]);
        await session.query(orderReady, [job.payload['orderId']]);
      }),
    fail: (job, error) => {
      const { perHour, beforePause } = limitsOf(job);
      return conclude(job, (session) => session.query(challengeInvalid, [job.subjectId, JSON.stringify(error), perHour, beforePause]));
    },
    giveUp: (job, error, reason) =>
      conclude(job, (session) => session.query(challengeInvalid, [job.subjectId, JSON.stringify(error), null, null]), reason),
  };
}

/** As they were when the client answered; jobs that were made before the limits were known are not counted. */
function limitsOf(job: ClaimedJob): { readonly [Limit in keyof FailureLimits]: number | null } {
  const { perHour, beforePause } = (job.payload['failures'] ?? {}) as Partial<FailureLimits>;
  return { perHour: perHour ?? null, beforePause: beforePause ?? null };
}
