-- What a target itself calls its certificate, e.g. an ARN: a second deployment finds it by that.
ALTER TABLE targets ADD COLUMN reference text;

-- Private keys that the connector made for targets without a host, under the envelope key, which only the connector may use on them. A key is kept until its
-- version is verified at every target, then destroyed.
CREATE TABLE sealed_keys (
  id           text PRIMARY KEY,
  holder_id    text NOT NULL REFERENCES certificate_holders ON DELETE RESTRICT,
  -- the CSR job that it was made for
  job_id       text NOT NULL UNIQUE,
  -- SHA-256 of its SubjectPublicKeyInfo, by which its certificate is found
  spki_sha256  bytea NOT NULL UNIQUE,
  -- NULL: destroyed
  sealed       bytea,
  made_at      timestamptz NOT NULL DEFAULT now(),
  destroyed_at timestamptz,
  CHECK ((sealed IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE INDEX sealed_keys_holder ON sealed_keys (holder_id) WHERE sealed IS NOT NULL;
