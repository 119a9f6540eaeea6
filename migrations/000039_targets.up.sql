-- Where certificates are put: a server's files on an agent's host, or what the agent reaches from there.
CREATE TABLE targets (
  id             text PRIMARY KEY,
  name           text NOT NULL CHECK (name ~ '^[A-Za-z0-9._-]{1,128}$'),
  type           text NOT NULL,
  agent_id       text NOT NULL REFERENCES agents ON DELETE RESTRICT,
  -- no secrets: those are names that the host knows
  config         jsonb NOT NULL,
  enabled        boolean NOT NULL DEFAULT true,
  version        integer NOT NULL DEFAULT 1,
  retired_at     timestamptz,
  retired_reason text,
  created_by     text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX targets_name ON targets (agent_id, name) WHERE retired_at IS NULL;
