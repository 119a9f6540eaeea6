/** Whether an agent still has a target of a certificate, as SQL over its share `h` (certificate_holders): who has none renews no more. */
export const hasTarget = `EXISTS (SELECT FROM certificate_targets c JOIN targets t ON t.id = c.target_id
  WHERE c.certificate_id = h.certificate_id AND t.agent_id = h.agent_id AND t.retired_at IS NULL)`;
