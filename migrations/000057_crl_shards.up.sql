-- CRLs in shards. A certificate names its shard by URL for as long as it lives, so that a shard is never moved or taken away.
-- Whoever issued before, or by a release that knows no shards, stays on the complete CRL in crls.
ALTER TABLE certificate_authorities ADD COLUMN crl_shards integer NOT NULL DEFAULT 1 CHECK (crl_shards BETWEEN 1 AND 128);
ALTER TABLE authority_requests ADD COLUMN crl_shards integer NOT NULL DEFAULT 1 CHECK (crl_shards BETWEEN 1 AND 128);
CREATE TABLE crl_shards (
  ca_id         text NOT NULL REFERENCES certificate_authorities ON DELETE RESTRICT,
  shard         integer NOT NULL CHECK (shard > 0),
  -- what its certificates have in cRLDistributionPoints, and its CRL in issuingDistributionPoint
  url           text NOT NULL UNIQUE,
  number        bigint NOT NULL DEFAULT 0,
  this_update   timestamptz,
  next_update   timestamptz,
  revoked_count integer NOT NULL DEFAULT 0,
  status_epoch    bigint NOT NULL DEFAULT 0,
  published_epoch bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (ca_id, shard)
);
-- NULL: the certificate names the complete CRL.
ALTER TABLE certificates ADD COLUMN crl_shard integer;
ALTER TABLE revocations
  ADD COLUMN crl_shard      integer,
  -- as last_crl, in the shard's own numbers
  ADD COLUMN last_shard_crl bigint;
CREATE INDEX revocations_crl_shard ON revocations (ca_id, crl_shard, serial) WHERE crl_shard IS NOT NULL;
