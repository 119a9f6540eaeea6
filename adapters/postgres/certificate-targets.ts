import { connectorAgentId } from '#domain/agent/connector.ts';
import { CaError } from '#domain/error.ts';
import { activeCsrJob, firstStatus } from './agent-certificates.ts';
import type { Database, Session } from './database.ts';
import { makeDeployments, withdrawn } from './deployments.ts';
import { leaveShares } from './left-shares.ts';
import { cancelled, isOpen } from './open-job.ts';
import { holdToPolicies } from './policies.ts';
import { hasTarget } from './target-of-share.ts';

/** Where a certificate is put. */
export interface CertificateTargets {
  /**
   * Makes these the targets of a certificate whose keys agents make. What an agent has goes to its new targets; an agent that comes to it makes a key; who
   * is left without a target renews no more. Targets, jobs, outbox and audit in one commit; the same targets again are no change.
   *
   * @returns agents that have work, or had; undefined when there is no such certificate, or it has another version than expected
   * @throws {CaError} `conflict`, `malformed`, `policyViolation`
   */
  replace(id: string, targetIds: readonly string[], expected: number | undefined, actor: string): Promise<readonly string[] | undefined>;
}

// Who reports, and who signs for an agent, has the job first, then the target or the certificate, then the share: so it goes here.
const lockJobs = {
  name: 'retarget-jobs',
  text: `SELECT j.id FROM jobs j WHERE j.subject_id IN (
      SELECT d.id FROM deployments d WHERE d.certificate_id = $1 AND NOT d.target_id = ANY ($2)
      UNION ALL SELECT h.id FROM certificate_holders h WHERE h.certificate_id = $1)
    AND ((j.type = 'deployment' AND j.status = 'running') OR (j.type = 'csr' AND ${isOpen}))
    ORDER BY j.id FOR UPDATE OF j`,
};
// Those that it has, too: who looks at one of them, or retires it, waits, or has done so.
const lockTargets = {
  name: 'retarget-targets',
  text: `SELECT FROM targets WHERE id = ANY ($2::text[] || ARRAY(SELECT target_id FROM certificate_targets WHERE certificate_id = $1)) ORDER BY id FOR NO KEY UPDATE`,
};
// Its deployments may be made meanwhile: they hold what says for which target it is.
const lockCertificate = {
  name: 'retarget-certificate',
  text: 'SELECT state, key_source, version FROM managed_certificates WHERE id = $1 FOR NO KEY UPDATE',
};
const mapped = {
  name: 'retarget-mapped',
  text: `SELECT c.target_id, t.agent_id FROM certificate_targets c JOIN targets t ON t.id = c.target_id WHERE c.certificate_id = $1 ORDER BY c.target_id`,
};
const found = { name: 'retarget-found', text: 'SELECT id, agent_id FROM targets WHERE id = ANY ($1) AND retired_at IS NULL ORDER BY id' };
// Whoever gives an agent a new version, and deploys that or destroys its key, holds its row.
const lockHolders = {
  name: 'retarget-holders',
  text: 'SELECT FROM certificate_holders WHERE certificate_id = $1 ORDER BY id FOR NO KEY UPDATE',
};
// With a target before, so that it was renewed; good for another one, and with its key.
const provided = {
  name: 'retarget-provided',
  text: `SELECT h.agent_id FROM certificate_holders h JOIN certificates v ON v.id = h.current_id
    WHERE h.certificate_id = $1 AND ${hasTarget} AND h.not_after > now()
      AND NOT EXISTS (SELECT FROM revocations r WHERE r.certificate_id = v.id) AND NOT EXISTS (SELECT FROM upstream_revocations u WHERE u.certificate_id = v.id)
      AND (h.agent_id <> '${connectorAgentId}' OR EXISTS (SELECT FROM sealed_keys k WHERE k.holder_id = h.id AND k.sealed IS NOT NULL AND k.spki_sha256 = v.spki_sha256))`,
};
const remove = { name: 'retarget-remove', text: 'DELETE FROM certificate_targets WHERE certificate_id = $1 AND target_id = ANY ($2)' };
// A statement of its own, which sees what was asked for until its target was left out. An agent that what is left out had degraded is so no more.
const withdraw = {
  name: 'retarget-withdraw',
  text: `WITH t AS (UPDATE targets SET (inspect_at, inspection, expected, drifted_since) = (
            SELECT CASE WHEN o.shared AND on_drift <> 'ignore' THEN now() END, CASE WHEN o.shared THEN inspection ELSE 'nothing_deployed' END,
              CASE WHEN o.shared THEN expected END, CASE WHEN o.shared THEN drifted_since END
            FROM (SELECT EXISTS (SELECT FROM certificate_targets o WHERE o.target_id = targets.id AND o.deployed_id IS NOT NULL) AS shared) o)
          WHERE id = ANY ($2) AND (inspection IS NOT NULL OR inspect_at IS NOT NULL)),
    a AS (UPDATE agents SET status = 'online', status_reason = NULL WHERE id IN (SELECT agent_id FROM targets WHERE id = ANY ($2))
          AND status = 'degraded' AND status_reason = 'deployment_failed'
          AND NOT EXISTS (SELECT FROM targets l JOIN certificate_targets o ON o.target_id = l.id WHERE l.agent_id = agents.id AND l.retired_at IS NULL AND o.last_error IS NOT NULL)),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT DISTINCT 'agent', agent_id FROM targets WHERE id = ANY ($2))
    ${withdrawn('(SELECT id FROM deployments WHERE certificate_id = $1 AND target_id = ANY ($2)) d', 'the certificate is not for this target any more')}`,
};
// What is shown as its serial is that of somebody who has it.
const leave = {
  name: 'retarget-leave',
  text: `WITH h AS (UPDATE certificate_holders h SET renew_at = NULL, last_error = NULL WHERE h.certificate_id = $1 AND NOT ${hasTarget} RETURNING h.id),
    j AS (UPDATE jobs SET ${cancelled},
            last_error = 'no target is left on its agent'
          FROM h WHERE jobs.subject_id = h.id AND jobs.type = 'csr' AND ${isOpen})
    UPDATE managed_certificates SET (current_id, not_before) = (SELECT v.id, v.not_before FROM certificate_holders h JOIN certificates v ON v.id = h.current_id
        WHERE h.certificate_id = $1 AND ${hasTarget} ORDER BY v.not_before DESC, v.id DESC LIMIT 1)
      WHERE id = $1 AND EXISTS (SELECT FROM certificate_holders h WHERE h.certificate_id = $1 AND h.current_id IS NOT NULL AND ${hasTarget})`,
};
const add = {
  name: 'retarget-add',
  text: `WITH c AS (INSERT INTO certificate_targets (certificate_id, target_id) SELECT $1, id FROM unnest($2::text[]) id)
    INSERT INTO certificate_holders (id, certificate_id, agent_id)
    SELECT 'ch-' || replace(gen_random_uuid()::text, '-', ''), $1, a.agent_id FROM (SELECT DISTINCT agent_id FROM targets WHERE id = ANY ($2)) a
    ON CONFLICT (certificate_id, agent_id) DO NOTHING`,
};
// Of an agent that came back its old key is not asked for: it makes another.
const askKeys = {
  name: 'retarget-keys',
  text: `WITH j AS (INSERT INTO jobs (id, type, subject_id, agent_id, status, max_attempts, requested_by)
      SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'csr', h.id, h.agent_id, ${firstStatus('h.agent_id')}, greatest(1, r.max_retries), $3
      FROM certificate_holders h JOIN managed_certificates m ON m.id = h.certificate_id JOIN renewal_policies r ON r.id = m.policy_id
      WHERE h.certificate_id = $1 AND h.agent_id = ANY ($2)
      ON CONFLICT (subject_id) WHERE ${activeCsrJob} DO NOTHING RETURNING id, agent_id),
    u AS (UPDATE certificate_holders SET renew_at = NULL, last_error = NULL WHERE certificate_id = $1 AND agent_id = ANY ($2)),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'agent', agent_id FROM j)
  SELECT id, agent_id FROM j`,
};
const deployAdded = { name: 'retarget-deploy', text: makeDeployments('t.id = ANY ($4) AND h.agent_id = ANY ($5)') };
const noted = {
  name: 'retarget-noted',
  text: `WITH m AS (UPDATE managed_certificates SET version = version + 1, updated_at = now() WHERE id = $1)
    INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
    VALUES ($2, 'APIKey', 'replaceCertificateTargets', 'managed_certificate', $1, jsonb_build_object('added', $3::text[], 'removed', $4::text[], 'jobs', $5::text[]), 'cert_lifecycle')`,
};

