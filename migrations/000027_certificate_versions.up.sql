-- A certificate may be a version of a managed one, and may come from a CA that is not ours.
ALTER TABLE certificates ADD COLUMN managed_id text REFERENCES managed_certificates ON DELETE RESTRICT;
ALTER TABLE certificates ADD COLUMN issuer_id text REFERENCES issuers ON DELETE RESTRICT;
ALTER TABLE certificates ALTER COLUMN ca_id DROP NOT NULL;
-- PEM of the issuers that came with it, where they are not ours
ALTER TABLE certificates ADD COLUMN chain text;
-- what the CA calls it: an order, an ARN
ALTER TABLE certificates ADD COLUMN vendor_ref text;
-- it arrived when its job was another's by then: kept so that it can be revoked, never anybody's current one
ALTER TABLE certificates ADD COLUMN orphan boolean NOT NULL DEFAULT false;
-- set once by the loop that notes the end of short lives; readers look at not_after
ALTER TABLE certificates ADD COLUMN expiry_noted_at timestamptz;
CREATE UNIQUE INDEX certificates_issuer_serial ON certificates (issuer_id, serial) WHERE ca_id IS NULL;
CREATE INDEX certificates_managed ON certificates (managed_id, not_before DESC) WHERE managed_id IS NOT NULL;
CREATE INDEX certificates_short_lived ON certificates (not_after)
  WHERE expiry_noted_at IS NULL AND not_after - not_before < interval '1 hour';
