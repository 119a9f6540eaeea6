-- Issuance and renewal join the engine: more types and states, when a state was entered, which failures may be tried again.
ALTER TABLE jobs DROP CONSTRAINT jobs_type_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_type_check CHECK (type IN ('validation', 'finalize', 'crl', 'issuance', 'renewal'));
ALTER TABLE jobs DROP CONSTRAINT jobs_status_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_status_check
  CHECK (status IN ('pending', 'awaiting_csr', 'awaiting_approval', 'running', 'completed', 'failed', 'cancelled'));
ALTER TABLE jobs ADD COLUMN state_entered_at timestamptz NOT NULL DEFAULT now();
-- a failed job that jobRetry brings back at run_at
ALTER TABLE jobs ADD COLUMN retryable boolean NOT NULL DEFAULT false;
ALTER TABLE jobs ADD CONSTRAINT jobs_retryable_is_failed CHECK (NOT retryable OR status = 'failed');
-- when the sweeper last sent its hint, so that a long queue is not filled with copies
ALTER TABLE jobs ADD COLUMN hinted_at timestamptz;
-- at most one active issuance or renewal per certificate, whatever it waits for
CREATE UNIQUE INDEX jobs_one_active ON jobs (subject_id)
  WHERE type IN ('issuance', 'renewal') AND (status IN ('pending', 'awaiting_csr', 'awaiting_approval', 'running') OR retryable);
CREATE INDEX jobs_retry ON jobs (run_at) WHERE retryable;
CREATE INDEX jobs_waiting ON jobs (state_entered_at) WHERE status IN ('awaiting_csr', 'awaiting_approval');
CREATE INDEX jobs_subject ON jobs (subject_id, created_at DESC);
