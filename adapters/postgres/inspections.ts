import { judgeInspection, type DriftPolicy, type InspectionOutcome, type InspectionReport } from '#domain/agent/inspection.ts';
import type { Reported } from '#domain/agent/work.ts';
import { held } from './agent-reports.ts';
import type { Database, Session } from './database.ts';
import { repairTarget } from './deployments.ts';
import { nextInspection } from './inspection-time.ts';
import { notifyFrom } from './notify.ts';

/** Looks at targets. */
export interface Inspections {
  /** A job for each target of an agent whose inspection is due; false when none was. Only agents that say they can look get one. */
  arm(agentId: string, limit: number): Promise<boolean>;
  /** The outcome on the target's row, audit, notice and repair in one commit. */
  report(agentId: string, jobId: string, token: string, report: InspectionReport): Promise<Reported>;
  /**
   * A job that looks at a target as soon as its agent asks for work; the one that is on its way already, if there is one. Job, outbox, audit in one commit.
   *
   * @returns undefined when the target is retired or does not exist; `offline` and `unable` when its agent would not come, or not know how
   */
  request(
    targetId: string,
    actor: string,
  ): Promise<{ readonly jobId: string; readonly agentId: string } | 'offline' | 'unable' | undefined>;
}

// Looks that ended are kept for a day, for whoever asked for them.
const arm = {
  name: 'inspection-arm',
  text: `WITH d AS (
      SELECT t.id, t.agent_id FROM targets t JOIN agents a ON a.id = t.agent_id AND 'inspection' = ANY (a.capabilities)
      WHERE t.agent_id = $1 AND t.inspect_at <= now() AND t.enabled AND t.retired_at IS NULL
      ORDER BY t.inspect_at LIMIT $2 FOR NO KEY UPDATE OF t SKIP LOCKED),
    o AS (DELETE FROM jobs USING d WHERE jobs.subject_id = d.id AND jobs.type = 'inspection' AND jobs.completed_at < now() - interval '1 day'),
    j AS (INSERT INTO jobs (id, type, subject_id, agent_id)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'inspection', id, agent_id FROM d
          ON CONFLICT (type, subject_id) WHERE status IN ('pending', 'running') DO NOTHING),
    u AS (UPDATE targets SET inspect_at = ${nextInspection} FROM d WHERE targets.id = d.id)
  SELECT id FROM d`,
};
// Before the job's row, as whoever retires a target takes them.
const lockTarget = {
  name: 'inspection-target',
  text: `SELECT t.id FROM targets t JOIN jobs j ON j.subject_id = t.id AND j.type = 'inspection'
         WHERE j.id = $2 AND j.agent_id = $1 FOR NO KEY UPDATE OF t`,
};
// Whoever gives the agent a new version holds this row: what is read afterwards has its deployments.
const lockHolders = {
  name: 'inspection-holders',
  text: `SELECT h.id FROM certificate_holders h JOIN targets t ON t.agent_id = h.agent_id
         JOIN certificate_targets c ON c.target_id = t.id AND c.certificate_id = h.certificate_id
         WHERE t.id = $1 ORDER BY h.id FOR NO KEY UPDATE OF h`,
};
const expectedAt = {
  name: 'inspection-expected',
  text: `SELECT t.on_drift, t.drifted_since IS NOT NULL AS drifted, e.certificate_id, encode(e.deployed, 'hex') AS deployed, encode(e.current, 'hex') AS current,
      EXISTS (SELECT FROM deployments d JOIN jobs o ON o.subject_id = d.id AND o.type = 'deployment'
              WHERE d.target_id = t.id AND (o.status IN ('pending', 'running') OR o.completed_at >= j.state_entered_at)) AS deploying
    FROM jobs j JOIN targets t ON t.id = j.subject_id
      LEFT JOIN LATERAL (SELECT c.certificate_id, v.fingerprint AS deployed, n.fingerprint AS current
        FROM certificate_targets c JOIN managed_certificates m ON m.id = c.certificate_id AND m.state = 'active' JOIN certificates v ON v.id = c.deployed_id
          LEFT JOIN certificate_holders h ON h.certificate_id = c.certificate_id AND h.agent_id = t.agent_id LEFT JOIN certificates n ON n.id = h.current_id
        WHERE c.target_id = t.id ORDER BY c.deployed_at DESC LIMIT 1) e ON true
    WHERE j.id = $1`,
};
const settle = {
  name: 'inspection-settle',
  text: `WITH j AS (UPDATE jobs SET status = 'completed', completed_at = now(), last_error = $9, lease_token = NULL, lease_expires_at = NULL, state_entered_at = now(),
                      payload = payload || jsonb_build_object('reported', $2::text) WHERE id = $1 RETURNING id, subject_id, agent_id),
    t AS (UPDATE targets SET inspected_at = now(), inspection = $3, expected = decode($4, 'hex'), observed_source = $5, observed = decode($6, 'hex'), observed_serial = $7,
            observed_not_after = $8, ready = $10, failure_class = $11, inspection_detail = $9,
            drifted_since = CASE $3 WHEN 'drifted' THEN coalesce(drifted_since, now()) WHEN 'in_sync' THEN NULL WHEN 'nothing_deployed' THEN NULL ELSE drifted_since END,
            inspect_at = CASE $3 WHEN 'nothing_deployed' THEN NULL ELSE inspect_at END
          FROM j WHERE targets.id = j.subject_id
          RETURNING targets.id, targets.name, targets.agent_id, targets.drifted_since, targets.on_drift, j.id AS job),
    n AS (${notifyFrom('t', 'target.drifted', {
      subject: 't.id',
      dedupe: `t.id || ':' || extract(epoch FROM t.drifted_since)`,
      data: `jsonb_build_object('target', t.id, 'name', t.name, 'agent', t.agent_id, 'certificate', $12::text, 'expected', $4::text, 'observed', $6::text, 'on_drift', t.on_drift)`,
      where: '$13::boolean AND NOT $14::boolean',
    })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT agent_id, 'Agent', CASE WHEN $13::boolean THEN 'target_drifted' ELSE 'target_in_sync' END, 'target', id,
                 jsonb_build_object('certificate', $12::text, 'expected', $4::text, 'observed', $6::text, 'job', job), 'cert_lifecycle'
          FROM t WHERE $13::boolean <> $14::boolean AND $3 IN ('drifted', 'in_sync'))
  SELECT id FROM j`,
};
const asked = {
  name: 'inspection-asked',
  text: `SELECT t.agent_id, a.status, 'inspection' = ANY (a.capabilities) AS able FROM targets t JOIN agents a ON a.id = t.agent_id
         WHERE t.id = $1 AND t.retired_at IS NULL FOR NO KEY UPDATE OF t`,
};
const request = {
  name: 'inspection-request',
  text: `WITH j AS (INSERT INTO jobs (id, type, subject_id, agent_id) SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'inspection', id, agent_id FROM targets WHERE id = $1
                    ON CONFLICT (type, subject_id) WHERE status IN ('pending', 'running') DO UPDATE SET hinted_at = jobs.hinted_at RETURNING id, subject_id, agent_id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'agent', agent_id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $2, 'APIKey', 'testTarget', 'target', subject_id, jsonb_build_object('job', id), 'cert_lifecycle' FROM j)
  SELECT id FROM j`,
};

