import type { Session } from './database.ts';
import { makeDeployments } from './deployments.ts';

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
const switchOff = {
  name: 'target-switch-off',
  text: `UPDATE jobs SET status = 'cancelled', completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL, last_error = 'its target was switched off'
         FROM deployments d WHERE d.target_id = $1 AND jobs.subject_id = d.id AND jobs.type = 'deployment' AND jobs.status IN ('pending', 'running')`,
};

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

/** A target was switched on: it gets what was issued meanwhile. Or off: what is on its way there ends. */
export async function followSwitch(session: Session, targetId: string, on: boolean, actor: string): Promise<void> {
  if (on) await catchUp(session, { target: targetId }, actor);
  else await session.query(switchOff, [targetId]);
}
