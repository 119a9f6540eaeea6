import type { Session } from './database.ts';
import { hasTarget, hasTargetOf } from './target-of-share.ts';

const otherHolders = `EXISTS (SELECT FROM certificate_holders o WHERE o.certificate_id = h.certificate_id AND o.id <> h.id AND ${hasTargetOf('o')})`;
// Where nobody is left the words stay, for they say why nothing is renewed.
const forget = {
  name: 'left-shares-forget',
  text: `WITH t AS (UPDATE certificate_targets SET last_error = NULL FROM targets t WHERE t.id = certificate_targets.target_id AND t.agent_id = $1 AND t.retired_at IS NOT NULL)
    UPDATE certificate_holders h SET last_error = NULL WHERE h.agent_id = $1 AND NOT ${hasTarget} AND ${otherHolders}`,
};
const ends = {
  name: 'left-shares-ends',
  text: `UPDATE managed_certificates m SET not_after = e.not_after, updated_at = now(),
      alert_at = CASE WHEN m.state = 'active' THEN (SELECT min(e.not_after - make_interval(days => days)) FROM renewal_policies p, unnest(p.alert_thresholds_days) days
        WHERE p.id = m.policy_id AND e.not_after - make_interval(days => days) > now()) END
    FROM (SELECT h.certificate_id, min(h.not_after) AS not_after FROM certificate_holders h
          WHERE h.certificate_id IN (SELECT l.certificate_id FROM certificate_holders l WHERE l.agent_id = $1) AND ${hasTarget} GROUP BY h.certificate_id) e
    WHERE m.id = e.certificate_id AND e.not_after IS DISTINCT FROM m.not_after AND e.not_after IS NOT NULL`,
};

/** What an agent has no target for any more counts no longer: its certificates end when the versions of the others do. In the transaction that retired it. */
export async function leaveShares(session: Session, agentId: string): Promise<void> {
  await session.query(forget, [agentId]);
  await session.query(ends, [agentId]);
}
