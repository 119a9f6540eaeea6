import type { AgentKeyAlgorithm } from '#domain/agent/key-algorithm.ts';
import { keyTypeOf } from '#domain/agent/inspection.ts';
import type { AgentWork, WorkItem } from '#domain/agent/work.ts';
import type { Database } from './database.ts';
import { reportCsrFailure, reportDeployment } from './agent-reports.ts';
import { inspections } from './inspections.ts';
import { issuersOf } from './issuer-chain.ts';
import { profileColumns, profileOf, type ProfileRow } from './profiles.ts';

// An agent's own running job whose lease has ended is taken up again by the next claim; a CSR job is leased while it waits.
const claim = {
  name: 'agent-claim',
  text: `WITH c AS (
      SELECT id FROM jobs WHERE agent_id = $1 AND (
        (type = 'csr' AND status = 'awaiting_csr' AND run_at <= now() AND (lease_expires_at IS NULL OR lease_expires_at <= now()))
        OR (type IN ('deployment', 'inspection') AND attempts < max_attempts
            AND ((status = 'pending' AND run_at <= now()) OR (status = 'running' AND lease_expires_at <= now()))))
      ORDER BY run_at, id LIMIT $4 FOR UPDATE SKIP LOCKED),
    u AS (UPDATE jobs SET lease_token = $2, lease_expires_at = now() + make_interval(secs => $3),
            attempts = attempts + CASE type WHEN 'csr' THEN 0 ELSE 1 END,
            status = CASE type WHEN 'csr' THEN status ELSE 'running' END,
            state_entered_at = CASE type WHEN 'csr' THEN state_entered_at ELSE now() END
          FROM c WHERE jobs.id = c.id RETURNING jobs.id, jobs.type, jobs.subject_id, jobs.lease_expires_at, jobs.attempts, jobs.run_at)
  SELECT u.id, u.type, u.lease_expires_at, u.attempts, coalesce(m.id, d.certificate_id) AS certificate_id, m.common_name, m.sans, coalesce(m.key_algorithm, e.key_algorithm) AS key_algorithm,
    p.must_staple, d.id AS deployment_id, d.version_id, t.id AS target_id, t.type AS target_type, t.config, t.reference, e.expected
  FROM u
    LEFT JOIN certificate_holders h ON u.type = 'csr' AND h.id = u.subject_id
    LEFT JOIN managed_certificates m ON m.id = h.certificate_id
    LEFT JOIN profiles p ON p.id = m.profile_id
    LEFT JOIN deployments d ON u.type = 'deployment' AND d.id = u.subject_id
    LEFT JOIN targets t ON t.id = coalesce(d.target_id, CASE u.type WHEN 'inspection' THEN u.subject_id END)
    LEFT JOIN LATERAL (SELECT o.key_algorithm,
        CASE WHEN t.config #> '{verify,quorum}' IS NOT NULL AND (SELECT 'quorum' = ANY (capabilities) FROM agents WHERE id = $1) THEN
          ARRAY(SELECT encode(fingerprint, 'hex') FROM certificates WHERE id IN (c.deployed_id, s.current_id)) END AS expected
      FROM certificate_targets c JOIN managed_certificates o ON o.id = c.certificate_id AND o.state = 'active'
        LEFT JOIN certificate_holders s ON s.certificate_id = o.id AND s.agent_id = $1
      WHERE u.type = 'inspection' AND c.target_id = t.id AND c.deployed_id IS NOT NULL ORDER BY c.deployed_at DESC LIMIT 1) e ON true
  ORDER BY u.run_at, u.id`,
};
const outlook = {
  name: 'agent-outlook',
  text: `SELECT *, look_at <= now() AS look_due FROM (SELECT min(CASE status WHEN 'running' THEN lease_expires_at ELSE greatest(run_at, lease_expires_at) END)
      FILTER (WHERE type <> 'csr' OR status = 'awaiting_csr') AS next_due,
    (SELECT min(t.inspect_at) FROM targets t JOIN agents a ON a.id = t.agent_id AND 'inspection' = ANY (a.capabilities)
     WHERE t.agent_id = $1 AND t.inspect_at IS NOT NULL AND t.enabled AND t.retired_at IS NULL) AS look_at,
    coalesce(bool_or(type = 'csr' AND status IN ('pending', 'running')), false) AS expecting
  FROM jobs WHERE agent_id = $1 AND status IN ('pending', 'awaiting_csr', 'running')) o`,
};
const letGo = {
  name: 'agent-let-go',
  text: `UPDATE jobs SET lease_expires_at = now()
         WHERE agent_id = $1 AND status IN ('running', 'awaiting_csr') AND lease_expires_at > now() AND NOT id = ANY ($2::text[]) RETURNING id`,
};
const renewLease = {
  name: 'agent-lease',
  text: `UPDATE jobs SET lease_expires_at = now() + make_interval(secs => $4)
         WHERE id = $2 AND agent_id = $1 AND lease_token = $3 AND status IN ('running', 'awaiting_csr') RETURNING lease_expires_at`,
};
const csrJob = {
  name: 'agent-csr-job',
  text: `SELECT m.id AS certificate_id, m.common_name, m.sans, m.key_algorithm, j.status, j.lease_token, decode(j.payload ->> 'csr', 'base64') AS csr,
      EXISTS (SELECT FROM certificates WHERE spki_sha256 = $3) OR EXISTS (SELECT FROM blocked_keys WHERE spki_sha256 = $3) AS key_is_used, p.*
    FROM jobs j JOIN certificate_holders h ON h.id = j.subject_id JOIN managed_certificates m ON m.id = h.certificate_id,
      LATERAL (SELECT ${profileColumns} FROM profiles WHERE profiles.id = m.profile_id) p
    WHERE j.id = $2 AND j.agent_id = $1 AND j.type = 'csr'`,
};
const submitCsr = {
  name: 'agent-submit-csr',
  text: `WITH j AS (UPDATE jobs SET status = 'pending', run_at = now(), state_entered_at = now(), hinted_at = NULL, lease_token = NULL, lease_expires_at = NULL,
                      payload = payload || jsonb_build_object('csr', replace(encode($4::bytea, 'base64'), E'\\n', ''))
                    WHERE id = $2 AND agent_id = $1 AND lease_token = $3 AND type = 'csr' AND status = 'awaiting_csr' RETURNING id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT $1, 'Agent', 'submitAgentCsr', 'job', id, 'cert_lifecycle' FROM j)
  SELECT id FROM j`,
};
const certificate = {
  name: 'agent-certificate',
  text: `SELECT c.certificate, c.chain, c.fingerprint, ${issuersOf('c')} AS issuers FROM certificates c
         WHERE c.id = $2 AND c.agent_id = $1 AND EXISTS (SELECT FROM deployments d WHERE d.version_id = c.id AND d.agent_id = $1)`,
};

