import type { Reach } from '#domain/access/grant.ts';
import { connectorAgentId } from '#domain/agent/connector.ts';
import { CaError } from '#domain/error.ts';
import { keptProfile, type Profile } from '#domain/issuance/profile.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database, type Session } from './database.ts';
import { slice, within, type Keyset } from './keyset.ts';

export type ApprovalState = 'pending' | 'approved' | 'rejected' | 'expired' | 'cancelled';

export interface ApprovalRecord {
  readonly id: string;
  readonly kind: 'issuance' | 'profile_edit';
  readonly state: ApprovalState;
  readonly jobId: string | undefined;
  readonly certificateId: string | undefined;
  readonly profileId: string;
  readonly requestedBy: string;
  readonly decidedBy: string | undefined;
  readonly decidedAt: Date | undefined;
  readonly note: string | undefined;
  /** The profile as it shall be. */
  readonly proposed: Profile | undefined;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export interface Approvals {
  list(
    page: PageRequest,
    filter: {
      readonly state: ApprovalState | undefined;
      readonly certificate: string | undefined;
      readonly requestedBy: string | undefined;
      readonly reach: Reach;
    },
  ): Promise<Slice<ApprovalRecord>>;
  find(id: string): Promise<ApprovalRecord | undefined>;
  /** Asks for a change of a profile. @throws {CaError} `conflict` while another change of it waits */
  askProfileEdit(id: string, proposed: Profile, baseVersion: number, actor: string): Promise<ApprovalRecord>;
  /**
   * Decides under a lock: decision, what it sets free, outbox and audit in one commit.
   *
   * @throws {CaError} `notFound`; `unauthorized` for who asked, by whichever of their keys and identities; `conflict` when it was decided, has expired, or the
   *   profile has another version than the one that was changed
   */
  decide(
    id: string,
    yes: boolean,
    note: string | undefined,
    actor: string,
  ): Promise<{
    readonly approval: ApprovalRecord;
    readonly jobId: string | undefined;
    readonly agentId: string | undefined;
    readonly profile: Profile | undefined;
  }>;
}

const columns = `a.id, a.kind, CASE WHEN a.state = 'pending' AND a.expires_at <= now() THEN 'expired' ELSE a.state END AS state, a.job_id, a.certificate_id,
  a.profile_id, a.requested_by, a.decided_by, a.decided_at, a.note, a.payload, a.base_version, a.created_at, a.expires_at`;
export const approvalList: Keyset = {
  columns,
  from: 'approvals a',
  id: 'a.id',
  idType: 'text',
  sorts: { created_at: { expression: 'a.created_at', type: 'timestamptz' } },
};
const find = { name: 'approval', text: `SELECT ${columns} FROM approvals a WHERE a.id = $1` };
const expireEdits = {
  name: 'approval-expire-edit',
  text: `UPDATE approvals SET state = 'expired' WHERE profile_id = $1 AND kind = 'profile_edit' AND state = 'pending' AND expires_at <= now()`,
};
const ask = {
  name: 'approval-ask-edit',
  text: `WITH a AS (INSERT INTO approvals (id, kind, profile_id, requested_by, payload, base_version) VALUES ($1, 'profile_edit', $2, $3, $4, $5) RETURNING *),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'approval_requested', 'approval', id, jsonb_build_object('profile', profile_id, 'base_version', base_version), 'auth' FROM a)
  SELECT ${columns} FROM a`,
};
// Where a key or a mapping belongs to a person, it is the person that decides; and nobody makes one to agree with themselves.
const lock = {
  name: 'approval-lock',
  text: `SELECT ${columns},
      a.requested_by = $2
        OR EXISTS (SELECT FROM callers asker JOIN callers decider ON asker.owner_id = decider.owner_id WHERE asker.caller = a.requested_by AND decider.caller = $2)
        OR EXISTS (SELECT FROM callers decider WHERE decider.caller = $2 AND decider.created_by = a.requested_by AND decider.created_at > a.created_at) AS own
    FROM approvals a WHERE a.id = $1 FOR UPDATE`,
};
const decide = {
  name: 'approval-decide',
  text: `WITH a AS (UPDATE approvals SET state = CASE WHEN $3 THEN 'approved' ELSE 'rejected' END, decided_by = $2, decided_at = now(), note = $4
                    WHERE id = $1 RETURNING *),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $2, 'APIKey', CASE WHEN $3 THEN 'approve' ELSE 'reject' END, 'approval', id,
                 jsonb_build_object('kind', kind, 'certificate', certificate_id, 'job', job_id, 'profile', profile_id, 'requested_by', requested_by),
                 CASE kind WHEN 'issuance' THEN 'cert_lifecycle' ELSE 'auth' END FROM a)
  SELECT ${columns} FROM a`,
};
// Where an agent makes the key, it is the agent that goes on.
const release = {
  name: 'approval-release',
  text: `WITH j AS (UPDATE jobs SET status = CASE WHEN type = 'csr' AND agent_id <> '${connectorAgentId}' THEN 'awaiting_csr' ELSE 'pending' END, run_at = now(), state_entered_at = now(), hinted_at = NULL
                    WHERE id = $1 AND status = 'awaiting_approval' RETURNING id, type, agent_id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT CASE type WHEN 'csr' THEN 'agent' ELSE 'job' END, coalesce(agent_id, id) FROM j)
  SELECT agent_id FROM j`,
};
const end = {
  name: 'approval-end',
  text: `WITH j AS (UPDATE jobs SET status = 'cancelled', last_error = 'rejected', completed_at = now(), state_entered_at = now()
                    WHERE id = $1 AND status = 'awaiting_approval' RETURNING subject_id),
    h AS (UPDATE certificate_holders SET last_error = 'rejected' FROM j WHERE certificate_holders.id = j.subject_id)
  UPDATE managed_certificates SET last_error = 'rejected', updated_at = now() FROM j WHERE managed_certificates.id = j.subject_id`,
};

/** @param replaceProfile replaces a profile of a version, in the session given; undefined: it has another one by now */
export function approvals(
  database: Database,
  replaceProfile: (session: Session, profile: Profile, expected: number, actor: string) => Promise<Profile | undefined>,
): Approvals {
  return {
    list: (page, { state, certificate, requestedBy, reach }) =>
      slice(
        database,
        approvalList,
        page,
        [
          ['a.state = ?', state],
          ['a.certificate_id = ?', certificate],
          ['a.requested_by = ?', requestedBy],
          within(reach, { profile: 'a.profile_id' }),
        ],
        recordOf,
      ),
    async find(id) {
      const [row] = await database.query<Row>(find, [id]);
      return row && recordOf(row);
    },
    async askProfileEdit(id, proposed, baseVersion, actor) {
      try {
        return await database.transaction(async (session) => {
          await session.query(expireEdits, [proposed.id]);
          const [row] = await session.query<Row>(ask, [id, proposed.id, actor, JSON.stringify(proposed), baseVersion]);
          if (row === undefined) throw new Error('no row');
          return recordOf(row);
        });
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'another change of this profile waits for its approval', { cause: error });
        throw error;
      }
    },
    decide: (id, yes, note, actor) =>
      database.transaction(async (session) => {
        const [asked] = await session.query<Row & { own: boolean }>(lock, [id, actor]);
        if (asked === undefined) throw new CaError('notFound', 'no such approval');
        if (asked.own) throw new CaError('unauthorized', 'who asked does not decide: a second person must');
        if (asked.state !== 'pending') throw new CaError('conflict', `the approval is ${asked.state}`);
        const [row] = await session.query<Row>(decide, [id, actor, yes, note ?? null]);
        if (row === undefined) throw new Error('no row');
        const approval = recordOf(row);
        let profile: Profile | undefined;
        let agentId: string | undefined;
        if (yes && approval.jobId !== undefined) {
          const [released] = await session.query<{ agent_id: string | null }>(release, [approval.jobId]);
          if (released === undefined) throw new CaError('conflict', 'the job waits no longer');
          agentId = released.agent_id ?? undefined;
        }
        if (!yes && approval.jobId !== undefined) await session.query(end, [approval.jobId]);
        if (yes && approval.proposed !== undefined) {
          profile = await replaceProfile(session, approval.proposed, row.base_version ?? 0, actor);
          if (profile === undefined)
            throw new CaError('conflict', 'the profile was changed since this was asked for: reject it, and let it be asked anew');
        }
        return { approval, jobId: yes && agentId === undefined ? approval.jobId : undefined, agentId, profile };
      }),
  };
}

interface Row {
  id: string;
  kind: ApprovalRecord['kind'];
  state: ApprovalState;
  job_id: string | null;
  certificate_id: string | null;
  profile_id: string;
  requested_by: string;
  decided_by: string | null;
  decided_at: Date | null;
  note: string | null;
  payload: Profile | null;
  base_version: number | null;
  created_at: Date;
  expires_at: Date;
}

function recordOf(row: Row): ApprovalRecord {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    jobId: row.job_id ?? undefined,
    certificateId: row.certificate_id ?? undefined,
    profileId: row.profile_id,
    requestedBy: row.requested_by,
    decidedBy: row.decided_by ?? undefined,
    decidedAt: row.decided_at ?? undefined,
    note: row.note ?? undefined,
    proposed: row.payload === null ? undefined : keptProfile(row.payload),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