interface Expected {
  on_drift: DriftPolicy;
  drifted: boolean;
  certificate_id: string | null;
  deployed: string | null;
  current: string | null;
  deploying: boolean;
}

export function inspections(database: Database): Inspections {
  return {
    async arm(agentId, limit) {
      return (await database.query(arm, [agentId, limit])).length > 0;
    },
    report: (agentId, jobId, token, report) => database.transaction((session) => take(session, agentId, jobId, token, report)),
    request: (targetId, actor) =>
      database.transaction(async (session) => {
        const [target] = await session.query<{ agent_id: string; status: string; able: boolean }>(asked, [targetId]);
        if (target === undefined) return undefined;
        if (target.status === 'offline') return 'offline';
        if (!target.able) return 'unable';
        const [job] = await session.query<{ id: string }>(request, [targetId, actor]);
        return { jobId: job?.id ?? '', agentId: target.agent_id };
      }),
  };
}

async function take(session: Session, agentId: string, jobId: string, token: string, report: InspectionReport): Promise<Reported> {
  const [target] = await session.query<{ id: string }>(lockTarget, [agentId, jobId]);
  if (target === undefined) return { kind: 'unknown' };
  const job = await held(session, agentId, jobId, token, 'inspection');
  if ('kind' in job) return job;
  await session.query(lockHolders, [target.id]);
  const [expected] = await session.query<Expected>(expectedAt, [jobId]);
  if (expected === undefined) return { kind: 'unknown' };
  const { observation } = report;
  const outcome: InspectionOutcome = judgeInspection(observation, {
    deployed: expected.deployed ?? undefined,
    current: expected.current ?? undefined,
    deploying: expected.deploying,
  });
  const seen = 'fingerprint' in observation ? observation : undefined;
  await session.query(settle, [
    jobId,
    token,
    outcome,
    expected.deployed,
    seen?.source ?? null,
    seen?.fingerprint ?? null,
    seen?.serial ?? null,
    seen?.notAfter ?? null,
    report.detail ?? null,
    report.ready,
    report.failureClass ?? null,
    expected.certificate_id,
    outcome === 'drifted',
    expected.drifted,
  ]);
  const repaired =
    outcome === 'drifted' && expected.on_drift === 'repair' && expected.certificate_id !== null
      ? await repairTarget(session, expected.certificate_id, target.id)
      : false;
  return { kind: 'taken', status: 'completed', ...(repaired && { nextDue: new Date(0) }) };
}
