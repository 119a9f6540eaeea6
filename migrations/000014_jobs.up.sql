-- Work that outlives a request. A claim sets a lease and a fencing token; every later write names the token.
CREATE TABLE jobs (
  id               text PRIMARY KEY,
  type             text NOT NULL CHECK (type IN ('validation', 'finalize', 'crl')),
  subject_id       text NOT NULL,
  payload          jsonb NOT NULL DEFAULT '{}',
  status           text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'completed', 'failed')),
  attempts         integer NOT NULL DEFAULT 0,
  max_attempts     integer NOT NULL DEFAULT 4,
  run_at           timestamptz NOT NULL DEFAULT now(),
  lease_token      text,
  lease_expires_at timestamptz,
  last_error       text,
  created_at       timestamptz NOT NULL DEFAULT now(),
  completed_at     timestamptz
) WITH (fillfactor = 80);
-- one open job per subject and type: a second request for the same work joins the first
CREATE UNIQUE INDEX jobs_one_open ON jobs (type, subject_id) WHERE status IN ('pending', 'running');
CREATE INDEX jobs_due ON jobs (run_at) WHERE status = 'pending';
CREATE INDEX jobs_leased ON jobs (lease_expires_at) WHERE status = 'running';
