-- Two kinds of jobs are an agent's: to make a key and a CSR, which the worker then has certified, and to put a version in place.
ALTER TABLE jobs DROP CONSTRAINT jobs_type_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_type_check
  CHECK (type IN ('validation', 'finalize', 'crl', 'issuance', 'renewal', 'csr', 'deployment'));
ALTER TABLE jobs ADD COLUMN agent_id text REFERENCES agents ON DELETE RESTRICT;
ALTER TABLE jobs ADD CONSTRAINT jobs_of_agents CHECK ((type IN ('csr', 'deployment')) = (agent_id IS NOT NULL));
CREATE INDEX jobs_agent ON jobs (agent_id, run_at) WHERE agent_id IS NOT NULL AND status IN ('pending', 'awaiting_csr', 'running');
-- at most one active CSR job per agent and certificate
CREATE UNIQUE INDEX jobs_one_csr ON jobs (subject_id)
  WHERE type = 'csr' AND (status IN ('pending', 'awaiting_csr', 'running') OR retryable);

ALTER TABLE outbox DROP CONSTRAINT outbox_topic_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_topic_check CHECK (topic IN ('job', 'profile', 'loop', 'notification', 'agent'));