interface Outlook {
  next_due: Date | null;
  look_at: Date | null;
  look_due: boolean | null;
  expecting: boolean;
}

interface ClaimedRow {
  id: string;
  type: 'csr' | 'deployment' | 'inspection';
  lease_expires_at: Date;
  attempts: number;
  certificate_id: string;
  common_name: string | null;
  sans: { type: string; value: string }[];
  /** Of a certificate that is to be looked for: null where nothing was deployed. */
  key_algorithm: AgentKeyAlgorithm;
  must_staple: boolean;
  deployment_id: string;
  version_id: string;
  target_id: string;
  target_type: string;
  config: Record<string, unknown>;
  reference: string | null;
  expected: string[] | null;
}

interface CsrRow extends ProfileRow {
  certificate_id: string;
  common_name: string | null;
  sans: { type: string; value: string }[];
  key_algorithm: AgentKeyAlgorithm;
  status: string;
  lease_token: string | null;
  csr: Buffer | null;
  key_is_used: boolean;
}

/** The jobs of agents. Each statement names the agent: what belongs to another does not exist for it. */
export function agentWork(database: Database): AgentWork {
  const ofTargets = inspections(database);
  return {
    async claim(agentId, lease, limit) {
      const items: WorkItem[] = [];
      const look = async (): Promise<Outlook | undefined> => {
        const values = [agentId, lease.token, lease.seconds, limit - items.length];
        items.push(...(await database.query<ClaimedRow>(claim, values)).map((row) => itemOf(row, lease.token)));
        return (await database.query<Outlook>(outlook, [agentId]))[0];
      };
      let left = await look();
      const isDue = left?.look_due === true && items.length < limit;
      if (isDue && (await ofTargets.arm(agentId, limit - items.length))) left = await look();
      return { items, nextDue: earlier(left?.next_due, left?.look_at), expecting: left?.expecting === true };
    },
    async letGo(agentId, holding) {
      return (await database.query(letGo, [agentId, holding])).length;
    },
    async renewLease(agentId, jobId, token, seconds) {
      const [row] = await database.query<{ lease_expires_at: Date }>(renewLease, [agentId, jobId, token, seconds]);
      return row?.lease_expires_at;
    },
    async csrJob(agentId, jobId, spkiSha256) {
      const [row] = await database.query<CsrRow>(csrJob, [agentId, jobId, spkiSha256]);
      if (row === undefined) return undefined;
      return {
        certificateId: row.certificate_id,
        commonName: row.common_name ?? undefined,
        sans: row.sans,
        keyAlgorithm: row.key_algorithm,
        profile: profileOf(row),
        status: row.status,
        leaseToken: row.lease_token ?? undefined,
        csr: row.csr ?? undefined,
        keyIsUsed: row.key_is_used,
      };
    },
    async submitCsr(agentId, jobId, token, csr) {
      return (await database.query(submitCsr, [agentId, jobId, token, csr])).length === 1;
    },
    async certificate(agentId, versionId) {
      const [row] = await database.query<{ certificate: Buffer; chain: string | null; fingerprint: Buffer; issuers: Buffer[] }>(
        certificate,
        [agentId, versionId],
      );
      if (row === undefined) return undefined;
      const chain = [row.certificate, ...row.issuers];
      return { chain, foreignChain: row.chain ?? undefined, fingerprint: row.fingerprint.toString('hex') };
    },
    reportDeployment: (agentId, jobId, token, report, fraction) => reportDeployment(database, agentId, jobId, token, report, fraction),
    reportInspection: (...given) => ofTargets.report(...given),
    reportCsrFailure: (agentId, jobId, token, reason, fraction) => reportCsrFailure(database, agentId, jobId, token, reason, fraction),
  };
}

function earlier(...dates: readonly (Date | null | undefined)[]): Date | undefined {
  const times = dates.flatMap((date) => (date ? [date.getTime()] : []));
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

function itemOf(row: ClaimedRow, leaseToken: string): WorkItem {
  const common = { jobId: row.id, leaseToken, leaseExpiresAt: row.lease_expires_at, attempt: row.attempts };
  if (row.type === 'csr') {
    return {
      ...common,
      type: 'csr',
      certificateId: row.certificate_id,
      commonName: row.common_name ?? undefined,
      sans: row.sans,
      keyAlgorithm: row.key_algorithm,
      mustStaple: row.must_staple,
    };
  }
  const target = { targetId: row.target_id, targetType: row.target_type, config: row.config, reference: row.reference ?? undefined };
  if (row.type === 'inspection')
    return { ...common, ...target, type: 'inspection', keyType: keyTypeOf(row.key_algorithm), expected: row.expected ?? undefined };
  return {
    ...common,
    ...target,
    type: 'deployment',
    certificateId: row.certificate_id,
    deploymentId: row.deployment_id,
    versionId: row.version_id,
  };
}
