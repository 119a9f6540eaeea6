import { cancelJob, getJob, listJobs, retryJob, submitCsr, type JobBody } from '#contract/jobs.ts';
import type { JobAdministration, JobRecord } from '#adapters/postgres/job-administration.ts';
import { CaError } from '#domain/error.ts';
import { parseCsr } from '#domain/x509/csr.ts';
import { fromPem } from '#domain/x509/pem.ts';
import type { Wake } from '../shared/wake.ts';
import { serve, serveList, type Served } from './router.ts';

export interface JobPorts {
  readonly store: JobAdministration;
  readonly wake: Wake;
  readonly hint: (jobId: string) => Promise<void>;
}

/** The operations of `contract/jobs.ts`. */
export function jobOperations(ports: JobPorts): readonly Served[] {
  const existing = async (id: string): Promise<JobRecord> => {
    const record = await ports.store.find(id);
    if (record === undefined) throw new CaError('notFound', 'no such job');
    return record;
  };
  return [
    serveList(listJobs, ({ query: { status, type, subject }, page }) => ports.store.list(page, { status, type, subject }), show),
    serve(getJob, async ({ params }) => show(await existing(params.id))),
    serve(cancelJob, async ({ params, caller }) => {
      await ports.wake('renewalCheck');
      const cancelled = await ports.store.cancel(params.id, caller?.id ?? '');
      const record = await existing(params.id);
      if (!cancelled) throw new CaError('conflict', `a ${record.type} job that is ${record.status} cannot be cancelled`);
      return show(record);
    }),
    serve(retryJob, async ({ params, caller }) => {
      await ports.wake('jobProcessor', 'jobTimeout');
      const again = await ports.store.retry(params.id, caller?.id ?? '');
      const record = await existing(params.id);
      if (!again) throw new CaError('conflict', `a ${record.type} job that is ${record.status} is not tried again by hand`);
      await ports.hint(params.id);
      return show(record);
    }),
    serve(submitCsr, async ({ params, body, caller }) => {
      const csr = parseCsr(fromPem('CERTIFICATE REQUEST', body.csr));
      if (csr.isCa) throw new CaError('badCsr', 'the CSR asks for a CA certificate');
      await ports.wake('jobProcessor', 'jobTimeout');
      const taken = await ports.store.submitCsr(params.id, csr.der, caller?.id ?? '');
      const record = await existing(params.id);
      if (!taken) throw new CaError('conflict', `the job is ${record.status} and waits for no CSR`);
      await ports.hint(params.id);
      return show(record);
    }),
  ];
}

function show(record: JobRecord): JobBody {
  return {
    id: record.id,
    type: record.type,
    subject: record.subjectId,
    agent: record.agentId ?? null,
    status: record.status,
    retryable: record.retryable,
    attempts: record.attempts,
    max_attempts: record.maxAttempts,
    run_at: record.runAt.toISOString(),
    state_entered_at: record.stateEnteredAt.toISOString(),
    last_error: record.lastError ?? null,
    created_at: record.createdAt.toISOString(),
    completed_at: record.completedAt?.toISOString() ?? null,
  };
}
