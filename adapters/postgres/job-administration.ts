import { CaError } from '#domain/error.ts';
import type { JobStatus, JobType } from '#domain/job/job.ts';
import { laterOfHolder } from './managed-issuance.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database } from './database.ts';
import { slice, type Keyset } from './keyset.ts';
import { cancelled, isOpen } from './open-job.ts';

export interface JobRecord {
  readonly id: string;
  /** Whose work it is; undefined: no agent's. */
  readonly agentId: string | undefined;
  readonly type: JobType;
  readonly subjectId: string;
  readonly status: JobStatus;
  readonly retryable: boolean;
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly runAt: Date;
  readonly stateEnteredAt: Date;
  readonly lastError: string | undefined;
  readonly createdAt: Date;
  readonly completedAt: Date | undefined;
}

export interface JobAdministration {
  list(
    page: PageRequest,
    filter: { readonly status: JobStatus | undefined; readonly type: JobType | undefined; readonly subject: string | undefined },
  ): Promise<Slice<JobRecord>>;
  find(id: string): Promise<JobRecord | undefined>;
  /** False when it has ended already, or is of a kind that nobody cancels. */
  cancel(id: string, actor: string): Promise<boolean>;
  /** A failed issuance or renewal, and nothing that another job is at. @throws {CaError} `conflict` without an approval that it needs */
  retry(id: string, actor: string): Promise<boolean>;
  /** awaiting_csr → pending with the CSR, audit and outbox in one commit; false when it does not wait for one. @param csr DER */
  submitCsr(id: string, csr: Uint8Array, actor: string): Promise<boolean>;
}

const columns =
  'id, type, subject_id, agent_id, status, retryable, attempts, max_attempts, run_at, state_entered_at, last_error, created_at, completed_at';
/** Statuses stand in the statement itself, for each that people look for has an index of its own. */
export const jobList: Keyset = {
  columns,
  from: 'jobs',
  id: 'id',
  idType: 'text',
  sorts: { created_at: { expression: 'created_at', type: 'timestamptz' }, run_at: { expression: 'run_at', type: 'timestamptz' } },
};
const find = { name: 'jobs-find', text: `SELECT ${columns} FROM jobs WHERE id = $1` };
const cancel = {
  name: 'jobs-cancel',
  text: `WITH j AS (UPDATE jobs SET ${cancelled}
                    WHERE id = $1 AND type IN ('issuance', 'renewal', 'csr', 'deployment', 'inspection') AND ${isOpen}
                    RETURNING id, subject_id),
    m AS (UPDATE managed_certificates SET last_error = 'cancelled', updated_at = now(),
            renew_at = CASE WHEN state = 'active' AND (SELECT auto_renew FROM renewal_policies r WHERE r.id = policy_id) THEN now() + interval '6 hours' END
          FROM j WHERE managed_certificates.id = j.subject_id),
    p AS (UPDATE certificate_holders SET last_error = 'cancelled', renew_at = ${laterOfHolder} FROM j WHERE certificate_holders.id = j.subject_id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $2, 'APIKey', 'cancelJob', 'job', id, jsonb_build_object('certificate', subject_id), 'cert_lifecycle' FROM j)
  SELECT id FROM j`,
};
const retry = {
  name: 'jobs-retry-by-hand',
  text: `WITH j AS (UPDATE jobs SET status = 'pending', retryable = false, attempts = 0, run_at = now(), completed_at = NULL, state_entered_at = now(), hinted_at = NULL
                    WHERE id = $1 AND status = 'failed' AND (type = 'revocation' OR (type IN ('issuance', 'renewal')
                      AND EXISTS (SELECT FROM managed_certificates m WHERE m.id = subject_id AND m.state IN ('pending', 'active')))) RETURNING id, subject_id),
    m AS (UPDATE managed_certificates SET renew_at = NULL, updated_at = now() FROM j WHERE managed_certificates.id = j.subject_id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $2, 'APIKey', 'retryJob', 'job', id, jsonb_build_object('certificate', subject_id), 'cert_lifecycle' FROM j)
  SELECT id FROM j`,
};
const submitCsr = {
  name: 'jobs-submit-csr',
  text: `WITH j AS (UPDATE jobs SET status = 'pending', run_at = now(), state_entered_at = now(), hinted_at = NULL,
                      payload = payload || jsonb_build_object('csr', replace(encode($2::bytea, 'base64'), E'\\n', ''))
                    WHERE id = $1 AND status = 'awaiting_csr' AND agent_id IS NULL RETURNING id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT $3, 'APIKey', 'submitCsr', 'job', id, 'cert_lifecycle' FROM j)
  SELECT id FROM j`,
};

interface Row {
  id: string;
  type: JobType;
  subject_id: string;
  agent_id: string | null;
  status: JobStatus;
  retryable: boolean;
  attempts: number;
  max_attempts: number;
  run_at: Date;
  state_entered_at: Date;
  last_error: string | null;
  created_at: Date;
  completed_at: Date | null;
}

/** Jobs as their operators see and change them. */
export function jobAdministration(database: Database): JobAdministration {
  return {
    list: (page, { status, type, subject }) =>
      slice(
        database,
        jobList,
        page,
        [...(status === undefined ? [] : [[`status = '${status}'`] as const]), ['type = ?', type], ['subject_id = ?', subject]],
        recordOf,
      ),
    async find(id) {
      const [row] = await database.query<Row>(find, [id]);
      return row && recordOf(row);
    },
    async cancel(id, actor) {
      return (await database.query(cancel, [id, actor])).length === 1;
    },
    async retry(id, actor) {
      try {
        return (await database.query(retry, [id, actor])).length === 1;
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'another job is at the certificate', { cause: error });
        if ((error as { code?: string }).code === '23514')
          throw new CaError('conflict', 'nobody has approved this job; renew the certificate to ask again', { cause: error });
        throw error;
      }
    },
    async submitCsr(id, csr, actor) {
      return (await database.query(submitCsr, [id, csr, actor])).length === 1;
    },
  };
}

function recordOf(row: Row): JobRecord {
  return {
    id: row.id,
    type: row.type,
    subjectId: row.subject_id,
    agentId: row.agent_id ?? undefined,
    status: row.status,
    retryable: row.retryable,
    attempts: row.attempts,
    maxAttempts: row.max_attempts,
    runAt: row.run_at,
    stateEnteredAt: row.state_entered_at,
    lastError: row.last_error ?? undefined,
    createdAt: row.created_at,
    completedAt: row.completed_at ?? undefined,
  };
}
