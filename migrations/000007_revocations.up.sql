-- The truth about revocation (RFC 5280 §5.3.1 reasons). CRL and OCSP are views of it.
CREATE TABLE revocations (
  ca_id          text NOT NULL REFERENCES certificate_authorities ON DELETE RESTRICT,
  serial         text NOT NULL CHECK (serial ~ '^(0|[1-9a-f][0-9a-f]*)$'),
  certificate_id text REFERENCES certificates ON DELETE RESTRICT,
  reason         smallint NOT NULL CHECK (reason IN (0, 1, 2, 3, 4, 5, 6, 9)),
  revoked_by     text NOT NULL,
  revoked_at     timestamptz NOT NULL DEFAULT now(),
  not_after      timestamptz NOT NULL,
  -- the number of the first CRL issued after the certificate's end; the entry leaves with the next one (RFC 5280 §3.3)
  last_crl       bigint,
  PRIMARY KEY (ca_id, serial)
);
CREATE INDEX revocations_certificate ON revocations (certificate_id);
