-- Requests that a client may repeat: what each said, whether it took effect, and what it was answered. Begun rows that died without an effect may be
-- begun again; what has an effect and no answer is never done twice.
CREATE TABLE idempotency_keys (
  caller        text NOT NULL,
  key           text NOT NULL,
  -- SHA-256 of method, path, query and body
  digest        bytea NOT NULL,
  claim         text NOT NULL,
  claimed_until timestamptz NOT NULL,
  effect_at     timestamptz,
  status        smallint,
  headers       jsonb,
  -- sealed where the answer shows a secret
  body          bytea,
  expires_at    timestamptz NOT NULL,
  PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at);
