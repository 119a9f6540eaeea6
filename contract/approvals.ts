import * as z from 'zod';
import { list } from './list.ts';
import { profile } from './profiles.ts';
import { nothing, route } from './route.ts';

const id = z.string().regex(/^ar-[0-9a-z-]{1,60}$/, 'the id of an approval');

export const approval = z.strictObject({
  id,
  kind: z.enum(['issuance', 'profile_edit']),
  state: z.enum(['pending', 'approved', 'rejected', 'expired', 'cancelled']),
  job: z.string().nullable(),
  certificate: z.string().nullable(),
  profile: z.string(),
  requested_by: z.string(),
  decided_by: z.string().nullable(),
  decided_at: z.string().nullable(),
  note: z.string().nullable(),
  proposed: profile.omit({ version: true, acme_directory: true }).nullable().describe('The profile as it shall be, for a change of one'),
  created_at: z.string(),
  expires_at: z.string(),
});
export type ApprovalBody = z.infer<typeof approval>;

export const listApprovals = route(
  list({
    operation: 'listApprovals',
    command: 'approvals list',
    path: '/api/v1/approvals',
    summary: 'What waits for a second person, and what was decided, newest first',
    scope: 'rows',
    permission: 'approval.read',
    params: nothing,
    filters: {
      state: approval.shape.state.optional().describe('Only those in this state'),
      certificate: z.string().max(64).optional().describe('Only about this certificate'),
      requested_by: z.string().max(64).optional().describe('Only what this one asked for'),
    },
    item: approval,
    sorts: ['-created_at'],
  }),
);

const one = { params: z.strictObject({ id }), query: nothing, answer: approval, status: 200, scope: 'rows' } as const;
const decision = z.strictObject({ note: z.string().max(1000).optional().describe('Why, for people') });

export const getApproval = route({
  ...one,
  operation: 'getApproval',
  command: 'approvals get',
  method: 'GET',
  path: '/api/v1/approvals/{id}',
  summary: 'One approval',
  permission: 'approval.read',
  body: nothing,
});

export const approve = route({
  ...one,
  operation: 'approve',
  command: 'approvals approve',
  method: 'POST',
  path: '/api/v1/approvals/{id}/approve',
  summary: 'Says yes: the job runs, or the profile changes; never by who asked',
  permission: 'approval.approve',
  body: decision,
});

export const reject = route({
  ...one,
  operation: 'reject',
  command: 'approvals reject',
  method: 'POST',
  path: '/api/v1/approvals/{id}/reject',
  summary: 'Says no: the job is cancelled, or the profile stays as it is; never by who asked',
  permission: 'approval.reject',
  body: decision,
});
