-- Who makes the key: whoever handed in a CSR, or each agent that has a target of the certificate.
ALTER TABLE managed_certificates ADD COLUMN key_source text NOT NULL DEFAULT 'csr' CHECK (key_source IN ('csr', 'agent'));
ALTER TABLE managed_certificates ADD COLUMN key_algorithm text;

-- An agent's share in a certificate: a key of its own, hence versions and a renewal of its own.
CREATE TABLE certificate_holders (
  id             text PRIMARY KEY,
  certificate_id text NOT NULL REFERENCES managed_certificates ON DELETE RESTRICT,
  agent_id       text NOT NULL REFERENCES agents ON DELETE RESTRICT,
  current_id     text REFERENCES certificates ON DELETE RESTRICT,
  not_after      timestamptz,
  -- when a new key and version are due; NULL: never, or a job is at it
  renew_at       timestamptz,
  last_error     text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (certificate_id, agent_id)
) WITH (fillfactor = 80);
CREATE INDEX certificate_holders_renewal ON certificate_holders (renew_at, id) WHERE renew_at IS NOT NULL;
CREATE INDEX certificate_holders_agent ON certificate_holders (agent_id);
CREATE INDEX certificate_holders_current ON certificate_holders (current_id);

-- Which agent has the key of a version; NULL: none of ours.
ALTER TABLE certificates ADD COLUMN agent_id text REFERENCES agents ON DELETE RESTRICT;
CREATE INDEX certificates_spki ON certificates (spki_sha256);

CREATE TABLE certificate_targets (
  certificate_id text NOT NULL REFERENCES managed_certificates ON DELETE RESTRICT,
  target_id      text NOT NULL REFERENCES targets ON DELETE RESTRICT,
  -- the version that was last verified in place
  deployed_id    text REFERENCES certificates ON DELETE RESTRICT,
  deployed_at    timestamptz,
  last_error     text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (certificate_id, target_id)
);
CREATE INDEX certificate_targets_target ON certificate_targets (target_id);
CREATE INDEX certificate_targets_deployed ON certificate_targets (deployed_id);
