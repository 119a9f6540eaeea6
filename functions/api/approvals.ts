import { approve, getApproval, listApprovals, reject, type ApprovalBody } from '#contract/approvals.ts';
import type { ApprovalRecord, Approvals } from '#adapters/postgres/approvals.ts';
import { reaches, type Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import type { Profile } from '#domain/issuance/profile.ts';
import type { Wake } from '../shared/wake.ts';
import { fieldsOf } from './profiles.ts';
import { serve, serveList, type Served } from './router.ts';

export interface ApprovalPorts {
  readonly store: Approvals;
  readonly wake: Wake;
  readonly hint: (jobId: string) => Promise<void>;
  /** Tells agents that there may be work. */
  readonly tell: (agentIds: readonly string[]) => Promise<void>;
  /** Copies a profile that was changed. */
  readonly mirror: (profile: Profile) => Promise<void>;
}

/** The operations of `contract/approvals.ts`. */
export function approvalOperations(ports: ApprovalPorts): readonly Served[] {
  const existing = async (id: string, reach: Reach): Promise<ApprovalRecord> => {
    const record = await ports.store.find(id);
    if (record === undefined || !reaches(reach, { profile: record.profileId })) throw new CaError('notFound', 'no such approval');
    return record;
  };
  const decide = async (yes: boolean, id: string, note: string | undefined, actor: string): Promise<ApprovalBody> => {
    await ports.wake('jobProcessor', 'jobTimeout', 'renewalCheck');
    const { approval, jobId, agentId, profile } = await ports.store.decide(id, yes, note, actor);
    if (jobId !== undefined) await ports.hint(jobId);
    if (agentId !== undefined) await ports.tell([agentId]);
    if (profile !== undefined) await ports.mirror(profile);
    return show(approval);
  };
  return [
    serveList(
      listApprovals,
      ({ query: { state, certificate, requested_by: requestedBy }, page, reach }) =>
        ports.store.list(page, { state, certificate, requestedBy, reach }),
      show,
    ),
    serve(getApproval, async ({ params, reach }) => show(await existing(params.id, reach))),
    serve(approve, async ({ params, body, caller, reach }) => {
      await existing(params.id, reach);
      return decide(true, params.id, body.note, caller?.id ?? '');
    }),
    serve(reject, async ({ params, body, caller, reach }) => {
      await existing(params.id, reach);
      return decide(false, params.id, body.note, caller?.id ?? '');
    }),
  ];
}

function show(record: ApprovalRecord): ApprovalBody {
  return {
    id: record.id,
    kind: record.kind,
    state: record.state,
    job: record.jobId ?? null,
    certificate: record.certificateId ?? null,
    profile: record.profileId,
    requested_by: record.requestedBy,
    decided_by: record.decidedBy ?? null,
    decided_at: record.decidedAt?.toISOString() ?? null,
    note: record.note ?? null,
    proposed: record.proposed === undefined ? null : fieldsOf(record.proposed),
    created_at: record.createdAt.toISOString(),
    expires_at: record.expiresAt.toISOString(),
  };
}
