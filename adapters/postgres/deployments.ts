import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database, Session } from './database.ts';
import { slice, type Keyset } from './keyset.ts';
import { cancelled } from './open-job.ts';

/** One version on its way to one target. */
export interface DeploymentRecord {
  readonly id: string;
  readonly certificateId: string;
  readonly versionId: string;
  readonly targetId: string;
  readonly agentId: string;
  readonly reason: 'issued' | 'renewed' | 'requested' | 'repair';
  readonly jobId: string;
  /** Of its job. */
  readonly status: string;
  readonly attempts: number;
  readonly failureClass: string | undefined;
  readonly detail: string | undefined;
  readonly idempotent: boolean | undefined;
  readonly rolledBack: boolean | undefined;
  readonly verifiedAt: Date | undefined;
  /** SHA-256, hex. */
  readonly observed: string | undefined;
  readonly durationMs: number | undefined;
  readonly backupPaths: readonly string[];
  readonly createdAt: Date;
}

export interface Deployments {
  list(
    page: PageRequest,
    filter: { readonly certificate: string | undefined; readonly target: string | undefined; readonly agent: string | undefined },
  ): Promise<Slice<DeploymentRecord>>;
  find(id: string): Promise<DeploymentRecord | undefined>;
  /**
   * Puts what each agent has into its targets once more, or into one of them. Deployments, jobs, outbox, audit in one commit.
   *
   * @param only one target, and the agents that it may be; undefined: any
   * @returns one pair for each target; empty when there is nothing to deploy
   */
  request(
    certificateId: string,
    only: { readonly target: string | undefined; readonly agents: readonly string[] | undefined },
    actor: string,
  ): Promise<readonly { readonly deployment: string; readonly job: string; readonly agentId: string }[]>;
}

/**
 * A deployment with its job for each target of a certificate on each agent that has a version: one statement. What was on its way to these targets and
 * has not begun is superseded. Who leaves a target out meanwhile waits for it, or has done so.
 *
 * @param which SQL over `h` (certificate_holders) and `t` (targets); `$1` is the certificate, `$2` the reason, `$3` who
 */
export function makeDeployments(which: string): string {
  return `WITH w AS (
      SELECT 'dep-' || replace(gen_random_uuid()::text, '-', '') AS id, h.certificate_id, h.current_id AS version_id, t.id AS target_id, t.agent_id,
        greatest(1, r.max_retries) AS max_attempts
      FROM certificate_holders h
        JOIN managed_certificates m ON m.id = h.certificate_id AND m.state = 'active'
        JOIN renewal_policies r ON r.id = m.policy_id
        JOIN certificate_targets c ON c.certificate_id = h.certificate_id
        JOIN targets t ON t.id = c.target_id AND t.agent_id = h.agent_id AND t.enabled AND t.retired_at IS NULL
      WHERE h.certificate_id = $1 AND h.current_id IS NOT NULL AND ${which}
      FOR KEY SHARE OF c),
    s AS (UPDATE jobs SET status = 'cancelled', completed_at = now(), state_entered_at = now(), last_error = 'superseded by a newer deployment'
          FROM deployments d, w WHERE d.certificate_id = w.certificate_id AND d.target_id = w.target_id AND jobs.subject_id = d.id
            AND jobs.type = 'deployment' AND jobs.status = 'pending'),
    d AS (INSERT INTO deployments (id, certificate_id, version_id, target_id, agent_id, reason, created_by)
          SELECT id, certificate_id, version_id, target_id, agent_id, $2, $3 FROM w),
    j AS (INSERT INTO jobs (id, type, subject_id, agent_id, max_attempts)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'deployment', id, agent_id, max_attempts FROM w RETURNING id, subject_id, agent_id),
    u AS (UPDATE certificate_targets SET last_error = NULL FROM w WHERE certificate_targets.certificate_id = w.certificate_id AND certificate_targets.target_id = w.target_id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT DISTINCT 'agent', agent_id FROM w),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, CASE WHEN $3 LIKE 'system:%' THEN 'System' ELSE 'APIKey' END, 'deployment_created', 'managed_certificate', w.certificate_id,
                 jsonb_build_object('deployment', w.id, 'version', w.version_id, 'target', w.target_id, 'job', j.id, 'reason', $2::text), 'cert_lifecycle'
          FROM w JOIN j ON j.subject_id = w.id)
  SELECT j.subject_id AS deployment, j.id AS job, j.agent_id FROM j`;
}

/** Ends, of the deployments `d` of a FROM clause, those that have not ended. */
export const withdrawn = (from: string, why: string): string => `UPDATE jobs SET ${cancelled}, last_error = '${why}'
    FROM ${from} WHERE jobs.subject_id = d.id AND jobs.type = 'deployment' AND jobs.status IN ('pending', 'running')`;

/** Ends the deployments of the certificates of a CTE: nobody is to put them in place any more. */
export const withdrawnOf = (certificates: string): string =>
  withdrawn(
    `deployments d JOIN ${certificates} ON d.certificate_id = ${certificates}.id`,
    'its certificate is not to be deployed any more',
  );

