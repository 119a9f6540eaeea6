-- What was revoked here and was signed elsewhere: whoever signed it is told by a job, as often as it takes.
CREATE TABLE upstream_revocations (
  certificate_id text PRIMARY KEY REFERENCES certificates ON DELETE RESTRICT,
  issuer_id      text NOT NULL REFERENCES issuers ON DELETE RESTRICT,
  reason         smallint NOT NULL CHECK (reason IN (0, 1, 2, 3, 4, 5, 9)),
  revoked_by     text NOT NULL,
  revoked_at     timestamptz NOT NULL DEFAULT now(),
  -- when the CA took it; NULL: not yet, or never
  told_at        timestamptz
);
CREATE INDEX upstream_revocations_issuer ON upstream_revocations (issuer_id);
ALTER TABLE jobs DROP CONSTRAINT jobs_type_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_type_check
  CHECK (type IN ('validation', 'finalize', 'crl', 'issuance', 'renewal', 'csr', 'deployment', 'compromise', 'revocation'));
