-- The number of the newest CRL of a CA generation, and when it must be replaced. The CRL itself lies in the artifact bucket.
CREATE TABLE crls (
  ca_id         text PRIMARY KEY REFERENCES certificate_authorities ON DELETE RESTRICT,
  number        bigint NOT NULL DEFAULT 0,
  this_update   timestamptz,
  next_update   timestamptz,
  revoked_count integer NOT NULL DEFAULT 0,
  -- raised by every revocation, lowered to what a published CRL contains: a CRL is due while they differ
  status_epoch     bigint NOT NULL DEFAULT 0,
  published_epoch  bigint NOT NULL DEFAULT 0
);
