-- Written before the CA key signs: what is about to be signed, under which serial, for which request. The serial is reserved by
-- its uniqueness; the idempotency key makes a second signature for the same request impossible.
CREATE TABLE signing_log (
  idempotency_key text PRIMARY KEY,
  ca_id           text NOT NULL REFERENCES certificate_authorities ON DELETE RESTRICT,
  serial          text NOT NULL CHECK (serial ~ '^(0|[1-9a-f][0-9a-f]*)$'),
  tbs             bytea NOT NULL,
  reserved_at     timestamptz NOT NULL DEFAULT now(),
  certificate_id  text REFERENCES certificates ON DELETE RESTRICT,
  UNIQUE (ca_id, serial)
);
CREATE INDEX signing_log_certificate ON signing_log (certificate_id);
CREATE INDEX signing_log_open ON signing_log (reserved_at) WHERE certificate_id IS NULL;
