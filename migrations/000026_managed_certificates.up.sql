-- A certificate that the platform keeps alive: what it is for, who signs it, and when something is due. What was signed lies in certificates.
CREATE TABLE managed_certificates (
  id             text PRIMARY KEY,
  name           text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9._-]{1,128}$'),
  state          text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'active', 'revoked', 'archived')),
  profile_id     text NOT NULL REFERENCES profiles ON DELETE RESTRICT,
  issuer_id      text NOT NULL REFERENCES issuers ON DELETE RESTRICT,
  policy_id      text NOT NULL REFERENCES renewal_policies ON DELETE RESTRICT,
  common_name    text,
  sans           jsonb NOT NULL,
  -- PKCS#10, DER: signed again at each renewal; NULL: somebody hands in a new one each time
  csr            bytea,
  current_id     text REFERENCES certificates ON DELETE RESTRICT,
  not_before     timestamptz,
  not_after      timestamptz,
  -- when a renewal is due; NULL: never, or a job is at it
  renew_at       timestamptz,
  -- when the next threshold of the policy is passed
  alert_at       timestamptz,
  last_error     text,
  version        integer NOT NULL DEFAULT 1,
  created_by     text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX managed_certificates_renewal ON managed_certificates (renew_at, id) WHERE renew_at IS NOT NULL;
CREATE INDEX managed_certificates_alert ON managed_certificates (alert_at, id) WHERE alert_at IS NOT NULL;
CREATE INDEX managed_certificates_profile ON managed_certificates (profile_id);
CREATE INDEX managed_certificates_issuer ON managed_certificates (issuer_id);
CREATE INDEX managed_certificates_policy ON managed_certificates (policy_id);
CREATE INDEX managed_certificates_current ON managed_certificates (current_id);
