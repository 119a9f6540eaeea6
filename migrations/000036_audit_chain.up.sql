-- The chain over the audit trail. Events commit unsealed with their change; the sealer gives them a sequence and a hash behind the commit, so that
-- no transaction waits for another's.
CREATE TABLE audit_seals (
  seq      bigint PRIMARY KEY,
  event_id bigint NOT NULL UNIQUE,
  row_hash bytea NOT NULL CHECK (length(row_hash) = 32)
);
CREATE TRIGGER audit_seals_no_change BEFORE UPDATE OR DELETE ON audit_seals FOR EACH ROW EXECUTE FUNCTION audit_events_refuse_change();
CREATE TRIGGER audit_seals_no_truncate BEFORE TRUNCATE ON audit_seals FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse_change();
-- One row: where the chain ends, up to where nothing can be unsealed any more, and how far it was verified.
CREATE TABLE audit_head (
  one            boolean PRIMARY KEY DEFAULT true CHECK (one),
  seq            bigint NOT NULL DEFAULT 0,
  hash           bytea NOT NULL,
  settled_id     bigint NOT NULL DEFAULT 0,
  verified_seq   bigint NOT NULL DEFAULT 0,
  verified_hash  bytea NOT NULL,
  verified_at    timestamptz,
  walk_began_at  timestamptz,
  first_break    jsonb,
  anchored_seq   bigint NOT NULL DEFAULT 0,
  anchored_at    timestamptz
);
INSERT INTO audit_head (hash, verified_hash) SELECT genesis, genesis FROM (SELECT sha256('certctl audit chain') AS genesis) g;
CREATE INDEX audit_events_at ON audit_events (at);
