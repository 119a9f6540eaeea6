import { connectorAgentId } from '#domain/agent/connector.ts';
import { CaError } from '#domain/error.ts';
import type { AgentKeyAlgorithm } from '#domain/agent/key-algorithm.ts';
import type { Database } from './database.ts';
import { claimWithin } from './discovered-certificates.ts';
import { creationRefusal, type NewCertificate } from './managed-certificates.ts';
import { holdToPolicies } from './policies.ts';
import { hasTarget } from './target-of-share.ts';

/** Jobs that were made, and whose they are. */
export interface AgentJobs {
  readonly jobIds: readonly string[];
  readonly agentIds: readonly string[];
}

/** Certificates whose keys their agents make. */
export interface AgentCertificates {
  /**
   * Certificate, targets, a share and a CSR job for each agent of the targets, outbox and audit in one commit.
   *
   * @throws {CaError} `conflict`, `malformed`
   */
  create(
    certificate: NewCertificate & {
      readonly keyAlgorithm: AgentKeyAlgorithm;
      readonly targetIds: readonly string[];
    },
    actor: string,
  ): Promise<AgentJobs>;
  /** A CSR job for each agent with a live target, or the active one; undefined when the certificate's state forbids it, or agents do not make its keys. */
  renew(id: string, actor: string): Promise<AgentJobs | undefined>;
}

/** How a CSR job begins: an agent makes the CSR when it comes; for the connector the worker does, at once. */
export const firstStatus = (agentId: string): string => `CASE ${agentId} WHEN '${connectorAgentId}' THEN 'pending' ELSE 'awaiting_csr' END`;
/** Whether a CSR job is under way: the index of that name allows one for each share. */
export const activeCsrJob = `type = 'csr' AND (status IN ('pending', 'awaiting_csr', 'running') OR retryable)`;

const create = {
  name: 'agent-certificate-create',
  text: `WITH t AS (SELECT id, agent_id FROM targets WHERE id = ANY ($9) AND retired_at IS NULL FOR SHARE),
    m AS (INSERT INTO managed_certificates (id, name, profile_id, issuer_id, policy_id, common_name, sans, key_source, key_algorithm, created_by, owner_id, team_id, environment, tags)
          SELECT $1, $2, $3, $4, $5, $6, $7, 'agent', $8, $10, $11, $12, $13, $14 WHERE (SELECT count(*) FROM t) = cardinality($9) RETURNING id, policy_id),
    c AS (INSERT INTO certificate_targets (certificate_id, target_id) SELECT m.id, t.id FROM m, t),
    h AS (INSERT INTO certificate_holders (id, certificate_id, agent_id)
          SELECT 'ch-' || replace(gen_random_uuid()::text, '-', ''), m.id, a.agent_id FROM m, (SELECT DISTINCT agent_id FROM t) a RETURNING id, agent_id),
    j AS (INSERT INTO jobs (id, type, subject_id, agent_id, status, max_attempts, requested_by)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'csr', h.id, h.agent_id, ${firstStatus('h.agent_id')}, greatest(1, r.max_retries), $10
          FROM h, m JOIN renewal_policies r ON r.id = m.policy_id RETURNING id, agent_id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'agent', agent_id FROM h),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $10, 'APIKey', 'createCertificate', 'managed_certificate', m.id,
                 jsonb_build_object('name', $2::text, 'profile', $3::text, 'targets', $9::text[], 'jobs', (SELECT jsonb_agg(j.id) FROM j)), 'cert_lifecycle' FROM m)
  SELECT id, agent_id FROM j`,
};
const renew = {
  name: 'agent-certificate-renew',
  text: `WITH m AS (SELECT m.id, r.max_retries FROM managed_certificates m JOIN renewal_policies r ON r.id = m.policy_id
                    WHERE m.id = $1 AND m.key_source = 'agent' AND m.state IN ('pending', 'active') FOR UPDATE OF m),
    h AS (SELECT h.id, h.agent_id, m.max_retries FROM certificate_holders h JOIN m ON m.id = h.certificate_id WHERE ${hasTarget}),
    j AS (INSERT INTO jobs (id, type, subject_id, agent_id, status, max_attempts, requested_by)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'csr', id, agent_id, ${firstStatus('agent_id')}, greatest(1, max_retries), $2 FROM h
          ON CONFLICT (subject_id) WHERE ${activeCsrJob} DO NOTHING RETURNING id, subject_id, agent_id),
    u AS (UPDATE certificate_holders SET renew_at = NULL FROM j WHERE certificate_holders.id = j.subject_id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'agent', agent_id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $2, 'APIKey', 'renewCertificate', 'managed_certificate', $1, jsonb_build_object('job', id), 'cert_lifecycle' FROM j)
  SELECT id, agent_id FROM j
  UNION ALL SELECT o.id, o.agent_id FROM jobs o JOIN h ON o.subject_id = h.id WHERE ${activeCsrJob}`,
};

const madeOf = (rows: readonly { id: string; agent_id: string }[]): AgentJobs => ({
  jobIds: rows.map(({ id }) => id),
  agentIds: rows.map(({ agent_id }) => agent_id),
});

export function agentCertificates(database: Database): AgentCertificates {
  return {
    async create(certificate, actor) {
      const { change } = certificate;
      const rows = await database
        .transaction(async (session) => {
          const made = await session.query<{ id: string; agent_id: string }>(create, [
            certificate.id,
            certificate.name,
            certificate.profileId,
            certificate.issuerId,
            change.policyId,
            certificate.commonName ?? null,
            JSON.stringify(certificate.sans),
            certificate.keyAlgorithm,
            certificate.targetIds,
            actor,
            change.ownerId ?? null,
            change.teamId ?? null,
            change.environment,
            JSON.stringify(change.tags),
          ]);
          if (made.length === 0) return made;
          await holdToPolicies(session, certificate.id);
          if (certificate.discovered !== undefined) await claimWithin(session, certificate.discovered, certificate.id, actor);
          return made;
        })
        .catch((error: unknown) => {
          throw creationRefusal(error);
        });
      if (rows.length === 0) throw new CaError('malformed', 'the body: targets: there is no such target, or it is retired');
      return madeOf(rows);
    },
    async renew(id, actor) {
      const rows = await database.transaction(async (session) => {
        const made = await session.query<{ id: string; agent_id: string }>(renew, [id, actor]);
        if (made.length > 0) await holdToPolicies(session, id);
        return made;
      });
      return rows.length === 0 ? undefined : madeOf(rows);
    },
  };
}
