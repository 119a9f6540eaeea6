-- Who did what, committed with the change itself. The sealer chains rows behind the commit (seq, prev_hash, row_hash).
CREATE TABLE audit_events (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  actor         text NOT NULL,
  actor_type    text NOT NULL CHECK (actor_type IN ('User', 'System', 'Agent', 'APIKey', 'ACME', 'Anonymous')),
  action        text NOT NULL,
  resource_type text NOT NULL,
  resource_id   text NOT NULL,
  details       jsonb NOT NULL DEFAULT '{}',
  category      text NOT NULL CHECK (category IN ('cert_lifecycle', 'auth', 'config')),
  at            timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX audit_events_resource ON audit_events (resource_type, resource_id);
