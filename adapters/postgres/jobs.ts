import { connectorAgentId } from '#domain/agent/connector.ts';
import type { JsonObject } from '#domain/json/strict.ts';
import type { ClaimedJob, JobStore, JobType } from '#domain/job/job.ts';
import type { Database, Session } from './database.ts';

/** Jobs that workers do, some of them after an agent made the CSR, and those of targets without a host; the others an agent does alone. */
export const notOfAgents = `(type NOT IN ('deployment', 'inspection') OR agent_id = '${connectorAgentId}')`;

// Deployments and inspections are claimed by agents; a CSR job is the worker's from when its CSR is there.
const claim = {
  name: 'job-claim',
  text: `WITH c AS (
      SELECT id FROM jobs
      WHERE id = $1 AND ${notOfAgents} AND ((status = 'pending' AND run_at <= now()) OR (status = 'running' AND lease_expires_at <= now()))
      FOR UPDATE SKIP LOCKED),
    u AS (
      UPDATE jobs SET status = 'running', attempts = attempts + 1, lease_token = $2, lease_expires_at = now() + make_interval(secs => $3),
        state_entered_at = now()
      FROM c WHERE jobs.id = c.id
      RETURNING jobs.id, jobs.type, jobs.subject_id, jobs.payload, jobs.attempts, jobs.max_attempts, jobs.agent_id),
    x AS (DELETE FROM outbox WHERE topic = 'job' AND subject_id IN (SELECT id FROM u))
  SELECT * FROM u`,
};
const waiting = {
  name: 'job-waiting',
  text: `SELECT run_at FROM jobs WHERE id = $1 AND ${notOfAgents} AND status = 'pending' AND run_at > now()`,
};
/** Whose lease it still is: $1 the job, $2 the token. */
export const held = `id = $1 AND lease_token = $2 AND status = 'running'`;
export const complete = {
  name: 'job-complete',
  text: `UPDATE jobs SET status = 'completed', completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL WHERE ${held} RETURNING id`,
};
const retry = {
  name: 'job-retry',
  text: `UPDATE jobs SET status = 'pending', run_at = now() + make_interval(secs => $3), last_error = $4, state_entered_at = now(), hinted_at = NULL, lease_token = NULL, lease_expires_at = NULL
         WHERE ${held} RETURNING id`,
};
export const pause = {
  name: 'job-pause',
  text: `UPDATE jobs SET status = 'pending', attempts = attempts - 1, run_at = now() + make_interval(secs => $3), state_entered_at = now(), hinted_at = NULL,
           lease_token = NULL, lease_expires_at = NULL
         WHERE ${held} RETURNING id`,
};
export const fail = {
  name: 'job-fail',
  text: `UPDATE jobs SET status = 'failed', completed_at = now(), last_error = $3, state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL WHERE ${held} RETURNING id`,
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
        agent_id: string | null;
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
            ...(row.agent_id !== null && { agentId: row.agent_id }),
          },
        };
      }
      const [later] = await database.query<{ run_at: Date }>(waiting, [jobId]);
      return later === undefined ? 'done' : { notBefore: later.run_at };
    },
    complete: (job) => changed(database, complete, job),
    retry: (job, delaySeconds, reason) => changed(database, retry, job, delaySeconds, reason),
    pause: (job, delaySeconds) => changed(database, pause, job, delaySeconds),
    fail: (job, reason) => changed(database, fail, job, reason),
  };
}
