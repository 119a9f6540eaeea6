-- Other certificates of the same CA key, made by a CA that some clients trust instead of our root: RFC 8555 §7.4.2 alternate chains.
CREATE TABLE cross_certificates (
  id           text PRIMARY KEY,
  ca_id        text NOT NULL REFERENCES certificate_authorities ON DELETE RESTRICT,
  -- the cross-certificate first, then its issuers; DER
  certificates bytea[] NOT NULL CHECK (cardinality(certificates) BETWEEN 1 AND 5),
  fingerprint  bytea NOT NULL UNIQUE,
  not_after    timestamptz NOT NULL,
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cross_certificates_ca ON cross_certificates (ca_id);