const columns = `d.id, d.certificate_id, d.version_id, d.target_id, d.agent_id, d.reason, j.id AS job_id, j.status, j.attempts, d.failure_class, d.detail, d.idempotent,
  d.rolled_back, d.verified_at, encode(d.observed, 'hex') AS observed, d.duration_ms, d.backup_paths, d.created_at`;
const from = `deployments d JOIN jobs j ON j.subject_id = d.id AND j.type = 'deployment'`;
export const deploymentList: Keyset = {
  columns,
  from,
  id: 'd.id',
  idType: 'text',
  sorts: { created_at: { expression: 'd.created_at', type: 'timestamptz' } },
};
const find = { name: 'deployment', text: `SELECT ${columns} FROM ${from} WHERE d.id = $1` };
const requested = {
  name: 'deployment-request',
  text: makeDeployments('($4::text IS NULL OR t.id = $4) AND ($5::text[] IS NULL OR t.agent_id = ANY($5))'),
};
const repair = { name: 'deployment-repair', text: makeDeployments('t.id = $4') };
// Whoever gives the agent a new version holds this row, and deploys that itself.
const behind = {
  name: 'deployments-behind',
  text: `SELECT c.certificate_id FROM certificate_targets c JOIN targets t ON t.id = c.target_id AND t.enabled AND t.retired_at IS NULL
         JOIN certificate_holders h ON h.certificate_id = c.certificate_id AND h.agent_id = t.agent_id
         WHERE (c.certificate_id = ANY ($1::text[]) OR c.target_id = $2) AND c.deployed_id IS DISTINCT FROM h.current_id
         ORDER BY h.id FOR NO KEY UPDATE OF h`,
};
const ofBehind = {
  name: 'deployment-behind',
  text: makeDeployments('c.deployed_id IS DISTINCT FROM h.current_id AND ($4::text IS NULL OR t.id = $4)'),
};
const ofHolder = { name: 'deployment-of-holder', text: makeDeployments('h.id = $4') };

interface Row {
  id: string;
  certificate_id: string;
  version_id: string;
  target_id: string;
  agent_id: string;
  reason: DeploymentRecord['reason'];
  job_id: string;
  status: string;
  attempts: number;
  failure_class: string | null;
  detail: string | null;
  idempotent: boolean | null;
  rolled_back: boolean | null;
  verified_at: Date | null;
  observed: string | null;
  duration_ms: number | null;
  backup_paths: string[];
  created_at: Date;
}

export function deployments(database: Database): Deployments {
  return {
    list: (page, { certificate, target, agent }) =>
      slice(
        database,
        deploymentList,
        page,
        [
          ['d.certificate_id = ?', certificate],
          ['d.target_id = ?', target],
          ['d.agent_id = ?', agent],
        ],
        recordOf,
      ),
    async find(id) {
      const [row] = await database.query<Row>(find, [id]);
      return row && recordOf(row);
    },
    async request(certificateId, { target, agents }, actor) {
      const rows = await database.query<{ deployment: string; job: string; agent_id: string }>(requested, [
        certificateId,
        'requested',
        actor,
        target ?? null,
        agents ?? null,
      ]);
      return rows.map(({ deployment, job, agent_id }) => ({ deployment, job, agentId: agent_id }));
    },
  };
}

/** Deploys what an agent has just been given, in the transaction that gave it. */
export async function deployToHolder(session: Session, certificateId: string, holderId: string, renewed: boolean): Promise<void> {
  await session.query(ofHolder, [certificateId, renewed ? 'renewed' : 'issued', 'system:worker', holderId]);
}

/**
 * Deploys what was issued while nobody was to put it in place: of these certificates, or at this target.
 *
 * @returns the agents that have work
 */
export async function catchUp(
  session: Session,
  { certificates = [], target = null }: { readonly certificates?: readonly string[]; readonly target?: string | null },
  actor: string,
): Promise<readonly string[]> {
  const late = await session.query<{ certificate_id: string }>(behind, [certificates, target]);
  const agentIds: string[] = [];
  for (const id of new Set(late.map(({ certificate_id }) => certificate_id))) {
    const made = await session.query<{ agent_id: string }>(ofBehind, [id, 'requested', actor, target]);
    agentIds.push(...made.map(({ agent_id }) => agent_id));
  }
  return agentIds;
}

/** Deploys again to a target that has lost what was deployed there, in the transaction that found out. False when the agent has nothing to deploy. */
export async function repairTarget(session: Session, certificateId: string, targetId: string): Promise<boolean> {
  return (await session.query(repair, [certificateId, 'repair', 'system:drift', targetId])).length > 0;
}

function recordOf(row: Row): DeploymentRecord {
  return {
    id: row.id,
    certificateId: row.certificate_id,
    versionId: row.version_id,
    targetId: row.target_id,
    agentId: row.agent_id,
    reason: row.reason,
    jobId: row.job_id,
    status: row.status,
    attempts: row.attempts,
    failureClass: row.failure_class ?? undefined,
    detail: row.detail ?? undefined,
    idempotent: row.idempotent ?? undefined,
    rolledBack: row.rolled_back ?? undefined,
    verifiedAt: row.verified_at ?? undefined,
    observed: row.observed ?? undefined,
    durationMs: row.duration_ms ?? undefined,
    backupPaths: row.backup_paths,
    createdAt: row.created_at,
  };
}
