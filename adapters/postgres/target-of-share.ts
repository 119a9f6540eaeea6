/** Whether an agent still has a target of a certificate, as SQL over its share (certificate_holders) by its alias: who has none renews no more. */
export const hasTargetOf = (share: string): string => `EXISTS (SELECT FROM certificate_targets c JOIN targets t ON t.id = c.target_id
  WHERE c.certificate_id = ${share}.certificate_id AND t.agent_id = ${share}.agent_id AND t.retired_at IS NULL)`;
/** {@link hasTargetOf} the share `h`. */
export const hasTarget = hasTargetOf('h');
