import type { IntentStore } from '#domain/lifecycle/foreign-issuance.ts';
import type { Database } from './database.ts';
import { held, pause } from './jobs.ts';

const intend = {
  name: 'intent',
  text: `WITH h AS (SELECT id, attempts FROM jobs WHERE ${held} FOR UPDATE),
    e AS (SELECT i.token, i.not_after, i.order_ref, i.created_at FROM issuance_intents i, h WHERE i.job_id = h.id),
    i AS (INSERT INTO issuance_intents (job_id, issuer_id, csr_sha256, token, not_after, attempt)
          SELECT h.id, $3, $4, $5, $6, h.attempts FROM h WHERE NOT EXISTS (SELECT FROM e) RETURNING token, not_after, order_ref, created_at)
  SELECT * FROM e UNION ALL SELECT * FROM i`,
};
const ordered = {
  name: 'intent-ordered',
  text: `WITH h AS (SELECT id FROM jobs WHERE ${held} FOR UPDATE)
    UPDATE issuance_intents SET order_ref = $3 FROM h WHERE job_id = h.id AND order_ref IS NULL RETURNING job_id`,
};
/** Intents of jobs that ask a CA elsewhere; every write names the job's lease. */
export function intentStore(database: Database): IntentStore {
  return {
    async intend(job, intent) {
      const [row] = await database.query<{ token: string; not_after: Date; order_ref: string | null; created_at: Date }>(intend, [
        job.id,
        job.leaseToken,
        intent.issuerId,
        intent.csrSha256,
        intent.token,
        intent.notAfter,
      ]);
      return row && { token: row.token, notAfter: row.not_after, orderRef: row.order_ref ?? undefined, createdAt: row.created_at };
    },
    async ordered(job, orderRef) {
      return (await database.query(ordered, [job.id, job.leaseToken, orderRef])).length === 1;
    },
    async waitForCa(job, delaySeconds) {
      return (await database.query(pause, [job.id, job.leaseToken, delaySeconds])).length === 1;
    },
  };
}
