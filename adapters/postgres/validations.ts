import type { ClaimedJob, ValidationStore } from '#domain/job/job.ts';
import type { Database, Session } from './database.ts';
import { complete, fail } from './jobs.ts';

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
    succeed: (job) =>
      conclude(job, async (session) => {
        await session.query(challengeValid, [job.subjectId]);
        await session.query(orderReady, [job.payload['orderId']]);
      }),
    fail: (job, error) => conclude(job, (session) => session.query(challengeInvalid, [job.subjectId, JSON.stringify(error)])),
    giveUp: (job, error, reason) =>
      conclude(job, (session) => session.query(challengeInvalid, [job.subjectId, JSON.stringify(error)]), reason),
  };
}