interface Mapped {
  target_id: string;
  agent_id: string;
}
interface Made {
  job?: string;
  id?: string;
  agent_id: string;
}

export function certificateTargets(database: Database): CertificateTargets {
  return {
    replace: (id, targetIds, expected, actor) =>
      database.transaction(async (session) => {
        await session.query(lockJobs, [id, targetIds]);
        await session.query(lockTargets, [id, targetIds]);
        const [certificate] = await session.query<{ state: string; key_source: string; version: number }>(lockCertificate, [id]);
        if (certificate === undefined || (expected !== undefined && certificate.version !== expected)) return undefined;
        assertMovable(certificate);
        const before = await session.query<Mapped>(mapped, [id]);
        const live = await session.query<{ id: string; agent_id: string }>(found, [targetIds]);
        const added = live.filter((target) => !before.some(({ target_id }) => target_id === target.id));
        const removed = before.filter(({ target_id }) => !targetIds.includes(target_id));
        const known = new Set([...live.map((target) => target.id), ...before.map(({ target_id }) => target_id)]);
        if (!targetIds.every((target) => known.has(target)))
          throw new CaError('malformed', 'the body: targets: there is no such target, or it is retired');
        if (added.length === 0 && removed.length === 0) return [];
        await session.query(lockHolders, [id]);
        const made = added.length === 0 ? [] : await giveTo(session, id, added, actor);
        if (removed.length > 0) await takeFrom(session, id, removed);
        if (added.length > 0) await holdToPolicies(session, id);
        const jobs = made.map((one) => one.job ?? one.id ?? '');
        await session.query(noted, [id, actor, added.map((target) => target.id), removed.map(({ target_id }) => target_id), jobs]);
        return [...new Set([...made, ...removed].map(({ agent_id }) => agent_id))];
      }),
  };
}

