-- Public keys that nobody may certify again: revoked for compromise, proven by a signature of the key itself.
CREATE TABLE blocked_keys (
  spki_sha256 bytea PRIMARY KEY,
  reason      text NOT NULL,
  blocked_at  timestamptz NOT NULL DEFAULT now()
);
