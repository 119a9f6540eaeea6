-- Everything we signed for a subscriber. Immutable but for nothing: revocation has a table of its own.
CREATE TABLE certificates (
  id            text PRIMARY KEY,
  ca_id         text NOT NULL REFERENCES certificate_authorities ON DELETE RESTRICT,
  serial        text NOT NULL CHECK (serial ~ '^(0|[1-9a-f][0-9a-f]*)$'),
  fingerprint   bytea NOT NULL UNIQUE,
  spki_sha256   bytea NOT NULL,
  certificate   bytea NOT NULL,
  common_name   text,
  sans          jsonb NOT NULL,
  profile_id    text NOT NULL REFERENCES profiles ON DELETE RESTRICT,
  account_id    text,
  source        text NOT NULL CHECK (source IN ('ACME', 'API', 'Agent', 'EST', 'SCEP')),
  not_before    timestamptz NOT NULL,
  not_after     timestamptz NOT NULL CHECK (not_after > not_before),
  created_at    timestamptz NOT NULL DEFAULT now(),
  UNIQUE (ca_id, serial)
);
CREATE INDEX certificates_not_after ON certificates (not_after);
CREATE INDEX certificates_profile ON certificates (profile_id);
CREATE INDEX certificates_account ON certificates (account_id);
