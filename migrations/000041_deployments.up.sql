-- One version on its way to one target, and how that ended. Its job has the attempts, the lease and the state.
CREATE TABLE deployments (
  id             text PRIMARY KEY,
  certificate_id text NOT NULL REFERENCES managed_certificates ON DELETE RESTRICT,
  version_id     text NOT NULL REFERENCES certificates ON DELETE RESTRICT,
  target_id      text NOT NULL REFERENCES targets ON DELETE RESTRICT,
  agent_id       text NOT NULL REFERENCES agents ON DELETE RESTRICT,
  reason         text NOT NULL CHECK (reason IN ('issued', 'renewed', 'requested', 'repair')),
  -- of the last attempt: what the pipeline said
  failure_class  text,
  detail         text,
  idempotent     boolean,
  rolled_back    boolean,
  verified_at    timestamptz,
  -- SHA-256 of the certificate that the server served
  observed       bytea,
  duration_ms    integer,
  backup_paths   text[] NOT NULL DEFAULT '{}',
  created_by     text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deployments_certificate ON deployments (certificate_id, id DESC);
CREATE INDEX deployments_target ON deployments (target_id, id DESC);
CREATE INDEX deployments_version ON deployments (version_id);
CREATE INDEX deployments_agent ON deployments (agent_id);
