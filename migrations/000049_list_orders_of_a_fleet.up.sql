-- As 000044 does for certificates: an index for each order in which agents, targets, deployments and tokens are listed, and for each filter with it.
CREATE INDEX agents_registered ON agents (registered_at, id);
CREATE INDEX agents_listed ON agents (name, id);
CREATE INDEX agents_status ON agents (status, registered_at, id);
CREATE INDEX targets_created ON targets (created_at, id);
CREATE INDEX targets_listed ON targets (name, id);
CREATE INDEX targets_agent_created ON targets (agent_id, created_at, id);
CREATE INDEX targets_type_created ON targets (type, created_at, id);
CREATE INDEX deployments_created ON deployments (created_at, id);
CREATE INDEX deployments_certificate_created ON deployments (certificate_id, created_at, id);
CREATE INDEX deployments_target_created ON deployments (target_id, created_at, id);
CREATE INDEX deployments_agent_created ON deployments (agent_id, created_at, id);
CREATE INDEX agent_enrolment_tokens_created ON agent_enrolment_tokens (created_at, id);
CREATE INDEX agent_enrolment_tokens_expiry ON agent_enrolment_tokens (expires_at, id);
