import type { UpstreamRevocation, UpstreamRevocationStore } from '#domain/job/revocation.ts';
import type { Database } from './database.ts';
import { held } from './jobs.ts';
import { notifyFrom } from './notify.ts';

const load = {
  name: 'upstream-revocation',
  text: `SELECT i.type, i.config, c.serial, u.reason FROM jobs j JOIN upstream_revocations u ON u.certificate_id = j.subject_id JOIN certificates c ON c.id = u.certificate_id
           JOIN issuers i ON i.id = u.issuer_id
         WHERE j.id = $1 AND j.lease_token = $2 AND j.status = 'running' AND u.told_at IS NULL`,
};
const told = {
  name: 'upstream-revocation-told',
  text: `WITH j AS (UPDATE jobs SET status = 'completed', completed_at = now(), state_entered_at = now(), last_error = NULL, lease_token = NULL, lease_expires_at = NULL WHERE ${held} RETURNING subject_id),
    u AS (UPDATE upstream_revocations SET told_at = now() FROM j WHERE certificate_id = j.subject_id RETURNING certificate_id, issuer_id, reason),
    m AS (UPDATE managed_certificates o SET last_error = NULL, updated_at = now() FROM u JOIN certificates c ON c.id = u.certificate_id WHERE o.id = c.managed_id AND o.state = 'revoked'),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'issuer_told_of_revocation', 'certificate', certificate_id, jsonb_build_object('issuer', issuer_id, 'reason', reason), 'cert_lifecycle' FROM u)
  SELECT subject_id FROM j`,
};
const refused = {
  name: 'upstream-revocation-refused',
  text: `WITH j AS (UPDATE jobs SET status = 'failed', last_error = $3, completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL
                    WHERE ${held} RETURNING id, subject_id, attempts),
    m AS (UPDATE managed_certificates o SET last_error = 'the CA was not told of the revocation: ' || $3, updated_at = now() FROM j JOIN certificates c ON c.id = j.subject_id WHERE o.id = c.managed_id),
    n AS (${notifyFrom('j', 'job.failed', { subject: 'j.id', dedupe: 'j.id', data: `jsonb_build_object('job', j.id, 'type', 'revocation', 'certificate', j.subject_id, 'attempts', j.attempts, 'reason', $3::text)` })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'job_failed', 'job', id, jsonb_build_object('certificate', subject_id, 'attempts', attempts, 'reason', $3::text), 'cert_lifecycle' FROM j)
  SELECT id FROM j`,
};

/** Revocations that a CA elsewhere is told of; every write names the job's lease. */
export function upstreamRevocations(database: Database): UpstreamRevocationStore {
  return {
    async load(job) {
      const [row] = await database.query<{
        type: UpstreamRevocation['issuer']['type'];
        config: Record<string, unknown>;
        serial: string;
        reason: number;
      }>(load, [job.id, job.leaseToken]);
      return row && { issuer: { type: row.type, config: row.config }, serial: row.serial, reason: row.reason };
    },
    told: async (job) => (await database.query(told, [job.id, job.leaseToken])).length === 1,
    refused: async (job, reason) => (await database.query(refused, [job.id, job.leaseToken, reason])).length === 1,
  };
}