/** @throws {CaError} `conflict` */
function assertMovable({ state, key_source: keySource }: { readonly state: string; readonly key_source: string }): void {
  if (keySource !== 'agent')
    throw new CaError(
      'conflict',
      'its key is with whoever handed in the CSR, so no agent can put it anywhere; create a certificate with targets',
    );
  if (state !== 'pending' && state !== 'active') throw new CaError('conflict', `the certificate is ${state}`);
}

async function giveTo(
  session: Session,
  id: string,
  added: readonly { readonly id: string; readonly agent_id: string }[],
  actor: string,
): Promise<readonly Made[]> {
  const ids = added.map((target) => target.id);
  const able = (await session.query<{ agent_id: string }>(provided, [id])).map(({ agent_id }) => agent_id);
  await session.query(add, [id, ids]);
  const without = added.map(({ agent_id }) => agent_id).filter((agent) => !able.includes(agent));
  const asked = await session.query<Made>(askKeys, [id, without, actor]);
  return [...asked, ...(await session.query<Made>(deployAdded, [id, 'requested', actor, ids, able]))];
}

async function takeFrom(session: Session, id: string, removed: readonly Mapped[]): Promise<void> {
  const ids = removed.map(({ target_id }) => target_id);
  await session.query(remove, [id, ids]);
  await session.query(withdraw, [id, ids]);
  await session.query(leave, [id]);
  for (const agent of new Set(removed.map(({ agent_id }) => agent_id))) await leaveShares(session, agent);
}
