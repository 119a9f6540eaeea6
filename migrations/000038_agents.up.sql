-- Programs on hosts that make keys and put certificates in place. A key belongs to one agent, and each call proves it.
CREATE TABLE agents (
  id                text PRIMARY KEY,
  name              text NOT NULL CHECK (name ~ '^[A-Za-z0-9._-]{1,128}$'),
  hostname          text NOT NULL,
  -- SubjectPublicKeyInfo, DER, of a key on P-256
  public_key        bytea NOT NULL,
  spki_sha256       bytea NOT NULL UNIQUE,
  status            text NOT NULL DEFAULT 'online' CHECK (status IN ('online', 'offline', 'degraded')),
  status_reason     text,
  os                text NOT NULL DEFAULT '',
  architecture      text NOT NULL DEFAULT '',
  version           text NOT NULL DEFAULT '',
  ip_address        inet,
  -- target types that it can drive
  capabilities      text[] NOT NULL DEFAULT '{}',
  -- the host's clock less ours, in seconds
  clock_skew        integer NOT NULL DEFAULT 0,
  enrolled_by       text NOT NULL,
  -- of the last change of its state; heartbeats stay outside of this database
  last_seen_at      timestamptz NOT NULL DEFAULT now(),
  registered_at     timestamptz NOT NULL DEFAULT now(),
  retired_at        timestamptz,
  retired_reason    text
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX agents_name ON agents (name) WHERE retired_at IS NULL;

-- What lets a host become an agent: a secret of which the SHA-256 is kept, good for so many enrolments until it expires.
CREATE TABLE agent_enrolment_tokens (
  id           text PRIMARY KEY,
  token_sha256 bytea NOT NULL UNIQUE,
  token_prefix text NOT NULL,
  description  text NOT NULL DEFAULT '',
  -- a glob over agent names; NULL: any
  name_pattern text,
  -- the agent that may come back under a new key; NULL: new agents
  agent_id     text REFERENCES agents ON DELETE RESTRICT,
  max_uses     integer NOT NULL CHECK (max_uses BETWEEN 1 AND 10000),
  uses         integer NOT NULL DEFAULT 0 CHECK (uses <= max_uses),
  expires_at   timestamptz NOT NULL,
  revoked_at   timestamptz,
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX agent_enrolment_tokens_agent ON agent_enrolment_tokens (agent_id) WHERE agent_id IS NOT NULL;
