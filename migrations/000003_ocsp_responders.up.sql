-- The delegated responder of a CA generation (RFC 6960 §4.2.2.2); a new row rotates, the newest valid one signs.
CREATE TABLE ocsp_responders (
  id           text PRIMARY KEY,
  ca_id        text NOT NULL REFERENCES certificate_authorities ON DELETE RESTRICT,
  serial       text NOT NULL CHECK (serial ~ '^(0|[1-9a-f][0-9a-f]*)$'),
  certificate  bytea NOT NULL,
  sealed_key   bytea NOT NULL,
  not_before   timestamptz NOT NULL,
  not_after    timestamptz NOT NULL CHECK (not_after > not_before),
  rotated_from text REFERENCES ocsp_responders ON DELETE RESTRICT,
  created_at   timestamptz NOT NULL DEFAULT now(),
  UNIQUE (ca_id, serial)
);
CREATE INDEX ocsp_responders_newest ON ocsp_responders (ca_id, not_after DESC);
